"""New records of the Parquet segments in which a model's predictions and labels lie, each file read when it changed."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.labels.join import Label, Prediction

__all__ = ["Batch", "Tail"]

Batch = list[Prediction] | list[Label]
_Identity = tuple[int, int, int]

PREDICTIONS, LABELS = "predictions", "labels"

# A segment's writer ends it there; a longer file of another origin is read in pieces of this size.
_BATCH_RECORDS = 5000

# A folder's time moves with the kernel's clock tick: one that changed a moment ago may change again unnoticed.
_SETTLED_NANOSECONDS = 2_000_000_000

_PREDICTION_COLUMNS: Mapping[str, pa.DataType] = {
    "prediction_id": pa.string(),
    "prediction": pa.float64(),
    "version": pa.string(),
    "served_by": pa.string(),
}
_LABEL_COLUMNS: Mapping[str, pa.DataType] = {"prediction_id": pa.string(), "label": pa.float64()}
_ROLLOUT: Mapping[str, pa.DataType] = {"rollout": pa.int64()}
_MODEL = "model"


@dataclass
class _Seen:
    """What was read of one segment: the file as it was then, and how many of its records."""

    identity: _Identity
    records: int = 0


class Tail:
    """Reads what is new in a model's folder.

    The segments of an hour come after those of the hours before, predictions before labels, by name: the whole of a
    folder is read in the same order however often.

    Args:
        folder: the model's, with `predictions/<hour>/` and `labels/<hour>/` in it.
        skipped: called with one sentence for each file that cannot be read; it is tried again when it has changed.
        now: nanoseconds since the epoch.
    """

    def __init__(self, folder: Path, skipped: Callable[[str], None], now: Callable[[], int]) -> None:
        self._folder, self._skipped, self._now = folder, skipped, now
        self._seen: dict[Path, dict[str, _Seen]] = {}
        self._settled: dict[Path, int] = {}

    def poll(self) -> Iterator[Batch]:
        """Yields the records that were written since the last call, in pieces; whoever starts must read to the end."""
        changed = self._changed()
        for folder in changed:
            seen, here = self._seen.setdefault(folder, {}), _segments(folder)
            for name in sorted(seen.keys() - here.keys()):
                del seen[name]
            for name, identity in sorted(here.items()):
                if name not in seen or seen[name].identity != identity:
                    yield from self._read(folder / name, seen, identity)
        if changed:
            # What Arrow keeps for the next read is a tenth of this process.
            pa.default_memory_pool().release_unused()

    def _changed(self) -> list[Path]:
        """Returns the folders of hours in which something may be new, in the order in which they are read."""
        found = sorted((hour, kind) for kind in (PREDICTIONS, LABELS) for hour in _folders(self._folder / kind))
        # "predictions" comes after "labels" in the alphabet and before them in the reading.
        found.sort(key=lambda one: (one[0], one[1] == LABELS))
        folders = [self._folder / kind / hour for hour, kind in found]
        for gone in self._seen.keys() - set(folders):
            del self._seen[gone]
            self._settled.pop(gone, None)
        return [folder for folder in folders if self._moved(folder)]

    def _moved(self, folder: Path) -> bool:
        try:
            changed = folder.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if self._settled.get(folder) == changed:
            return False
        if self._now() - changed > _SETTLED_NANOSECONDS:
            self._settled[folder] = changed
        return True

    def _read(self, path: Path, seen: dict[str, _Seen], identity: _Identity) -> Iterator[Batch]:
        before = seen.get(path.name)
        known = _Seen(identity, before.records if before else 0)
        try:
            with pq.ParquetFile(path) as file:
                if file.metadata.num_rows < known.records:
                    # Not the segment it was; what was read of it before is known to the join.
                    known.records = 0
                columns = _columns(path, file.schema_arrow)
                if columns:
                    for batch in _new(file, columns, known.records):
                        yield _records(batch)
                known.records = file.metadata.num_rows
        except FileNotFoundError:
            return
        except (OSError, pa.ArrowException) as error:
            reason = str(error).strip().partition("\n")[0]
            self._skipped(f"{path}: {reason or type(error).__name__}, expected a segment of {path.parent.parent.name}")
        seen[path.name] = known


def _folders(parent: Path) -> list[str]:
    try:
        with os.scandir(parent) as entries:
            return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except FileNotFoundError:
        return []


def _segments(folder: Path) -> dict[str, _Identity]:
    """Returns name -> identity of the segments in a folder; what a writer has not renamed yet is none."""
    found: dict[str, _Identity] = {}
    # Retention removes old hours, and a writer's rename may come between the list and the look.
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".parquet") and not entry.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    found[entry.name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    return found


def _columns(path: Path, schema: pa.Schema) -> Mapping[str, pa.DataType]:
    """Returns what to read; nothing of predictions from before rollouts were numbered.

    Raises:
        ArrowInvalid: naming the columns that are missing.
    """
    predictions = path.parent.parent.name == PREDICTIONS
    columns = _PREDICTION_COLUMNS if predictions else _LABEL_COLUMNS
    if missing := [name for name in columns if name not in schema.names]:
        raise pa.ArrowInvalid(f"no column {', '.join(missing)}")
    if predictions:
        return {**columns, **_ROLLOUT} if "rollout" in schema.names else {}
    return columns


def _new(file: pq.ParquetFile, columns: Mapping[str, pa.DataType], known_records: int) -> Iterator[pa.Table]:
    """Yields the records after the first `known_records`, as the types that `columns` names."""
    schema, passed = pa.schema(list(columns.items())), 0
    for batch in file.iter_batches(_BATCH_RECORDS, columns=list(columns), use_threads=False):
        start = max(0, known_records - passed)
        passed += batch.num_rows
        if start < batch.num_rows:
            yield pa.Table.from_batches([batch.slice(start)]).select(list(columns)).cast(schema)


def _records(table: pa.Table) -> Batch:
    """Returns the records of `table`; a number that is not there is NaN, which no one counts as right."""
    columns: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in table.column_names}
    ids = columns["prediction_id"]
    if "label" in columns:
        return [Label(one, _number(label)) for one, label in zip(ids, columns["label"], strict=True) if one is not None]
    rest = (columns[name] for name in ("prediction", "version", "rollout", "served_by"))
    return [
        Prediction(one, _number(prediction), str(version), rollout)
        for one, prediction, version, rollout, served_by in zip(ids, *rest, strict=True)
        if one is not None and rollout and served_by == _MODEL
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
