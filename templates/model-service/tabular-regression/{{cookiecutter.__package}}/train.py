{% from "base/macros.jinja" import imports -%}
"""How the model is trained, on a sample that scikit-learn brings along; names as in shipway.training.plan."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

{% set own %}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA
{% endset -%}
{{ imports(own, "from shipway.training.plan import Task, TrainingData, TrainingSettings") }}

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "Settings", "fit", "load", "predict"]

TASK = Task.REGRESSION
TRUSTED_TYPES = ()

# When the sample was published (Efron et al. 2004, Least Angle Regression); nothing in it has a time of its own.
_PUBLISHED = datetime(2004, 4, 1, tzinfo=UTC)

# The sample's own names of the fields.
_SAMPLE = ("age", "bmi", "bp", "s3", "s5")


class Settings(TrainingSettings):
    """What `--set` may change."""

    train_rows: Annotated[int, Field(ge=100, le=400)] = 300
    penalty: Annotated[float, Field(ge=0)] = 1.0


SETTINGS = Settings


def load(settings: Settings, cache: Path) -> TrainingData:
    """Returns the examples; replace the sample by your own data, with the newest part of it for validation.

    Data with times of its own is retrained as of a moment: then `window(as_of)` belongs beside this, see
    shipway.training.plan.
    """
    sample: Any = load_diabetes(as_frame=True, scaled=False)
    index = pd.Index([f"sample-{number:04}" for number in range(len(sample.frame))], name="unit_id")
    rows = sample.frame[list(_SAMPLE)].set_axis(list(SCHEMA.names), axis=1).set_index(index)
    labels = pd.Series(sample.target.to_numpy(), index=index, name="progression")
    cut = settings.train_rows
    return TrainingData(
        train=rows.iloc[:cut],
        train_labels=labels.iloc[:cut],
        validation=rows.iloc[cut:],
        validation_labels=labels.iloc[cut:],
        data_version=hashlib.sha256(rows.to_numpy().tobytes() + labels.to_numpy().tobytes()).hexdigest(),
        as_of=_PUBLISHED,
        newest=_PUBLISHED,
    )


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: Settings) -> Pipeline:
    """Returns the fitted model."""
    regressor = Ridge(alpha=settings.penalty, random_state=settings.seed)
    return Pipeline([("scale", StandardScaler()), ("regress", regressor)]).fit(_matrix(rows), labels.to_numpy())


def predict(estimator: Pipeline, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the number that is predicted."""
    return estimator.predict(_matrix(rows))


def _matrix(rows: pd.DataFrame) -> NDArray[np.float64]:
    return matrix({name: rows[name].tolist() for name in COLUMNS})
