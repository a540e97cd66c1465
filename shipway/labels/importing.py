"""Labels of a file into the log, whole or not at all, and as often as one likes.

The file is checked to its end, while segments are made of it in a folder that no reader looks into; then they are moved
to where readers look. A segment is called after what is in it, so that what an interrupted run has moved already, and a
file that was imported before, is known.
"""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.errors import SpecError
from shipway.labels.files import Row, read_labels
from shipway.logs.reading import batches
from shipway.logs.schemas import HOUR_FORMAT, LABEL_SCHEMA
from shipway.logs.sources import LocalSource

__all__ = ["Imported", "import_labels"]

# So many rows are held at once; those of one hour make a segment.
_BATCH_ROWS = 50_000
_READ_BYTES = 2**20
# A file that names units is joined with the log in memory.
_MOST_UNITS = 2_000_000

_Key = tuple[str, datetime]


@dataclass(frozen=True)
class Imported:
    """What became of a file.

    Args:
        rows: labels in it.
        written: labels that are in the log now and were not before.
        known: labels that an earlier import of the same file had written.
        unmatched: labels of units for which the log holds no prediction at that time; none of them was written.
    """

    rows: int
    written: int
    known: int
    unmatched: int


def import_labels(
    path: Path,
    folder: Path,
    *,
    binary: bool,
    now: datetime,
    progress: Callable[[str], None],
    also_known_as: Callable[[str], str],
) -> Imported:
    """Puts the labels of a file into the log of a model.

    Args:
        path: the file; see `files.read_labels`.
        folder: the model's logs.
        binary: whether a label is 0 or 1.
        now: the time, aware; of labels whose file does not say when they happened.
        progress: told how far it is.
        also_known_as: returns what the log calls a unit whose id is personal.

    Raises:
        SpecError: at the first thing that is wrong; nothing was written then.
    """
    digest = _digest(path)
    find = _finder(path, folder, binary, progress, also_known_as)
    staging = folder / f".import-{digest}"
    # Of a run that ended here, whatever it has left is made again.
    shutil.rmtree(staging, ignore_errors=True)
    rows = unmatched = 0
    try:
        for number, batch in enumerate(_batches(read_labels(path, binary=binary), _BATCH_ROWS)):
            found = [(row, find(row)) for row in batch]
            rows += len(batch)
            unmatched += sum(not prediction_id for _, prediction_id in found)
            _stage(staging, f"import-{digest}-{number:05d}", [one for one in found if one[1]], now)
            progress(f"{path.name}: {rows} rows checked")
        if not rows:
            raise SpecError(path, "", "no rows", "at least one label")
        written, known = _publish(staging, folder / "labels")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Imported(rows, written, known, unmatched)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = hashlib.blake2b(digest_size=8)
            while content := file.read(_READ_BYTES):
                found.update(content)
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "a file of labels") from None
    except IsADirectoryError:
        raise SpecError(path, "", "a folder", "a file of labels") from None
    return found.hexdigest()


def _stage(staging: Path, name: str, found: list[tuple[Row, str]], now: datetime) -> None:
    hours: dict[str, list[dict[str, Any]]] = {}
    for row, prediction_id in found:
        at = row.event_time or now
        record = {"prediction_id": prediction_id, "label": row.label, "event_time": at, "received_at": now}
        hours.setdefault(at.strftime(HOUR_FORMAT), []).append(record)
    for hour, records in hours.items():
        # What the log has of a unit may have grown since the last import: other labels are another segment.
        ids = hashlib.blake2b("".join(one["prediction_id"] for one in records).encode(), digest_size=4).hexdigest()
        (staging / hour).mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(records, schema=LABEL_SCHEMA)
        pq.write_table(table, staging / hour / f"{name}-{ids}.parquet", compression="zstd")


def _publish(staging: Path, labels: Path) -> tuple[int, int]:
    """Returns how many labels were moved to where readers look, and how many were there already."""
    written = known = 0
    # Without an event time a label lies in the hour of its import: what matters is that it is there, not where.
    there = {segment.name for segment in labels.glob("*/import-*.parquet")}
    for segment in sorted(staging.glob("*/*.parquet")):
        count = pq.ParquetFile(segment).metadata.num_rows
        if segment.name in there:
            known += count
            continue
        target = labels / segment.parent.name / segment.name
        target.parent.mkdir(parents=True, exist_ok=True)
        segment.rename(target)
        written += count
    return written, known


def _finder(
    path: Path, folder: Path, binary: bool, progress: Callable[[str], None], also_known_as: Callable[[str], str]
) -> Callable[[Row], str]:
    """Returns what finds the prediction a row is of: by its own id, or by unit and time in the log; empty for none."""
    rows = read_labels(path, binary=binary)
    first = next(rows, None)
    if first is None or not first.unit_id:
        return lambda row: row.prediction_id
    wanted: dict[_Key, str] = {}
    start = end = first.event_time or datetime.max
    for row in (first, *rows):
        assert row.event_time is not None
        if len(wanted) >= _MOST_UNITS:
            raise SpecError(path, f"row {row.number}", len(wanted), f"at most {_MOST_UNITS} rows that name units")
        start, end = min(start, row.event_time), max(end, row.event_time)
        wanted[row.unit_id, row.event_time] = ""
    progress(f"{path.name}: looking {len(wanted)} units up in the log")
    names = {also_known_as(unit): unit for unit, _ in wanted} | {unit: unit for unit, _ in wanted}
    several = set[_Key]()
    columns = ["prediction_id", "unit_id", "event_time"]
    for table in batches(LocalSource(folder, progress), "predictions", start, end + timedelta(microseconds=1), columns):
        for prediction_id, unit, at in zip(*(table.column(name).to_pylist() for name in columns), strict=True):
            key = (names.get(unit, ""), at)
            if key in wanted and wanted[key] != prediction_id:
                if wanted[key]:
                    several.add(key)
                wanted[key] = prediction_id

    def find(row: Row) -> str:
        assert row.event_time is not None
        key = (row.unit_id, row.event_time)
        if key in several:
            got = f"{row.unit_id} at {row.event_time.isoformat()}"
            expected = "one prediction of the unit at this time, and the log holds several: name them by prediction_id"
            raise SpecError(path, f"row {row.number}: unit_id", got, expected)
        return wanted[key]

    return find


def _batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    while batch := list(islice(rows, size)):
        yield batch
