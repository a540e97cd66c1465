"""Names of request fields from names of columns."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec
from shipway.scaffold.inferred.names import field_name, field_names

FILE = Path("houses.csv")


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Size (m2)", "size_m2"),
        ("petalWidth", "petal_width"),
        ("2nd floor", "field_2nd_floor"),
        ("Größe", "grosse"),
        ("  x--y ", "x_y"),
        ("prediction", "prediction_field"),
        ("od280/od315", "od280_od315"),
        ("温度", ""),
    ],
)
def test_a_column_gets_the_name_one_would_type(column: str, name: str) -> None:
    """Words in small letters, joined by underscores; what drift calls its own is left to it."""
    assert field_name(column) == name


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_name_is_a_fields_name_or_none(column: str) -> None:
    """Whatever a column is called."""
    name = field_name(column)
    if name:
        assert FieldSpec(name=name, kind=FieldKind.NUMBER).name == name


def test_what_cannot_be_named_is_refused_with_what_to_do() -> None:
    """A name without a letter, and two names that would be one."""
    with pytest.raises(SpecError) as nameless:
        field_names(FILE, ["a", "温度"])
    assert str(nameless.value) == (
        "houses.csv: 温度: got 'no field name', expected a name with a letter from a to z in it; rename the column, or "
        "`--leave-out` it"
    )
    with pytest.raises(SpecError) as doubled:
        field_names(FILE, ["a b", "A_B"])
    assert str(doubled.value) == (
        "houses.csv: A_B: got 'the field name a_b', expected names that differ in letters and digits from 'a b'; "
        "rename one of the two columns"
    )
