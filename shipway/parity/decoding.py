"""Logged predictions as columns: request fields, keys, and each feature as it was served."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from shipway.logs.schemas import is_hashed
from shipway.parity.outcomes import Flags, Numbers, Side
from shipway.serving.features import FeatureStatus

__all__ = ["Logged", "Served", "decode"]


@dataclass(frozen=True)
class Served:
    """One feature of the logged predictions.

    Args:
        side: its values, NaN where the default was served, and their times.
        shown: what the model got, the default included.
        stale, unavailable: why the default was served; neither means that there was no value.
    """

    side: Side
    shown: Numbers
    stale: Flags
    unavailable: Flags


@dataclass(frozen=True)
class Logged:
    """Some predictions of one version, one element a row.

    Args:
        ids: of the prediction log.
        event_seconds: since the epoch.
        fields: the request's fields, by name.
        keys: the entity keys as logged.
        features: `view:feature` -> as it was served.
        complete: where every feature was logged; a request whose keys could not be made has none.
        predictions: what was answered.
        by_model: where the model itself answered, and no fallback.
        hashed_fields: where a field is personal, so that the log does not hold its value.
    """

    ids: list[str]
    event_seconds: Numbers
    fields: pd.DataFrame
    keys: list[dict[str, Any]]
    features: dict[str, Served]
    complete: Flags
    predictions: Numbers
    by_model: Flags
    hashed_fields: Flags


def decode(records: pa.Table, reads: Sequence[str]) -> Logged:
    """Returns prediction records as columns.

    Args:
        records: with the columns of `shipway.logs.schemas.PREDICTION_SCHEMA`.
        reads: the model's features; one that a record does not hold was not served.
    """
    fields = [json.loads(text) for text in records.column("fields").to_pylist()]
    logged = [{one["name"]: one for one in row or ()} for row in records.column("features").to_pylist()]
    return Logged(
        ids=records.column("prediction_id").to_pylist(),
        event_seconds=_seconds(records.column("event_time").to_pylist()),
        fields=pd.DataFrame(fields, index=range(len(fields))),
        keys=[json.loads(text) for text in records.column("entities").to_pylist()],
        features={read: _served([row.get(read) for row in logged]) for read in reads},
        complete=np.array([all(read in row for read in reads) for row in logged], dtype=bool),
        predictions=records.column("prediction").to_numpy(),
        by_model=np.array([source == "model" for source in records.column("served_by").to_pylist()], dtype=bool),
        hashed_fields=np.array([any(map(is_hashed, row.values())) for row in fields], dtype=bool),
    )


def _served(rows: Sequence[dict[str, Any] | None]) -> Served:
    fresh = np.array([row is not None and row["status"] == FeatureStatus.FRESH for row in rows], dtype=bool)
    shown = np.array([np.nan if row is None else row["value"] for row in rows], dtype=float)
    return Served(
        side=Side(np.where(fresh, shown, np.nan), _seconds([row and row["timestamp"] for row in rows])),
        shown=shown,
        stale=_with_status(rows, FeatureStatus.STALE),
        unavailable=_with_status(rows, FeatureStatus.UNAVAILABLE) | np.array([row is None for row in rows], dtype=bool),
    )


def _with_status(rows: Sequence[dict[str, Any] | None], status: FeatureStatus) -> NDArray[np.bool_]:
    return np.array([row is not None and row["status"] == status for row in rows], dtype=bool)


def _seconds(times: Sequence[Any]) -> Numbers:
    return np.array([np.nan if time is None else time.timestamp() for time in times], dtype=float)
