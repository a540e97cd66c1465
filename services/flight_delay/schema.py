"""The fields of one request: a flight as its airline announces it, nothing that is known only later."""

from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["CARRIERS", "ORIGINS", "SCHEMA"]

CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")
ORIGINS = ("EWR", "JFK", "LGA")

SCHEMA = Schema(
    fields=(
        FieldSpec(name="carrier", kind=FieldKind.CATEGORY, values=CARRIERS, description="IATA code", example="UA"),
        FieldSpec(name="origin", kind=FieldKind.CATEGORY, values=ORIGINS, description="IATA code", example="EWR"),
        FieldSpec(
            name="destination",
            kind=FieldKind.CATEGORY,
            length=3,
            description="IATA code; one the model has never seen counts as unknown",
            example="IAH",
        ),
        FieldSpec(
            name="scheduled_departure",
            kind=FieldKind.TIMESTAMP,
            description="as announced, with an offset",
            example="2013-05-01T10:59:00-04:00",
        ),
        FieldSpec(name="distance_miles", kind=FieldKind.NUMBER, minimum=0, maximum=6000, example=1400.0),
        FieldSpec(
            name="tail_number",
            kind=FieldKind.TEXT,
            length=10,
            nullable=True,
            description="the aircraft, null while none is assigned",
            example="N838UA",
        ),
    )
)
