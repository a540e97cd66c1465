"""The fields of one request: the picture of one digit."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["PIXELS", "SCHEMA"]

# The picture is 8 by 8.
PIXELS = 64

# fmt: off
_ZERO = [
    0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0,
    0.0, 0.0, 13.0, 15.0, 10.0, 15.0, 5.0, 0.0,
    0.0, 3.0, 15.0, 2.0, 0.0, 11.0, 8.0, 0.0,
    0.0, 4.0, 12.0, 0.0, 0.0, 8.0, 8.0, 0.0,
    0.0, 5.0, 8.0, 0.0, 0.0, 9.0, 8.0, 0.0,
    0.0, 4.0, 11.0, 0.0, 1.0, 12.0, 7.0, 0.0,
    0.0, 2.0, 14.0, 5.0, 10.0, 12.0, 0.0, 0.0,
    0.0, 0.0, 6.0, 13.0, 10.0, 0.0, 0.0, 0.0,
]
# fmt: on

SCHEMA = Schema(
    fields=(
        FieldSpec(
            name="pixels",
            kind=FieldKind.VECTOR,
            length=PIXELS,
            minimum=0,
            maximum=16,
            description="ink in each of 8 by 8 squares, row by row from the top left: 0 is paper, 16 is full",
            example=_ZERO,
        ),
    )
)
