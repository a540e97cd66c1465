"""The fields of one request. The sample is what a customer wrote; put your own here.

Drift of a text is watched by its characters, its words and its share of signs that are no letters. A text that holds
what only its writer may see is `personal=True`: it is hashed in the log, and not watched.
"""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA"]

SCHEMA = Schema(
    fields=(
        FieldSpec(
            name="text",
            kind=FieldKind.TEXT,
            length=2000,
            description="what the customer wrote, in English",
            example="Where can I download the invoice of March?",
        ),
    )
)
