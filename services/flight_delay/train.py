"""How the model is trained: on January to March of 2013, validated on April; names as in shipway.training.plan."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from feast import FeatureView
from numpy.typing import NDArray
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier

from flight_delay.dataset import LATE_AFTER_MINUTES, data_version, feature_rows, flights
from flight_delay.features import OBJECTS
from flight_delay.inputs import COLUMNS, matrix
from flight_delay.schema import SCHEMA
from shipway.features.offline import offline_join, open_offline
from shipway.training.plan import Task, TrainingData, TrainingSettings

__all__ = [
    "RANGES",
    "SETTINGS",
    "TASK",
    "TRUSTED_TYPES",
    "Settings",
    "examples",
    "fit",
    "load",
    "offline",
    "predict",
    "window",
]

TASK = Task.BINARY
TRUSTED_TYPES = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)

# Features beyond these are an instrument's fault; the request's fields have theirs in schema.py.
RANGES = {
    "origin_weather_v1:humidity_percent": (0, 100),
    "origin_weather_v1:wind_speed_mph": (0, 200),
    "origin_weather_v1:precipitation_inches": (0, 10),
    "origin_weather_v1:visibility_miles": (0, 10),
    "carrier_origin_v1:late_ratio_24h": (0, 1),
    "carrier_origin_v1:arrivals_24h": (1, 1000),
    "aircraft_v1:year_built": (1940, 2013),
    "aircraft_arrival_v1:arrival_delay_minutes": (-120, 2880),
}

_MAX_AGE_SECONDS = 7 * 86_400.0

# A retraining learns from a season at the most, and is judged on the two weeks before it.
_TRAIN_DAYS, _VALIDATE_DAYS = 90, 14


class Settings(TrainingSettings):
    """What `--set` may change; the dates are whole UTC days, the later one excluded."""

    train_from: str = "2013-01-01"
    validate_from: str = "2013-04-01"
    validate_until: str = "2013-05-01"
    iterations: Annotated[int, Field(gt=0)] = 150
    learning_rate: Annotated[float, Field(gt=0)] = 0.05
    max_leaves: Annotated[int, Field(gt=1)] = 15
    min_leaf_rows: Annotated[int, Field(gt=0)] = 200
    l2: Annotated[float, Field(ge=0)] = 5.0


SETTINGS = Settings


def window(as_of: datetime) -> dict[str, str]:
    """Returns the dates that a retraining as of `as_of` trains and validates on: whole UTC days that were over then."""
    until = as_of.astimezone(UTC).date()
    start = until - timedelta(days=_VALIDATE_DAYS)
    return {
        "train_from": (start - timedelta(days=_TRAIN_DAYS)).isoformat(),
        "validate_from": start.isoformat(),
        "validate_until": until.isoformat(),
    }


def load(settings: Settings, cache: Path) -> TrainingData:
    """Returns the flights that arrived, each with the features as they were known two hours before departure."""
    frame = flights()
    version = data_version()
    repository = cache / version
    _build_offline(frame, repository)
    landed = frame[frame["arrival_delay_minutes"].notna()]
    train_from, validate_from, validate_until = (
        pd.Timestamp(day, tz="UTC") for day in (settings.train_from, settings.validate_from, settings.validate_until)
    )
    train = landed[(landed["asked_at"] >= train_from) & (landed["asked_at"] < validate_from)]
    # A flight that was still in the air when a part ends is not known then.
    train = train[train["landed_at"] < validate_from]
    validation = landed[(landed["asked_at"] >= validate_from) & (landed["asked_at"] < validate_until)]
    validation = validation[validation["landed_at"] < validate_until]
    return TrainingData(
        train=examples(train, repository),
        train_labels=_labels(train),
        validation=examples(validation, repository),
        validation_labels=_labels(validation),
        data_version=version,
        as_of=validate_until.to_pydatetime(),
        newest=validation["asked_at"].max().to_pydatetime(),
        max_age_seconds=_MAX_AGE_SECONDS,
        validation_times=validation["asked_at"],
    )


def offline(cache: Path) -> Path:
    """Returns the repository that `load` joins from, with the values of the whole year, made where there is none."""
    repository = cache / data_version()
    if not _built(repository):
        _build_offline(flights(), repository)
    return repository


def examples(frame: pd.DataFrame, repository: Path) -> pd.DataFrame:
    """Returns request fields and features of some flights, as a caller would have sent and the store answered them.

    Args:
        frame: rows of `dataset.flights`.
        repository: a feature repository whose offline files cover their time.
    """
    rows = frame.drop(columns=["departs_at", "asked_at", "landed_at", "arrival_delay_minutes"]).assign(
        scheduled_departure=[time.isoformat() for time in frame["departs_at"].dt.tz_convert("America/New_York")]
    )
    entities = pd.DataFrame(
        {
            "origin": frame["origin"],
            "carrier": frame["carrier"],
            "tail_number": frame["tail_number"].fillna(""),
            "event_timestamp": frame["asked_at"],
        }
    )
    reads = [column for column in COLUMNS if ":" in column]
    return rows[list(SCHEMA.names)].join(offline_join(repository, reads, entities))


def fit(rows: pd.DataFrame, labels: "pd.Series[Any]", settings: Settings) -> HistGradientBoostingClassifier:
    """Returns the fitted trees.

    The codes of the categories are plain numbers to them: declared as categories they would score 0.003 less in AUC,
    and scikit-learn would save a `functools.partial` with them, a type no slot should be asked to trust.
    """
    estimator = HistGradientBoostingClassifier(
        max_iter=settings.iterations,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.max_leaves,
        min_samples_leaf=settings.min_leaf_rows,
        l2_regularization=settings.l2,
        early_stopping=False,
        random_state=settings.seed,
    )
    return estimator.fit(_matrix(rows), labels.to_numpy())


def predict(estimator: HistGradientBoostingClassifier, rows: pd.DataFrame) -> NDArray[np.float64]:
    """Returns the probability of arriving late."""
    return estimator.predict_proba(_matrix(rows))[:, 1]


def _matrix(rows: pd.DataFrame) -> NDArray[np.float64]:
    return matrix({name: rows[name].tolist() for name in COLUMNS})


def _labels(frame: pd.DataFrame) -> "pd.Series[int]":
    return (frame["arrival_delay_minutes"] > LATE_AFTER_MINUTES).astype(int)


def _build_offline(frame: pd.DataFrame, repository: Path) -> None:
    """Writes the views' parquet files below `repository` and registers them; done once for one state of the data."""
    data = repository / "data"
    if not _built(repository):
        data.mkdir(parents=True, exist_ok=True)
        for view, rows in feature_rows(frame).items():
            whole = data / f"{view}.parquet"
            # A name of its own, for two trainings at once.
            part = whole.with_suffix(f".{os.getpid()}.part")
            rows.to_parquet(part, index=False)
            part.rename(whole)
    open_offline(repository, OBJECTS)


def _built(repository: Path) -> bool:
    views = [found.name for found in OBJECTS if isinstance(found, FeatureView)]
    return (repository / "registry.db").exists() and all(
        (repository / "data" / f"{view}.parquet").exists() for view in views
    )
