"""The flights of the months after training, in the order in which they are asked about; see shipway.traffic."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

import pandas as pd

from flight_delay.dataset import LATE_AFTER_MINUTES, feature_rows, flights
from flight_delay.schema import SCHEMA
from shipway.traffic.events import Ask, Event, Label, Publish

__all__ = ["START", "events"]

# The first day that neither training nor validation has seen.
START = "2013-05-01T00:00:00-04:00"

# Values older than any read's ttl are of no use at the start; the aircraft's own data never ages.
_STILL_FRESH = pd.Timedelta(hours=48)

_AGELESS = "aircraft_v1"


def events(start: datetime) -> Iterable[Event]:
    """Returns what was known at `start`, then every flight asked about, landing and hour of weather from there on."""
    frame = flights()
    since = pd.Timestamp(start).tz_convert("UTC")
    views = feature_rows(frame)
    known = [event for view, rows in views.items() for event in _publishes(view, _newest(view, rows, since), since)]
    later = [_publishes(view, rows[rows["event_timestamp"] > since], None) for view, rows in views.items()]
    return _chain(known, heapq.merge(*later, _asks(frame, since), _labels(frame, since), key=_order))


def _chain(known: list[Event], rest: Iterable[Event]) -> Iterator[Event]:
    yield from known
    yield from rest


def _order(event: Event) -> tuple[datetime, bool]:
    # What is known at a moment is known to whoever asks at that moment.
    return event.at, isinstance(event, Ask)


def _newest(view: str, rows: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
    known = rows[rows["event_timestamp"] <= since]
    if view != _AGELESS:
        known = known[known["event_timestamp"] >= since - _STILL_FRESH]
    keys = [key for key in ("carrier", "origin", "tail_number") if key in rows.columns]
    return known.drop_duplicates(keys, keep="last")


def _publishes(view: str, rows: pd.DataFrame, at: pd.Timestamp | None) -> Iterator[Event]:
    names = [str(name) for name in rows.columns]
    for values in rows.itertuples(index=False, name=None):
        row = dict(zip(names, values, strict=True))
        row["event_timestamp"] = row["event_timestamp"].to_pydatetime()
        yield Publish((at.to_pydatetime() if at is not None else row["event_timestamp"]), view, row)


def _asks(frame: pd.DataFrame, since: pd.Timestamp) -> Iterator[Event]:
    rows = frame[frame["asked_at"] >= since]
    local = rows["departs_at"].dt.tz_convert("America/New_York")
    for unit_id, asked_at, departs_at, *values in zip(
        rows.index,
        rows["asked_at"],
        local,
        *(rows[name] for name in SCHEMA.names if name != "scheduled_departure"),
        strict=True,
    ):
        names = (name for name in SCHEMA.names if name != "scheduled_departure")
        row = {**dict(zip(names, values, strict=True)), "scheduled_departure": departs_at.isoformat()}
        yield Ask(asked_at.to_pydatetime(), str(unit_id), row)


def _labels(frame: pd.DataFrame, since: pd.Timestamp) -> Iterator[Event]:
    rows = frame[frame["landed_at"] > since].sort_values("landed_at", kind="stable")
    late = (rows["arrival_delay_minutes"] > LATE_AFTER_MINUTES).astype(float)
    for unit_id, landed_at, label in zip(rows.index, rows["landed_at"], late, strict=True):
        yield Label(landed_at.to_pydatetime(), str(unit_id), float(label))
