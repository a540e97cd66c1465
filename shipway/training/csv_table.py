"""A CSV of examples as a table of texts: whole and of one shape, or refused with the line that is at fault."""

import csv
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import SpecError

__all__ = ["MOST_BYTES", "MOST_COLUMNS", "MOST_ROWS", "NULLS", "Table", "read_table"]

# What a person waits for, and what fits the memory of a laptop as texts: about ten times the file's size.
MOST_BYTES = 100 * 2**20
MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
_LONGEST_NAME = 80

# What the usual exporters write where there is no value.
NULLS = frozenset({"", "#N/A", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"})


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a CSV.

    Args:
        path: the file.
        names: the header, each name once.
        columns: name -> its cells in order, without the space around them; None where there is no value.
        lines: the line of the file on which each row ends.
        digest: the sha256 of the file's bytes, in hexadecimal.
        size_bytes: of the file.
    """

    path: Path
    names: tuple[str, ...]
    columns: dict[str, list[str | None]]
    lines: list[int]
    digest: str
    size_bytes: int

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.lines)

    def column(self, name: str) -> list[str | None]:
        """Returns the cells of a column.

        Raises:
            SpecError: when there is none of this name.
        """
        if name not in self.columns:
            raise SpecError(self.path, name, "no such column", f"one of {', '.join(self.names)}")
        return self.columns[name]

    def line_of(self, name: str, value: str | None) -> int:
        """Returns the line of the first row that has `value` in the column `name`."""
        return self.lines[self.columns[name].index(value)]


def read_table(path: Path) -> Table:
    """Returns the rows of the CSV at `path`: UTF-8, commas, one header.

    Raises:
        SpecError: naming the line or column that is wrong, what stands there, and what would do.
    """
    content = _content(path)
    text = _decoded(path, content)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    names: tuple[str, ...] = ()
    try:
        for row in reader:
            if not any(cell.strip() for cell in row) and len(row) <= 1:
                continue
            if not names:
                names = _header(path, row)
                continue
            if len(row) != len(names):
                raise SpecError(
                    path,
                    f"line {reader.line_num}",
                    f"{len(row)} fields",
                    f"{len(names)}, as the header has; put a text that holds a comma in double quotes",
                )
            if len(rows) == MOST_ROWS:
                raise SpecError(
                    path, f"line {reader.line_num}", "one more row", f"at most {MOST_ROWS:,} rows; take the newest"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        expected = "rows of a CSV; a double quote inside a quoted text is written twice"
        raise SpecError(path, f"line {reader.line_num}", str(error), expected) from None
    if not names:
        raise SpecError(path, "", "an empty file", "a header with the columns' names, and a row for each example")
    if not rows:
        raise SpecError(path, "", "a header and no row", "a row for each example, with its label")
    cells = [
        [None if (text := cell.strip()) in NULLS else text for cell in column] for column in zip(*rows, strict=True)
    ]
    columns = dict(zip(names, cells, strict=True))
    return Table(path, names, columns, lines, hashlib.sha256(content).hexdigest(), len(content))


def _content(path: Path) -> bytes:
    if not path.exists():
        raise SpecError(path, "", "no such file", "a CSV file; the path is taken from the folder you are in")
    if not path.is_file():
        raise SpecError(path, "", "a folder", "one CSV file")
    if (size := path.stat().st_size) > MOST_BYTES:
        expected = f"at most {MOST_BYTES // 2**20} MiB; take a sample of the rows, the newest among them"
        raise SpecError(path, "", f"{size / 2**20:.0f} MiB", expected)
    return path.read_bytes()


def _decoded(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        expected = "UTF-8; where it is Latin-1: `iconv -f latin1 -t utf-8 FILE > NEW`"
        raise SpecError(path, f"line {line}", f"the byte 0x{content[error.start]:02x}", expected) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SpecError(path, f"line {line}", "a NUL", "text; a spreadsheet is saved as CSV first")
    return text


def _header(path: Path, row: list[str]) -> tuple[str, ...]:
    names = [cell.strip() for cell in row]
    if len(names) == 1 and (other := next((sign for sign in (";", "\t", "|") if sign in names[0]), "")):
        raise SpecError(path, "header", names[0], f"names separated by commas, not by {other!r}; save it with commas")
    for number, name in enumerate(names, 1):
        if not name:
            expected = "a name for every column; pandas leaves its index out with `to_csv(FILE, index=False)`"
            raise SpecError(path, f"header, column {number}", "no name", expected)
        if not name.isprintable() or len(name) > _LONGEST_NAME:
            expected = f"a name of at most {_LONGEST_NAME} printable characters; rename the column"
            raise SpecError(path, f"header, column {number}", name, expected)
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        first, second = [number for number, name in enumerate(names, 1) if name == doubled][:2]
        got = f"columns {first} and {second} of that name"
        raise SpecError(path, doubled, got, "each name once; rename one of them, or remove it")
    if len(names) > MOST_COLUMNS:
        raise SpecError(path, "header", f"{len(names)} columns", f"at most {MOST_COLUMNS}; keep those that matter")
    return tuple(names)
