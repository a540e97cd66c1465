"""From records of the logs to counts: which hour, version and segment each belongs to, and in which bins it lies."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shipway.bundle.reference import Reference
from shipway.contract.derived import is_derived, value_of
from shipway.drift.bins import Bins, FieldBins
from shipway.logs.schemas import Kind

__all__ = ["COLUMNS", "Group", "Tallied", "Vector", "Waiting", "Watch", "key_of", "tally"]

Vector = NDArray[np.float64]

# What is read of the logs.
COLUMNS: Mapping[Kind, Sequence[str]] = {
    "predictions": ("prediction_id", "event_time", "fields", "features", "prediction", "version", "served_by"),
    "labels": ("prediction_id", "label"),
}

_MODEL, _FRESH = "model", "fresh"
_HOUR_MICROSECONDS = 3_600_000_000


class Group(NamedTuple):
    """What is counted together: an hour since the epoch, a version (short digest) and a segment, empty for all rows."""

    hour: int
    version: str
    segment: str


class Waiting(NamedTuple):
    """A prediction of a model itself whose label may come; `key` stands for its id."""

    key: int
    hour: int
    version: str
    prediction: float
    segments: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Watch:
    """What is counted of one version, side by side in one vector of floats.

    Counts are whole numbers, exact up to 2^53. First come the counts of the inputs' bins with the predictions' last,
    then how far values lie beyond the reference's range (two for each of these fields), then the sums of the numbers
    of each field, then the labels' bins, then the bins of labels within each bin of the predictions, and at last the
    sum of the labels.

    Args:
        version: the short digest.
        reference: of its bundle.
        fields: the request fields whose values are segments.
    """

    version: str
    reference: Reference
    fields: tuple[str, ...]
    inputs: Bins
    labels: FieldBins | None

    @classmethod
    def of(cls, version: str, reference: Reference) -> Self:
        """Returns what is counted of the version that `reference` belongs to."""
        fields = dict.fromkeys(name.partition("=")[0] for name in reference.segments)
        labels = FieldBins.of("label", reference.labels.distribution) if reference.labels else None
        return cls(version, reference, tuple(fields), Bins.of(reference), labels)

    @property
    def size(self) -> int:
        """The length of the vector."""
        return self._labels_end + (len(self.labels) * len(self.inputs.fields[-1]) if self.labels else 0) + 1

    @property
    def _sums_start(self) -> int:
        return self.inputs.size + 2 * len(self.inputs.fields)

    @property
    def _labels_start(self) -> int:
        return self._sums_start + len(self.inputs.fields)

    @property
    def _labels_end(self) -> int:
        return self._labels_start + (len(self.labels) if self.labels else 0)

    def counts(self, vector: Vector) -> NDArray[np.int64]:
        """Returns the counts of the inputs' and predictions' bins, (`inputs.size`,)."""
        return vector[: self.inputs.size].astype(np.int64)

    def excess(self, vector: Vector) -> Vector:
        """Returns how far values lie beyond the reference's range, (fields, 2); see `drift.bins.Counted`."""
        return vector[self.inputs.size : self._sums_start].reshape(-1, 2)

    def sums(self, vector: Vector) -> Vector:
        """Returns the sum of the numbers of each field, 0 for categories, (fields,)."""
        return vector[self._sums_start : self._labels_start]

    def label_counts(self, vector: Vector) -> NDArray[np.int64]:
        """Returns the counts of the labels' bins."""
        return vector[self._labels_start : self._labels_end].astype(np.int64)

    def relation(self, vector: Vector) -> NDArray[np.int64]:
        """Returns the counts of label bins within prediction bins, (prediction bins, label bins)."""
        columns = len(self.labels) if self.labels else 0
        return vector[self._labels_end : -1].astype(np.int64).reshape(len(self.inputs.fields[-1]), columns)

    def label_sum(self, vector: Vector) -> float:
        """Returns the sum of the labels."""
        return float(vector[-1])

    def label_vector(self, prediction: float, label: float) -> Vector:
        """Returns the vector of one label that came; nothing but zeros where labels are not watched."""
        vector = np.zeros(self.size)
        if self.labels is not None:
            column = int(self.labels.index([label])[0])
            row = int(self.inputs.fields[-1].index([prediction])[0])
            vector[self._labels_start + column] = 1
            vector[self._labels_end + row * len(self.labels) + column] = 1
            vector[-1] = label
        return vector

    def segments(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the segments that a request's fields lie in; a value that the reference does not name is none."""
        named = (f"{name}={row.get(name)}" for name in self.fields)
        return tuple(one for one in named if one in self.reference.segments)


@dataclass
class Tallied:
    """What a piece of the predictions' log adds.

    Args:
        counts: what is added to each group.
        waiting: predictions whose label may come.
        newest: microseconds since the epoch of the newest event; None for no records.
        unknown: version -> records that were passed over, because no bundle says in which bins they belong.
    """

    counts: dict[Group, Vector] = field(default_factory=dict[Group, Vector])
    waiting: list[Waiting] = field(default_factory=list[Waiting])
    newest: int | None = None
    unknown: dict[str, int] = field(default_factory=dict[str, int])


def key_of(prediction_id: str) -> int:
    """Returns 64 bits that stand for a prediction's id: two of a million share them once in forty million times."""
    return int.from_bytes(hashlib.blake2b(prediction_id.encode(), digest_size=8).digest(), "little", signed=True)


def tally(table: pa.Table, watches: Mapping[str, Watch | None]) -> Tallied:
    """Returns the counts of some records of the predictions' log.

    An input counts as it was asked, whoever answered; a prediction that a fallback gave is counted as null, for the
    model gave none. A feature that was not fresh is null too: the default that was served says nothing about the
    world. The bins are those of the version that answered.

    Args:
        table: of the columns in `COLUMNS`.
        watches: version -> what is counted of it, None where its bundle is not there.
    """
    found = Tallied()
    if not table.num_rows:
        return found
    moments = table.column("event_time").cast(pa.int64()).to_numpy()
    found.newest = int(moments.max())
    versions = np.array(table.column("version").to_pylist(), dtype=object)
    for version in dict.fromkeys(versions.tolist()):
        chosen = np.flatnonzero(versions == version)
        watch = watches.get(version)
        if watch is None:
            found.unknown[str(version)] = len(chosen)
        else:
            _tally_version(found, watch, table.take(chosen), moments[chosen] // _HOUR_MICROSECONDS)
    return found


def _tally_version(found: Tallied, watch: Watch, table: pa.Table, hours: NDArray[np.int64]) -> None:
    rows = [cast(dict[str, Any], json.loads(text)) for text in table.column("fields").to_pylist()]
    predictions = _predictions(table)
    coded = _coded(watch, table, rows, predictions)
    segments = [watch.segments(row) for row in rows]
    for hour in np.unique(hours).tolist():
        at = hours == hour
        _add(found, watch, Group(hour, watch.version, ""), coded[at])
        here = [segments[place] for place in np.flatnonzero(at)]
        for segment in sorted({one for held in here for one in held}):
            inside = np.array([segment in held for held in here])
            _add(found, watch, Group(hour, watch.version, segment), coded[at][inside])
    if watch.labels is not None:
        ids = table.column("prediction_id").to_pylist()
        found.waiting += [
            Waiting(key_of(one), hour, watch.version, prediction, held)
            for one, hour, prediction, held in zip(ids, hours.tolist(), predictions.tolist(), segments, strict=True)
            if one is not None and np.isfinite(prediction)
        ]


def _predictions(table: pa.Table) -> Vector:
    values = np.asarray(table.column("prediction").to_numpy(), dtype=np.float64)
    own = np.array([by == _MODEL for by in table.column("served_by").to_pylist()])
    return np.where(own, values, np.nan)


def _coded(watch: Watch, table: pa.Table, rows: Sequence[Mapping[str, Any]], predictions: Vector) -> Vector:
    """Returns the values by `FieldBins.code`, (rows, fields)."""
    coded = np.full((len(rows), len(watch.inputs.fields)), np.nan)
    features = _features(table)
    for place, one in enumerate(watch.inputs.fields[:-1]):
        if one.name in features:
            owners, values = features[one.name]
            coded[owners, place] = values
        elif ":" not in one.name:
            read = value_of if is_derived(one.name) else _field
            coded[:, place] = [one.code(read(row, one.name)) for row in rows]
    coded[:, -1] = predictions
    return coded


def _field(row: Mapping[str, Any], name: str) -> Any:
    return row.get(name)


def _features(table: pa.Table) -> dict[str, tuple[NDArray[np.int64], Vector]]:
    """Returns feature -> the rows that have it and its values there, NaN where it was not fresh."""
    column = table.column("features").combine_chunks()
    owners = column.value_parent_indices().to_numpy()
    parts = column.flatten()
    names = parts.field("name").dictionary_encode()
    values = np.asarray(parts.field("value").to_numpy(zero_copy_only=False), dtype=np.float64)
    fresh = parts.field("status").to_numpy(zero_copy_only=False) == _FRESH
    values = np.where(fresh, values, np.nan)
    numbers = names.indices.to_numpy()
    return {
        name: (owners[numbers == number], values[numbers == number])
        for number, name in enumerate(names.dictionary.to_pylist())
    }


def _add(found: Tallied, watch: Watch, group: Group, coded: Vector) -> None:
    counted = watch.inputs.count(coded)
    vector = np.zeros(watch.size)
    vector[: watch.inputs.size] = counted.counts
    watch.excess(vector)[:] = counted.excess
    numeric = np.array([one.codes is None for one in watch.inputs.fields])
    watch.sums(vector)[:] = np.where(np.isfinite(coded) & numeric, coded, 0.0).sum(axis=0)
    found.counts[group] = found.counts[group] + vector if group in found.counts else vector
