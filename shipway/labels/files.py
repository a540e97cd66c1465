"""Files of labels as people have them: CSV, JSON lines or Parquet, checked row by row."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.contract.errors import SpecError

__all__ = ["COLUMNS", "Row", "read_labels"]

COLUMNS = ("prediction_id", "unit_id", "event_time", "label")

_ID = re.compile(r"[0-9a-f]{32}")
_BATCH_RECORDS = 5000
_Numbered = Iterator[tuple[int, Mapping[str, Any]]]


class Row(NamedTuple):
    """One label of a file.

    Args:
        number: its line, or its record where a file has no lines; for a sentence about it.
        prediction_id: of the prediction, empty where the file names units.
        unit_id: whose prediction, empty where the file names predictions.
        event_time: of the label; where the file names units, of the prediction. None where the file does not say.
        label: finite.
    """

    number: int
    prediction_id: str
    unit_id: str
    event_time: datetime | None
    label: float


def read_labels(path: Path, *, binary: bool) -> Iterator[Row]:
    """Yields the labels of a file, in its order and in bounded memory.

    Args:
        path: its ending says its format: .csv with a head, .jsonl or .ndjson, .parquet.
        binary: whether a label is 0 or 1.

    Raises:
        SpecError: naming file, row, column, value and what was expected, at the first thing that is wrong.
    """
    readers: dict[str, Callable[[Path], tuple[Sequence[str] | None, _Numbered]]] = {
        ".csv": _csv,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".parquet": _parquet,
    }
    ending = path.suffix.lower()
    if ending not in readers:
        raise SpecError(path, "", ending or "no ending", f"a file that ends in {', '.join(readers)}")
    head, rows = readers[ending](path)
    if head is not None:
        _check_head(path, head)
    for number, row in rows:
        if head is None:
            _check_head(path, list(row), f"row {number}: ")
        yield _row(path, number, row, binary=binary)


def _check_head(path: Path, head: Sequence[str], where: str = "") -> None:
    columns = set(head)
    if unknown := sorted(columns - set(COLUMNS)):
        raise SpecError(path, f"{where}column {unknown[0]}", unknown[0], f"only the columns {', '.join(COLUMNS)}")
    if "label" not in columns:
        raise SpecError(path, f"{where}columns", ", ".join(head), "a column label")
    if not ("prediction_id" in columns) ^ {"unit_id", "event_time"}.issubset(columns):
        expected = "either prediction_id, or unit_id and event_time, to say which prediction a label is of"
        raise SpecError(path, f"{where}columns", ", ".join(head), expected)


def _row(path: Path, number: int, row: Mapping[str, Any], *, binary: bool) -> Row:
    def refuse(column: str, expected: str) -> SpecError:
        return SpecError(path, f"row {number}: {column}", row.get(column), expected)

    if None in row or any(row.get(name) is None for name in row if name != "event_time"):
        lacking = next((name for name in COLUMNS if name in row and row[name] is None), "label")
        raise refuse(lacking, "a value in every column, and no more values than columns")
    prediction_id, unit_id = row.get("prediction_id", ""), row.get("unit_id", "")
    if "prediction_id" in row and not (isinstance(prediction_id, str) and _ID.fullmatch(prediction_id)):
        raise refuse("prediction_id", "an id from a prediction's answer: 32 hexadecimal digits")
    if "unit_id" in row and not (isinstance(unit_id, str) and unit_id):
        raise refuse("unit_id", "the unit that was predicted for, as text")
    label = _label(row["label"])
    if label is None or (binary and label not in (0, 1)):
        raise refuse("label", "0 or 1, as this model is evaluated on them" if binary else "a finite number")
    stamp = row.get("event_time")
    silent = stamp in (None, "") and not unit_id
    at = None if silent else _time(stamp)
    if at is None and not silent:
        raise refuse("event_time", "an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z")
    return Row(number, prediction_id, unit_id, at, label)


def _label(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.utcoffset() is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _csv(path: Path) -> tuple[Sequence[str], _Numbered]:
    reader = csv.DictReader(_lines(path), strict=True)
    try:
        head = list(reader.fieldnames or ())
    except csv.Error as error:
        raise SpecError(path, "row 1", str(error), "a head with the names of the columns") from None
    return head, _csv_rows(path, reader)


def _csv_rows(path: Path, reader: "csv.DictReader[str]") -> _Numbered:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SpecError(path, f"row {reader.reader.line_num}", str(error), "comma-separated values") from None
        yield reader.line_num, row


def _json_lines(path: Path) -> tuple[None, _Numbered]:
    return None, ((number, _object(path, number, line)) for number, line in enumerate(_lines(path), 1))


def _object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise SpecError(path, f"row {number}", line.strip(), "a JSON object on each line")
    return cast(dict[str, Any], content)


def _lines(path: Path) -> Iterator[str]:
    number = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        while True:
            number += 1
            try:
                line = file.readline(1_000_000)
            except UnicodeDecodeError as error:
                raise SpecError(path, f"row {number} or a little later", error.reason, "text in UTF-8") from None
            if not line:
                return
            yield line


def _parquet(path: Path) -> tuple[Sequence[str], _Numbered]:
    try:
        file = pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise SpecError(path, "", str(error).partition("\n")[0], "a Parquet file") from None
    return file.schema_arrow.names, _parquet_rows(path, file)


def _parquet_rows(path: Path, file: pq.ParquetFile) -> _Numbered:
    number = 0
    with file:
        try:
            for batch in file.iter_batches(_BATCH_RECORDS, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError) as error:
            raise SpecError(path, "", str(error).partition("\n")[0], "a whole Parquet file") from None
