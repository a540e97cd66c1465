"""Schema: every violation found, none invented."""

import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.schema import FieldKind, FieldSpec, Schema

SCHEMA = Schema(
    fields=(
        FieldSpec(name="distance", kind=FieldKind.NUMBER, minimum=0, maximum=5000),
        FieldSpec(name="carrier", kind=FieldKind.CATEGORY, values=("AA", "UA")),
        FieldSpec(name="at", kind=FieldKind.TIMESTAMP),
        FieldSpec(name="tail", kind=FieldKind.TEXT, length=8, nullable=True, personal=True),
        FieldSpec(name="pixels", kind=FieldKind.VECTOR, length=2, minimum=0, maximum=16),
        FieldSpec(name="stops", kind=FieldKind.INTEGER, minimum=0),
    )
)
GOOD: dict[str, Any] = {
    "distance": 1.5,
    "carrier": "AA",
    "at": "2013-05-01T12:00:00Z",
    "tail": None,
    "pixels": [0, 16.0],
    "stops": 0,
}


def test_a_good_row_has_no_violation() -> None:
    """What the schema allows passes."""
    assert SCHEMA.check([GOOD, GOOD]) == []


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("distance", "1", "type"),
        ("distance", True, "type"),
        ("distance", math.nan, "finite"),
        ("distance", math.inf, "finite"),
        ("distance", -1, "range"),
        ("distance", 10**400, "range"),
        ("distance", None, "null"),
        ("carrier", "ZZ", "category"),
        ("carrier", 1, "type"),
        ("at", "yesterday", "timestamp"),
        ("at", "2013-05-01T12:00:00", "timezone"),
        ("at", "0001-01-01T00:00:00+23:00", "timestamp"),
        ("tail", "x" * 9, "length"),
        ("pixels", [1], "length"),
        ("pixels", "ab", "type"),
        ("pixels", [1, 99], "range"),
        ("pixels", [1, None], "type"),
        ("stops", 1.0, "type"),
    ],
)
def test_each_rule_is_named(field: str, value: object, rule: str) -> None:
    """One wrong value gives one violation with row, field and rule."""
    (found,) = SCHEMA.check([GOOD, {**GOOD, field: value}])
    assert (found.row, found.field, found.rule) == (1, field, rule)


def test_missing_and_extra_fields_are_both_reported() -> None:
    """All violations of a row come at once, not the first alone."""
    row = {k: v for k, v in GOOD.items() if k != "carrier"} | {"carier": "AA"}
    assert [(v.field, v.rule) for v in SCHEMA.check([row])] == [("carrier", "missing"), ("carier", "unknown")]


def test_a_personal_value_is_never_shown() -> None:
    """The violation of a personal field does not repeat the value."""
    (found,) = SCHEMA.check([{**GOOD, "tail": "secret-number"}])
    assert "secret" not in found.got


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_value_is_judged_without_an_exception(value: object) -> None:
    """Hostile rows give violations, never a traceback."""
    assert all(v.row == 0 for v in SCHEMA.check([value]))


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.floats(), max_size=3)
BOUNDS = st.none() | st.floats(-10, 0)


@given(
    kind=st.sampled_from([kind for kind in FieldKind if kind is not FieldKind.IMAGE]),
    minimum=BOUNDS,
    maximum=BOUNDS.map(lambda bound: None if bound is None else -bound),
    values=st.lists(st.sampled_from(["a", "b"]), unique=True),
    length=st.none() | st.integers(1, 3),
    nullable=st.booleans(),
    value=ANYTHING | st.sampled_from(["a", "b", 0, 0.0, -0.0, 10**400, -(10**400), 10, -10, math.inf, math.nan]),
)
def test_what_the_quick_test_lets_through_is_fine(value: object, kind: FieldKind, **given: Any) -> None:
    """It never lets through what `check` refuses, and refuses of what is fine only whole numbers beyond a float."""
    given |= {"values": tuple(given["values"])}
    given |= {"length": given["length"] or 2} if kind is FieldKind.VECTOR else {}
    field = FieldSpec(name="x", kind=kind, **given)
    is_fine = field.check(value) is None
    assert field.test()(value) == (is_fine and not (isinstance(value, int) and abs(value) > sys.float_info.max))
