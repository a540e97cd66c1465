"""The protocol a service's train.py follows: a plain module with a few names, nothing to inherit from.

    SETTINGS        a subclass of `TrainingSettings`: every number a person may change with `--set key=value`
    TASK            `Task.BINARY`, `Task.MULTICLASS` or `Task.REGRESSION`: decides the default metrics
    TRUSTED_TYPES   the types outside skops' own allow-list that the saved estimator holds, by their full names
    load(settings, cache) -> TrainingData
    fit(rows, labels, settings) -> estimator, the same one for the same input and seed
    predict(estimator, rows) -> np.ndarray of shape (n,): what the service answers, one value a row

Optional:

    RANGES          `view:feature` -> (least, greatest): a feature beyond them stops the training
    offline(cache) -> the folder of the feature repository that `load` joins from, made where there is none; for parity
    metrics(labels, predictions) -> dict[str, float]   beside (and over) the defaults of `shipway.training.metrics`
    window(as_of) -> dict[str, str]   what a retraining as of that moment sets, as `--set` would
    save(estimator, folder), restore(folder) -> estimator   another format of the allow-list than skops

The frames that `load` returns hold one row per training example. Columns are the request's fields by the names in
schema.py, then the features by the names in model.yaml (`view:feature`), null where the store had no value. The
index is the unit's id, so that a doubled example shows. Before `fit` and `predict` see them, nulls of a feature are
replaced by the default that model.yaml declares, as they are in serving. The estimator is saved in the bundle as
`model/model.skops`, and the manifest repeats TRUSTED_TYPES for the slot that loads it.

**A retraining as of T** may know nothing after T. `window(T)` says what that means in the plan's own settings, such as
the ninety days up to fourteen days before T for training and those fourteen for validation; what `--set` names goes
before it. `load` then returns only examples whose label had come by T, features as they were known when each was
asked about, and `as_of`, the newest moment it looked at: later than T, and the run is refused. A plan without `window`
trains on what its settings say at any time; so does one whose data has no time.

A unit of a frozen regression set (`shipway.training.regression`) never reaches `fit`: its row is taken out by its id.

A whole train.py for a model without features is thirty lines; see services/digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["Task", "TrainingData", "TrainingPlan", "TrainingSettings"]


class Task(StrEnum):
    """What a prediction is: the probability of the label 1, one of several classes, or a number."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class TrainingSettings(Spec):
    """Base of a service's settings; `--set` refuses every key that is not a field."""

    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class TrainingData:
    """What `load` returns.

    Args:
        train, validation: the examples; validation is later in time, or apart by another honest rule.
        train_labels, validation_labels: their labels by the same index.
        data_version: a hash over the source data, so that a registered version says what it has seen.
        as_of: the newest moment the data was allowed to know.
        newest: the event time of the newest example.
        max_age_seconds: how far `newest` may lie before `as_of`; None where age says nothing.
        validation_times: when each validation example was asked, by its index: how far days differ when nothing has
            changed is part of the drift reference. None where the data says no times.
    """

    train: pd.DataFrame
    train_labels: "pd.Series[Any]"
    validation: pd.DataFrame
    validation_labels: "pd.Series[Any]"
    data_version: str
    as_of: datetime
    newest: datetime
    max_age_seconds: float | None = None
    validation_times: "pd.Series[pd.Timestamp] | None" = None


class TrainingPlan(Protocol):
    """A train.py, seen as an object; the module docstring says what each name means."""

    SETTINGS: type[TrainingSettings]
    TASK: Task
    TRUSTED_TYPES: Sequence[str]

    def load(self, settings: Any, cache: Path) -> TrainingData:
        """Returns the examples; `cache` is a folder that survives between runs, keyed by the plan as it likes."""
        ...

    def fit(self, rows: pd.DataFrame, labels: "pd.Series[Any]", settings: Any) -> Any:
        """Returns a fitted estimator."""
        ...

    def predict(self, estimator: Any, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Returns what the service answers for `rows`."""
        ...
