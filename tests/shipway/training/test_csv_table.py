"""A CSV is read whole, or refused with the line or column that is at fault."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from shipway.training import csv_table
from shipway.training.csv_table import NULLS, read_table


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "examples.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_cells_lose_their_space_and_nulls_their_spelling(tmp_path: Path) -> None:
    """What exporters write for no value is one null; blank lines are no rows; quotes hold commas and line ends."""
    table = read_table(written(tmp_path, '\ufeffa , b\n1, x \n\n2,"y, ""z""\nw"\nNA,null\n'))
    assert table.names == ("a", "b")
    assert table.columns == {"a": ["1", "2", None], "b": ["x", 'y, "z"\nw', None]}
    assert table.lines == [2, 5, 6]
    assert table.line_of("a", None) == 6


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(deadline=None)
@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=6))
def test_whatever_a_writer_of_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """Quotes, commas, line ends and letters of every script survive."""
    content = io.StringIO()
    csv.writer(content, quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    table = read_table(written(tmp_path_factory.mktemp("csv"), content.getvalue()))
    expected = [[None if (text := cell.strip()) in NULLS else text for cell in row] for row in rows]
    assert [list(row) for row in zip(*table.columns.values(), strict=True)] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "got 'an empty file', expected a header with the columns' names, and a row for each example"),
        ("\n\n", "got 'an empty file', expected a header"),
        ("a,b\n", "got 'a header and no row', expected a row for each example, with its label"),
        ("a,b\n1,2\n3\n", "line 3: got '1 fields', expected 2, as the header has; put a text that holds a comma in"),
        ("a,b\n1,2,3\n", "line 2: got '3 fields', expected 2, as the header has"),
        ("a,,b\n1,2,3\n", "header, column 2: got 'no name', expected a name for every column; pandas leaves its index"),
        ("a,b,a\n1,2,3\n", "a: got 'columns 1 and 3 of that name', expected each name once; rename one of them"),
        ("a;b\n1;2\n", "header: got 'a;b', expected names separated by commas, not by ';'; save it with commas"),
        ('a,b\n1,"2\n', "expected rows of a CSV; a double quote inside a quoted text is written twice"),
        (b"a,b\n1,2\n3,\xe9\n", "line 3: got 'the byte 0xe9', expected UTF-8; where it is Latin-1: `iconv -f latin1"),
        (b"a,b\n1,\0\n", "line 2: got 'a NUL', expected text; a spreadsheet is saved as CSV first"),
        (f"{'x' * 81},b\n1,2\n", "header, column 1: got 'xxx"),
        (",".join(f"c{n}" for n in range(201)) + "\n", "header: got '201 columns', expected at most 200; keep those"),
    ],
)
def test_what_is_no_table_is_refused_by_line_and_column(tmp_path: Path, content: str | bytes, message: str) -> None:
    """One error names the file, the place, what stands there and what to do."""
    path = written(tmp_path, content)
    with pytest.raises(SpecError) as refused:
        read_table(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A typo and a folder are told apart."""
    with pytest.raises(SpecError, match=r"no-such\.csv: got 'no such file', expected a CSV file; the path is taken"):
        read_table(tmp_path / "no-such.csv")
    with pytest.raises(SpecError, match="got 'a folder', expected one CSV file"):
        read_table(tmp_path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size, and by its rows, each with a way on."""
    path = tmp_path / "large.csv"
    with path.open("wb") as stream:
        stream.truncate(csv_table.MOST_BYTES + 1)
    with pytest.raises(SpecError, match="got '100 MiB', expected at most 100 MiB; take a sample of the rows"):
        read_table(path)
    monkeypatch.setattr(csv_table, "MOST_ROWS", 2)
    with pytest.raises(SpecError, match="line 4: got 'one more row', expected at most 2 rows; take the newest"):
        read_table(written(tmp_path, "a,b\n1,2\n3,4\n5,6\n"))
