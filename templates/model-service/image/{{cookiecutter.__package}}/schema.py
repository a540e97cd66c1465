"""The fields of one request: a small picture. The sample is a digit that was written by hand; put your own here.

A picture comes as a PNG in base64, of exactly this size: whoever asks scales it, in the same way as the training data
was. Its drift is watched by how many bytes it has. It lies in the prediction log as it came: keep it small.
"""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA", "SHAPE"]

# Height, width, and 1 channel for grey or 3 for colours.
SHAPE = (8, 8, 1)

_ZERO = (
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAARElEQVR4nAXBURGAIBQAsB3n/2tAA5LQwCQ0sIEmMAkmkATSgAZu"
    "qP0IEi3HW1G+7G6SGNMgiYcgWUWUZTNLrS7Y+4kfKRkPb2iEQ8cAAAAASUVORK5CYII="
)

SCHEMA = Schema(
    fields=(
        FieldSpec(
            name="picture",
            kind=FieldKind.IMAGE,
            shape=SHAPE,
            measures=("bytes",),
            description="one digit, white on black",
            example=_ZERO,
        ),
    )
)
