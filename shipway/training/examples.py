"""Examples from a CSV, typed as the service's schema says: what a caller would have sent, with null for no value."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.csv_table import Table, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Examples", "examples_of", "moment", "number", "read_examples", "whole_number"]

# A number as programs write it; a comma for thousands, a unit or a percent sign make a text of it.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?", re.ASCII)


def number(text: str) -> float | None:
    """Returns the finite number that `text` is, None where it is none.

    >>> number("1e3"), number("12 %"), number("inf")
    (1000.0, None, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def whole_number(text: str) -> int | None:
    """Returns the whole number that `text` is, None where it is none.

    >>> whole_number("-7"), whole_number("7.0")
    (-7, None)
    """
    return int(text) if _WHOLE.fullmatch(text) else None


def moment(text: str) -> datetime | None:
    """Returns the moment in UTC that an ISO 8601 date or time is, None where it is none.

    A time without an offset is taken as UTC, a date as its midnight.

    >>> moment("2013-05-01 10:59:00-04:00").isoformat()
    '2013-05-01T14:59:00+00:00'
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Examples:
    """What a CSV holds for training.

    Args:
        rows: the schema's fields, by unit id.
        labels: by the same index.
        data_version: the sha256 of the file.
    """

    rows: "pd.DataFrame"
    labels: "pd.Series[Any]"
    data_version: str


def read_examples(
    path: Path, schema: Schema, renamed: Mapping[str, str], target: str, classes: Mapping[str, int] | None = None
) -> Examples:
    """Returns the examples in the CSV at `path`, one a row.

    Args:
        path: the file.
        schema: which fields, and what each holds.
        renamed: field -> the CSV's name of its column, where it is another one.
        target: the CSV's name of the target's column.
        classes: value of the target -> label; None where the target is a number, its own label.

    Raises:
        SpecError: for a file that is no CSV, a column that is not there, a cell that is not what the schema or the
            classes say.
    """
    return examples_of(read_table(path), schema, renamed, target, classes)


def examples_of(
    table: Table, schema: Schema, renamed: Mapping[str, str], target: str, classes: Mapping[str, int] | None = None
) -> Examples:
    """Returns the examples in a table that was read, as `read_examples` does.

    Raises:
        SpecError: for a column that is not there, a cell that is not what the schema or the classes say.
    """
    import pandas as pd

    digits = len(str(len(table)))
    index = pd.Index([f"row-{place:0{digits}}" for place in range(1, len(table) + 1)], name="unit_id")
    columns = {field.name: _typed(table, renamed.get(field.name, field.name), field) for field in schema.fields}
    rows = pd.DataFrame({name: pd.Series(values, index, dtype=object) for name, values in columns.items()}, index)
    return Examples(rows, pd.Series(_labels(table, target, classes), index, name="label"), table.digest)


def _labels(table: Table, target: str, classes: Mapping[str, int] | None) -> list[float] | list[int]:
    cells = table.column(target)
    read: dict[str | None, Any] = {cell: number(cell) if cell is not None else None for cell in set(cells)}
    words = "a number in every row"
    if classes is not None:
        read, words = {cell: classes.get(cell or "") for cell in read}, f"one of {', '.join(classes)} in every row"
    for cell, label in read.items():
        if label is None:
            got = "no value" if cell is None else cell
            raise SpecError(table.path, f"line {table.line_of(target, cell)}, {target}", got, words)
    return [read[cell] for cell in cells]


def _typed(table: Table, name: str, field: FieldSpec) -> list[Any]:
    """Returns a column's values as a request would hold them."""
    cells = table.column(name)
    # Few values stand for many cells: each is read once.
    read = {cell: _value(cell, field) for cell in set(cells) if cell is not None}
    for cell, value in read.items():
        if value is None:
            key = f"line {table.line_of(name, cell)}, {name}"
            raise SpecError(table.path, key, cell, f"{_WORDS[field.kind]}, as schema.py says of {field.name}")
    return [None if cell is None else read[cell] for cell in cells]


_WORDS = {
    FieldKind.NUMBER: "a number",
    FieldKind.INTEGER: "a whole number",
    FieldKind.TIMESTAMP: "an ISO 8601 date or time",
    FieldKind.VECTOR: "no vector: a CSV has none",
    FieldKind.IMAGE: "no picture: a CSV has none",
}


def _value(cell: str, field: FieldSpec) -> object:
    match field.kind:
        case FieldKind.NUMBER:
            return number(cell)
        case FieldKind.INTEGER:
            return whole_number(cell)
        case FieldKind.TIMESTAMP:
            found = moment(cell)
            return None if found is None else found.isoformat()
        case FieldKind.CATEGORY | FieldKind.TEXT:
            return cell
        case FieldKind.VECTOR | FieldKind.IMAGE:
            return None
