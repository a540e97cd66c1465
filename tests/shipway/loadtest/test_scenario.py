"""Requests: whatever the schema says, what is sent fits it."""

import random
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.bundle.isolated import forget, import_isolated
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import services
from shipway.contract.loadtest import LoadTestSpec
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.loadtest.scenario import fitting, fitting_keys, generated_row, rows
from tests.components.conftest import REPOSITORY

SCHEMA = Schema(
    fields=(
        FieldSpec(name="age", kind=FieldKind.INTEGER, minimum=0, maximum=120),
        FieldSpec(name="name", kind=FieldKind.TEXT, length=20, personal=True, example="Ada"),
        FieldSpec(name="plan", kind=FieldKind.CATEGORY, values=("free", "paid"), nullable=True),
    )
)


@st.composite
def fields(draw: st.DrawFn) -> FieldSpec:
    kind = draw(st.sampled_from(list(FieldKind)))
    bounds = sorted(draw(st.lists(st.integers(-1000, 1000), min_size=2, max_size=2)))
    plain = kind not in (FieldKind.IMAGE, FieldKind.VECTOR)
    numeric = kind in (FieldKind.NUMBER, FieldKind.INTEGER, FieldKind.VECTOR)
    values = draw(st.sampled_from([(), ("a", "b")])) if kind is FieldKind.CATEGORY else ()
    return FieldSpec(
        name="field",
        kind=kind,
        minimum=bounds[0] if numeric and draw(st.booleans()) else None,
        maximum=bounds[1] if numeric and draw(st.booleans()) else None,
        values=values,
        # A time in few characters is none.
        length=draw(st.integers(32 if kind is FieldKind.TIMESTAMP else 1, 50))
        if kind is FieldKind.VECTOR or (plain and not numeric and draw(st.booleans()))
        else None,
        shape=draw(st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3])))
        if kind is FieldKind.IMAGE
        else None,
        nullable=draw(st.booleans()),
        example=draw(st.sampled_from([None, "one two three"])) if kind is FieldKind.TEXT else None,
    )


@settings(deadline=None)
@given(fields(), st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_a_generated_row_fits_its_schema(field: FieldSpec, seed: int, edge: float, null: float) -> None:
    """Of every kind, with any bounds, at the bounds and between them."""
    schema = Schema(fields=(field,))
    spec = LoadTestSpec(edge_ratio=edge, null_ratio=null)
    assert schema.check([generated_row(schema, spec, random.Random(seed))]) == []


def test_a_field_that_nobody_can_make_up_needs_an_example() -> None:
    """A time in ten characters has no offset: the field is named, with what helps."""
    field = FieldSpec(name="at", kind=FieldKind.TIMESTAMP, length=10)
    with pytest.raises(ShipwayError, match=r"field at of kind timestamp: .* give it one in schema.py"):
        generated_row(Schema(fields=(field,)), LoadTestSpec(), random.Random(1))


@pytest.mark.parametrize("folder", services(REPOSITORY), ids=lambda folder: folder.name)
def test_rows_of_every_service_fit_and_differ(folder: Any) -> None:
    """A hundred requests are not one request a hundred times."""
    schema = import_isolated(folder.parent, folder.name, "schema", "scenario").SCHEMA
    forget(folder.name, "scenario")
    found = [generated_row(schema, LoadTestSpec(), random.Random(seed)) for seed in range(100)]
    assert schema.check(found) == []
    assert len({str(row) for row in found}) > 90


def test_bounds_nulls_and_logged_rows_come_in_their_shares() -> None:
    """Ten percent of the ages are a bound, a tenth of the plans are null, half of the rows are logged."""
    logged = [{"age": 30, "plan": "free"}]
    made = list(islice(rows(SCHEMA, LoadTestSpec(), logged, random.Random(1)), 4000))
    generated = [row for row, from_log in made if not from_log]
    assert abs(len(generated) / 4000 - 0.5) < 0.03
    assert 0.07 < sum(row["age"] in (0, 120) for row in generated) / len(generated) < 0.15
    assert 0.07 < sum(row["plan"] is None for row in generated) / len(generated) < 0.13
    assert all(row["age"] == 30 for row, from_log in made if from_log)


def test_a_logged_row_gets_a_made_up_person() -> None:
    """The log holds a hash of a personal value, which is no value to ask about."""
    logged = fitting(SCHEMA, [{"age": 30, "name": "blake2:0123", "plan": None}])
    row, _ = next(rows(SCHEMA, LoadTestSpec(logged_ratio=1), logged, random.Random(1)))
    assert (row["age"], row["plan"]) == (30, None)
    assert SCHEMA.check([row]) == []
    assert "blake2" not in row["name"]


def test_logged_rows_of_another_schema_are_left_out() -> None:
    """A field that is missing, extra or out of range makes a request that would only be refused."""
    good = {"age": 1, "name": "x", "plan": "free"}
    found = [good, {"age": 1, "name": "x"}, good | {"age": 121}, good | {"age": "1"}]
    assert fitting(SCHEMA, found) == [{"age": 1, "plan": "free"}]
    # Nothing of a row with nothing but personal fields may be sent again.
    assert fitting(Schema(fields=SCHEMA.fields[1:2]), [good]) == []


def test_the_same_seed_makes_the_same_requests() -> None:
    """A run can be repeated."""
    first, again = (list(islice(rows(SCHEMA, LoadTestSpec(), [], random.Random(7)), 50)) for _ in range(2))
    assert first == again


def test_made_up_rows_ask_about_what_the_feature_store_knows() -> None:
    """But for edges and nulls; a key that no field may hold is left out, and a person is made up all the same."""
    keys = fitting_keys(SCHEMA, {"age": [33, 34, 999], "name": ["Grace"], "plan": ["gold"], "shop": ["s1"]})
    assert keys == {"age": [33, 34]}
    made = [row for row, _ in islice(rows(SCHEMA, LoadTestSpec(), [], random.Random(1), keys), 2000)]
    assert {row["age"] for row in made} == {0, 33, 34, 120}
    assert 0.07 < sum(row["age"] in (0, 120) for row in made) / len(made) < 0.13
    assert "Grace" not in {row["name"] for row in made}
