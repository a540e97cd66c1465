"""What the model reads from the feature store, each value with the moment from which it was known.

A view's version is part of its name: another meaning is another view, so that two versions of the model can be
served side by side. The ttl of a view is the ttl_seconds of its reads in model.yaml; a test holds the two together.
"""

from collections.abc import Mapping
from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

__all__ = ["ENTITIES", "OBJECTS"]

_ORIGIN = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
_CARRIER = Entity(name="carrier", join_keys=["carrier"], value_type=ValueType.STRING)
_AIRCRAFT = Entity(name="aircraft", join_keys=["tail_number"], value_type=ValueType.STRING)


def _view(
    name: str, entities: list[Entity], ttl: timedelta, features: tuple[str, ...], description: str
) -> FeatureView:
    return FeatureView(
        name=name,
        entities=entities,
        ttl=ttl,
        schema=[Field(name=feature, dtype=Float64) for feature in features],
        source=FileSource(name=f"{name}_source", path=f"data/{name}.parquet", timestamp_field="event_timestamp"),
        description=description,
    )


OBJECTS = [
    _ORIGIN,
    _CARRIER,
    _AIRCRAFT,
    _view(
        "origin_weather_v1",
        [_ORIGIN],
        timedelta(hours=6),
        ("humidity_percent", "wind_speed_mph", "precipitation_inches", "visibility_miles"),
        "Weather at the airport in the latest hour that is over.",
    ),
    _view(
        "carrier_origin_v1",
        [_CARRIER, _ORIGIN],
        timedelta(hours=48),
        ("late_ratio_24h", "arrivals_24h"),
        "How many of the carrier's flights from there have landed in the 24 hours up to the newest landing, and the "
        "share of them that was late.",
    ),
    _view(
        "aircraft_v1",
        [_AIRCRAFT],
        timedelta(days=3650),
        ("year_built",),
        "The aircraft itself.",
    ),
    _view(
        "aircraft_arrival_v1",
        [_AIRCRAFT],
        timedelta(hours=48),
        ("arrival_delay_minutes",),
        "The aircraft's newest arrival.",
    ),
]


def ENTITIES(row: Mapping[str, object]) -> dict[str, object]:  # noqa: N802 - a name of the service protocol
    """Returns the keys under which the store knows a request's airport, carrier and aircraft."""
    # The store has no null keys; no aircraft is called by an empty name.
    return {"origin": row["origin"], "carrier": row["carrier"], "tail_number": row["tail_number"] or ""}
