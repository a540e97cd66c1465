"""The fields of one request. The sample is a patient as measured at the start of a year; put your own here."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["SCHEMA"]

SCHEMA = Schema(
    fields=(
        FieldSpec(name="age_years", kind=FieldKind.NUMBER, minimum=0, maximum=120, example=59.0),
        FieldSpec(name="body_mass_index", kind=FieldKind.NUMBER, minimum=10, maximum=80, example=32.1),
        FieldSpec(name="blood_pressure", kind=FieldKind.NUMBER, minimum=30, maximum=200, example=101.0),
        FieldSpec(name="cholesterol_hdl", kind=FieldKind.NUMBER, minimum=5, maximum=200, example=38.0),
        FieldSpec(name="log_triglycerides", kind=FieldKind.NUMBER, minimum=2, maximum=8, example=4.86),
    )
)
