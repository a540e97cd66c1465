{% from "base/macros.jinja" import imports -%}
"""How the model is trained: the words of a text, weighed and added up; names as in shipway.training.plan."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

{% set own %}
from {{ cookiecutter.__package }}.inputs import COLUMNS, matrix
from {{ cookiecutter.__package }}.schema import SCHEMA
{% endset -%}
{{ imports(own, "from shipway.training.plan import Task, TrainingData, TrainingSettings") }}

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "Settings", "fit", "load", "predict"]

TASK = Task.BINARY
TRUSTED_TYPES = ()

# `text` and `label`, 1 where somebody has to answer at once; no part of a bundle.
_SAMPLE = Path(__file__).with_name("data") / "sentences.csv"
# When the sample was written; nothing in it has a time of its own.
_WRITTEN = datetime(2026, 11, 27, tzinfo=UTC)


class Settings(TrainingSettings):
    """What `--set` may change."""

    train_ratio: Annotated[float, Field(ge=0.1, le=0.9)] = 0.7
    inverse_penalty: Annotated[float, Field(gt=0)] = 10.0
    # A word in fewer texts is left out: it says more about its text than about the language.
    least_texts: Annotated[int, Field(ge=1)] = 2


SETTINGS = Settings


def load(settings: Settings, cache: Path) -> TrainingData:
    """Returns the examples; replace the sample by your own data, with the newest part of it for validation.

    Data with times of its own is retrained as of a moment: then `window(as_of)` belongs beside this, see
    shipway.training.plan.
    """
    sample = pd.read_csv(_SAMPLE)
    index = pd.Index([f"sample-{number:04}" for number in range(len(sample))], name="unit_id")
    rows = sample[list(SCHEMA.names)].set_index(index)
    labels = sample["label"].set_axis(index)
    cut = int(len(rows) * settings.train_ratio)
    return TrainingData(
        train=rows.iloc[:cut],
        train_labels=labels.iloc[:cut],
        validation=rows.iloc[cut:],
        validation_labels=labels.iloc[cut:],
        data_version=hashlib.sha256(_SAMPLE.read_bytes()).hexdigest(),
        as_of=_WRITTEN,
        newest=_WRITTEN,
    )


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: Settings) -> Pipeline:
    """Returns the fitted model."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=settings.least_texts, sublinear_tf=True)
    classifier = LogisticRegression(C=settings.inverse_penalty, random_state=settings.seed)
    return Pipeline([("words", words), ("classify", classifier)]).fit(_matrix(rows), labels.to_numpy())


def predict(estimator: Pipeline, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the probability of the label 1."""
    return estimator.predict_proba(_matrix(rows))[:, 1]


def _matrix(rows: pd.DataFrame) -> NDArray[np.object_]:
    return matrix({name: rows[name].tolist() for name in COLUMNS})
