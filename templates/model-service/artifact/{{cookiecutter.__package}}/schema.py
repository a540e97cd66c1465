"""The fields of one request. The sample is a breast tumour as measured under the microscope; put your own here."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA"]

SCHEMA = Schema(
    fields=(
        FieldSpec(name="radius", kind=FieldKind.NUMBER, minimum=0, maximum=100, example=13.4),
        FieldSpec(name="texture", kind=FieldKind.NUMBER, minimum=0, maximum=100, example=18.8),
        FieldSpec(name="smoothness", kind=FieldKind.NUMBER, minimum=0, maximum=1, example=0.096),
        FieldSpec(name="concavity", kind=FieldKind.NUMBER, minimum=0, maximum=1, example=0.062),
        FieldSpec(name="symmetry", kind=FieldKind.NUMBER, minimum=0, maximum=1, example=0.179),
    )
)
