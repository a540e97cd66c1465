"""Laws of the parser: whatever arrives, it answers with rows or with violations."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.png import blank_png
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.requests import MAX_ROWS, Rejected, check_rows, most_rows, parse_json, parse_object
from tests.shipway.serving.doubles import ROW, SCHEMA

NOW = datetime(2013, 5, 1, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def outcome_of(parse: Callable[[], object]) -> bool:
    """Returns whether `parse` gave a result, or a rejection that says why; anything else comes through."""
    try:
        parse()
    except Rejected as rejected:
        return bool(rejected.violations)
    return True


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_rejected(body: bytes) -> None:
    """No body gets past the parser with another exception."""
    assert outcome_of(lambda: parse_json(body))


@given(VALUES)
def test_any_json_is_rows_or_rejected(value: object) -> None:
    """No document gets past the schema with another exception."""
    for document in (value, {"rows": value}, {"rows": [value]}, {"rows": [ROW | {"amount": value}]}):
        body = json.dumps(document).encode()
        assert outcome_of(lambda body=body: check_rows(parse_object(body), {}, SCHEMA, lambda: NOW))


def test_an_event_time_is_kept_in_utc() -> None:
    """Ages are differences; they need one clock."""
    asked = check_rows({"rows": [ROW]}, {"x-event-time": "2013-05-01T14:00:00+02:00"}, SCHEMA, lambda: NOW)
    assert asked.event_time == datetime(2013, 5, 1, 12, tzinfo=UTC)
    assert asked.event_time.tzinfo is UTC


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-unit-id": "h"}, {}, "h"),
        ({}, {"unit_id": "b"}, "b"),
        ({}, {}, ""),
        ({"x-unit-id": "h"}, {"unit_id": "h"}, "h"),
    ],
)
def test_the_unit_is_the_headers_or_the_bodys(headers: dict[str, str], body: dict[str, str], expected: str) -> None:
    """A client that cannot set headers names its unit in the body."""
    assert check_rows({"rows": [ROW], **body}, headers, SCHEMA, lambda: NOW).unit_id == expected


def test_large_pictures_leave_room_for_fewer_rows() -> None:
    """A megabyte of black pictures would unpack to gigabytes: what a request may hold is counted in samples."""
    shape = (1024, 1024, 3)
    schema = Schema(fields=(FieldSpec(name="picture", kind=FieldKind.IMAGE, shape=shape),))
    row = {"picture": blank_png(shape)}
    asked = check_rows({"rows": [row] * 5}, {}, schema, lambda: datetime.now(UTC))
    assert len(asked.rows) == most_rows(schema) == 5
    with pytest.raises(Rejected) as caught:
        check_rows({"rows": [row] * 6}, {}, schema, lambda: datetime.now(UTC))
    assert [(one.field, one.got, one.expected) for one in caught.value.violations] == [
        ("rows", "6 rows", "1 to 5 rows")
    ]
    small = Schema(fields=(FieldSpec(name="picture", kind=FieldKind.IMAGE, shape=(28, 28, 1)),))
    assert most_rows(small) == MAX_ROWS
