"""The fields of one request. The sample is what a customer wrote; put your own here.

Drift of a text is watched by its measures: how many characters and words it has, and its share of signs that are no
letters. A text that names people is `personal=True` instead: it is hashed in the log, and not watched.
"""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA"]

SCHEMA = Schema(
    fields=(
        FieldSpec(
            name="text",
            kind=FieldKind.TEXT,
            length=2000,
            measures=("characters", "words", "other_ratio"),
            description="what the customer wrote, in English",
            example="Where can I download the invoice of March?",
        ),
    )
)
