"""Examples from a CSV are what a caller would have sent."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.examples import moment, number, read_examples, whole_number

SCHEMA = Schema(
    fields=(
        FieldSpec(name="size", kind=FieldKind.NUMBER, nullable=True),
        FieldSpec(name="rooms", kind=FieldKind.INTEGER, nullable=True),
        FieldSpec(name="town", kind=FieldKind.CATEGORY, nullable=True),
        FieldSpec(name="sold", kind=FieldKind.TIMESTAMP, nullable=True),
    )
)
HEADER = "Size (m2),rooms,town,sold,price\n"
RENAMED = {"size": "Size (m2)"}


def written(folder: Path, rows: str) -> Path:
    path = folder / "houses.csv"
    path.write_text(HEADER + rows, encoding="utf-8")
    return path


def test_each_kind_of_field_has_its_own_type(tmp_path: Path) -> None:
    """Numbers, whole numbers, texts and times in UTC; null where there is no value, and the schema agrees."""
    path = written(tmp_path, "70.5,3,Bern,2013-05-01,1000\n,,,,2000.5\n80,4,Bern,2013-05-01 12:00:00+02:00,3\n")
    found = read_examples(path, SCHEMA, RENAMED, "price")
    rows = found.rows.to_dict("records")
    assert rows == [
        {"size": 70.5, "rooms": 3, "town": "Bern", "sold": "2013-05-01T00:00:00+00:00"},
        {"size": None, "rooms": None, "town": None, "sold": None},
        {"size": 80.0, "rooms": 4, "town": "Bern", "sold": "2013-05-01T10:00:00+00:00"},
    ]
    assert SCHEMA.check(rows) == []
    assert found.labels.to_dict() == {"row-1": 1000.0, "row-2": 2000.5, "row-3": 3.0}
    assert len(found.data_version) == 64


def test_classes_become_their_labels(tmp_path: Path) -> None:
    """The labels are whole numbers by the same index."""
    path = written(tmp_path, "1,1,a,2013-05-01,yes\n2,2,b,2013-05-01,no\n")
    found = read_examples(path, SCHEMA, RENAMED, "price", {"no": 0, "yes": 1})
    assert found.labels.to_dict() == {"row-1": 1, "row-2": 0}


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        ("many,1,a,,1\n", None, "line 2, Size (m2): got 'many', expected a number, as schema.py says of size"),
        ("1,2.5,a,,1\n", None, "line 2, rooms: got '2.5', expected a whole number, as schema.py says of rooms"),
        ("1,2,a,1.5.2013,1\n", None, "line 2, sold: got '1.5.2013', expected an ISO 8601 date or time"),
        ("1,2,a,,1\n1,2,a,,\n", None, "line 3, price: got 'no value', expected a number in every row"),
        ("1,2,a,,dear\n", None, "line 2, price: got 'dear', expected a number in every row"),
        ("1,2,a,,maybe\n", {"no": 0, "yes": 1}, "line 2, price: got 'maybe', expected one of no, yes in every row"),
    ],
)
def test_a_newer_file_that_does_not_fit_is_refused_by_line(
    tmp_path: Path, rows: str, classes: dict[str, int] | None, message: str
) -> None:
    """Who replaces the data learns which cell is not what the schema says."""
    with pytest.raises(SpecError) as refused:
        read_examples(written(tmp_path, rows), SCHEMA, RENAMED, "price", classes)
    assert message in str(refused.value)


def test_a_column_that_is_gone_is_named(tmp_path: Path) -> None:
    """With those there are."""
    with pytest.raises(SpecError, match="size: got 'no such column', expected one of Size"):
        read_examples(written(tmp_path, "1,1,a,,1\n"), SCHEMA, {}, "price")


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_that_python_writes_is_read(value: float) -> None:
    """Whatever a program wrote with repr comes back the same."""
    assert number(repr(value)) == value


@settings(deadline=None)
@given(st.text(max_size=12))
def test_no_text_makes_a_reader_fail(text: str) -> None:
    """A cell is a value or it is none; a whole number is a number too."""
    moment(text)
    whole = whole_number(text)
    assert whole is None or number(text) == pytest.approx(float(whole))


@settings(deadline=None)
@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones() | st.none()))
def test_a_time_is_the_same_moment_in_utc(value: datetime) -> None:
    """What isoformat writes is read, with its offset."""
    found = moment(value.isoformat())
    expected = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    assert (found, found and found.tzinfo) == (expected, UTC)
