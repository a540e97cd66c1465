"""A model is warmed up with a valid request, and answers one finite number a row or nothing."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.serving.outputs import example_row
from tests.shipway.serving.doubles import SCHEMA


def test_an_example_row_fits_its_schema() -> None:
    """What warms a slot up is a valid request, whatever the fields."""
    assert SCHEMA.check([example_row(SCHEMA)]) == []
    awkward = Schema(
        fields=(
            FieldSpec(name="negative", kind=FieldKind.NUMBER, maximum=-5),
            FieldSpec(name="one", kind=FieldKind.INTEGER, minimum=1, maximum=1),
            FieldSpec(name="nothing", kind=FieldKind.TEXT, nullable=True),
            FieldSpec(name="free", kind=FieldKind.CATEGORY),
            FieldSpec(name="since", kind=FieldKind.TIMESTAMP),
        )
    )
    assert awkward.check([example_row(awkward)]) == []
