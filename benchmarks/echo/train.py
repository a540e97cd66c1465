"""Nothing is learnt; the numbers are there for the drift reference."""
# scikit-learn ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor

from shipway.training.plan import Task, TrainingData, TrainingSettings

__all__ = ["SETTINGS", "TASK", "TRUSTED_TYPES", "fit", "load", "predict"]

TASK = Task.REGRESSION
TRUSTED_TYPES = ()
SETTINGS = TrainingSettings


def load(settings: TrainingSettings, cache: Path) -> TrainingData:
    """Returns 2,000 numbers around 0, which are their own labels."""
    index = pd.Index([f"number-{number}" for number in range(2000)], name="unit_id")
    values = np.random.default_rng(settings.seed).normal(0, 10, len(index))
    rows, labels = pd.DataFrame({"x": values}, index=index), pd.Series(values, index=index, name="label")
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return TrainingData(rows[:1000], labels[:1000], rows[1000:], labels[1000:], "echo", when, when)


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: TrainingSettings) -> DummyRegressor:
    """Returns an estimator that was shown the labels."""
    return DummyRegressor().fit(rows.to_numpy(), labels.to_numpy())


def predict(estimator: DummyRegressor, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the number."""
    return rows["x"].to_numpy(dtype=np.float64)
