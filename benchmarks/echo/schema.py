"""One number."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA"]

SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER, minimum=-1000, maximum=1000, example=1.5),))
