"""How the model is trained: on nine of fourteen written forms, validated on the others; see shipway.training.plan."""

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

from digits.inputs import COLUMNS, matrix
from digits.schema import SCHEMA
from shipway.training.plan import Task, TrainingData, TrainingSettings

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "Settings", "fit", "load", "predict"]

TASK = Task.MULTICLASS
TRUSTED_TYPES = ()

# The pictures come form by form, each written by one of 13 people. Here the tenth begins: a cut within a form would
# have the same hand in training and in validation.
_TENTH_FORM = 1157

# When the data was given to the UCI repository; nothing in it has a time of its own.
_DONATED = datetime(1998, 7, 1, tzinfo=UTC)


class Settings(TrainingSettings):
    """What `--set` may change."""

    train_rows: Annotated[int, Field(ge=200, le=1700)] = _TENTH_FORM
    penalty: Annotated[float, Field(gt=0)] = 10.0
    gamma: Annotated[float, Field(gt=0)] = 0.001


SETTINGS = Settings


def load(settings: Settings, cache: Path) -> TrainingData:
    """Returns the pictures in the order of the forms, so that the last ones are from forms the model has not seen."""
    pictures, digits = load_digits(return_X_y=True)
    index = pd.Index([f"digit-{number:04}" for number in range(len(digits))], name="unit_id")
    rows = pd.DataFrame({name: list(pictures.tolist()) for name in SCHEMA.names}, index=index)
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
    estimator = SVC(C=settings.penalty, gamma=settings.gamma, random_state=settings.seed)
    return estimator.fit(_matrix(rows), labels.to_numpy())


def predict(estimator: SVC, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the digit."""
    return estimator.predict(_matrix(rows)).astype(float)


def _matrix(rows: pd.DataFrame) -> NDArray[np.float64]:
    return matrix({name: rows[name].tolist() for name in COLUMNS})
