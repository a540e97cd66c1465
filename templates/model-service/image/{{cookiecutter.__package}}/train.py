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
from sklearn.datasets import load_digits
from sklearn.svm import SVC

{% set own %}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA, SHAPE
{% endset -%}
{% set platform %}
from shipway.artifacts.pictures import png
from shipway.training.plan import Task, TrainingData, TrainingSettings
{% endset -%}
{{ imports(own, platform) }}

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "Settings", "fit", "load", "predict"]

TASK = Task.MULTICLASS
TRUSTED_TYPES = ()

# The sample comes form by form, each written by one person. Here the tenth begins: a cut within a form would have the
# same hand in training and in validation.
_TENTH_FORM = 1157
# When the sample was given to the UCI repository; nothing in it has a time of its own.
_DONATED = datetime(1998, 7, 1, tzinfo=UTC)
# The sample counts ink from 0 to 16; a picture's samples go to 255.
_INK = 15


class Settings(TrainingSettings):
    """What `--set` may change."""

    train_rows: Annotated[int, Field(ge=200, le=1700)] = _TENTH_FORM
    penalty: Annotated[float, Field(gt=0)] = 10.0


SETTINGS = Settings


def load(settings: Settings, cache: Path) -> TrainingData:
    """Returns the examples; replace the sample by your own data, with the newest part of it for validation.

    The sample's last pictures are from written forms that the model has not seen. Data with times of its own is
    retrained as of a moment: then `window(as_of)` belongs beside this, see shipway.training.plan.
    """
    sample: Any = load_digits()
    ink, digits = sample.data, sample.target
    pictures = (ink * _INK).astype(np.uint8).reshape(-1, *SHAPE)
    index = pd.Index([f"sample-{number:04}" for number in range(len(digits))], name="unit_id")
    rows = pd.DataFrame({name: [png(picture) for picture in pictures] for name in SCHEMA.names}, index=index)
    labels = pd.Series(digits, index=index, name="label")
    cut = settings.train_rows
    return TrainingData(
        train=rows.iloc[:cut],
        train_labels=labels.iloc[:cut],
        validation=rows.iloc[cut:],
        validation_labels=labels.iloc[cut:],
        data_version=hashlib.sha256(pictures.tobytes() + digits.tobytes()).hexdigest(),
        as_of=_DONATED,
        newest=_DONATED,
    )


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: Settings) -> SVC:
    """Returns the fitted machine."""
    estimator = SVC(C=settings.penalty, random_state=settings.seed)
    return estimator.fit(_matrix(rows), labels.to_numpy())


def predict(estimator: SVC, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the class."""
    return estimator.predict(_matrix(rows)).astype(float)


def _matrix(rows: pd.DataFrame) -> NDArray[np.float64]:
    return matrix({name: rows[name].tolist() for name in COLUMNS})
