"""Recent labelled traffic: what was served and has its label by now, as the rows that a plan's `predict` takes."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

import json
import math
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from shipway.contract.model import ModelSpec
from shipway.contract.schema import Schema
from shipway.logs.reading import batches, records
from shipway.logs.schemas import HOUR_FORMAT
from shipway.logs.sources import Source

__all__ = ["Labelled", "labelled_traffic"]

_PREDICTION_COLUMNS = ("prediction_id", "event_time", "unit_id", "fields", "features")
_LABEL_COLUMNS = ("prediction_id", "label")
_FRESH = "fresh"
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Labelled:
    """Rows by the unit's id, as `TrainingData` has them, and their labels by the same index.

    Args:
        rows: request fields, then features, null where the store had no fresh value.
        labels: one a row.
        first, last: the event times that they span; None for no rows.
        left_out: rows that could not be used: another version's fields, or a unit that was trained on.
    """

    rows: pd.DataFrame
    labels: "pd.Series[Any]"
    first: datetime | None
    last: datetime | None
    left_out: int


def labelled_traffic(
    source: Source, schema: Schema, spec: ModelSpec, as_of: datetime, trained_on: Set[str], most: int
) -> Labelled:
    """Returns the newest predictions before `as_of` whose label had come by then, each unit once, `most` at most.

    Hours are read from the newest back until there are enough, so that an old log costs nothing.

    Args:
        source: the model's logs.
        schema, spec: its request fields and the features it reads.
        as_of: nothing that happened at this moment or later is looked at, predictions and labels alike.
        trained_on: ids of units that the new version has seen; they would speak for it.
        most: how many rows.
    """
    labels: dict[str, float] = {}
    found: dict[str, tuple[datetime, dict[str, Any], float]] = {}
    left_out = 0
    source.refresh()
    hours = {_time(hour) for kind in ("predictions", "labels") for hour in source.hours(kind)}
    for hour in sorted((hour for hour in hours if hour < as_of), reverse=True):
        until = min(hour + _HOUR, as_of)
        known = records(source, "labels", hour, until, _LABEL_COLUMNS, refresh=False)
        labels.update(zip(known["prediction_id"].to_pylist(), known["label"].to_pylist(), strict=True))
        for table in batches(source, "predictions", hour, until, _PREDICTION_COLUMNS, refresh=False):
            ids = pa.array([one for one in table["prediction_id"].to_pylist() if one in labels], pa.string())
            for record in table.filter(pc.is_in(table["prediction_id"], ids)).to_pylist():
                label, row = labels.pop(record["prediction_id"]), _row(record, schema, spec)
                if row is None or not _finite(label) or record["unit_id"] in trained_on:
                    left_out += 1
                else:
                    # A unit that was asked about twice counts with its newest answer, which is met first.
                    found.setdefault(record["unit_id"], (record["event_time"], row, label))
        if len(found) >= most:
            break
    newest = dict(sorted(found.items(), key=lambda one: (one[1][0], one[0]), reverse=True)[:most])
    return _labelled(newest, [*schema.names, *(read.name for read in spec.features.reads)], left_out)


def _labelled(found: dict[str, tuple[datetime, dict[str, Any], float]], columns: list[str], left_out: int) -> Labelled:
    index = pd.Index(list(found), name="unit_id", dtype=object)
    times = [at for at, _, _ in found.values()]
    return Labelled(
        pd.DataFrame([row for _, row, _ in found.values()], index=index, columns=columns),
        pd.Series([label for _, _, label in found.values()], index=index, name="label", dtype=float),
        min(times, default=None),
        max(times, default=None),
        left_out,
    )


def _row(record: dict[str, Any], schema: Schema, spec: ModelSpec) -> dict[str, Any] | None:
    """Returns fields and features of one record; None when it holds other ones, as after a change of the schema."""
    fields = json.loads(record["fields"])
    served = {one["name"]: one["value"] if one["status"] == _FRESH else math.nan for one in record["features"] or ()}
    names = [read.name for read in spec.features.reads]
    if set(fields) != set(schema.names) or not served.keys() >= set(names):
        return None
    return fields | {name: served[name] for name in names}


def _finite(label: float | None) -> bool:
    return label is not None and math.isfinite(label)


def _time(hour: str) -> datetime:
    return datetime.strptime(hour, HOUR_FORMAT).replace(tzinfo=UTC)
