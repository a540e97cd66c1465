"""What the offline store says of some logged predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shipway.contract.errors import FeatureError
from shipway.contract.serving import FeatureRead
from shipway.features.offline import Known, history, join_keys, offline_known
from shipway.logs.schemas import is_hashed
from shipway.parity.decoding import Logged
from shipway.parity.outcomes import Flags, History, Numbers, Side, known_by
from shipway.parity.places import Places

__all__ = ["Offline", "ask"]

# How far around an event is looked for where a served value comes from: farther than any two time zones lie apart.
HORIZON_SECONDS = 26 * 3600.0
# Of a key whose values change every few seconds, the nearest.
_MOST_ENTRIES = 1000
# Serving takes a value for known when it is from at most so much after the event: clocks differ.
_CLOCK_SKEW_SECONDS = 5.0


@dataclass(frozen=True)
class Offline:
    """What the offline store says of one feature.

    Args:
        side: as of each event.
        unknown: where it cannot say: the key is hashed in the log, or its values do not reach so far yet.
        history: around each event.
    """

    side: Side
    unknown: Flags
    history: History


def ask(folder: Path, reads: Sequence[FeatureRead], logged: Logged) -> dict[str, Offline]:
    """Returns read -> what the offline store in `folder` says of the logged predictions, by the point-in-time join.

    Raises:
        FeatureError: when it does not know a view.
    """
    names = [read.name for read in reads]
    keys_of, past = join_keys(folder, names), history(folder, names)
    keys = sorted({key for some in keys_of.values() for key in some})
    for number, row in enumerate(logged.keys):
        if missing := [key for key in keys if logged.complete[number] and row.get(key) is None]:
            raise FeatureError(
                f"{logged.ids[number]}: its record has no key {missing[0]!r}, expected {', '.join(keys)}"
            )
    # A hash stands for a key of any type: what it is the hash of cannot be looked up.
    entities = pd.DataFrame(
        {key: [None if is_hashed(row.get(key)) else row.get(key) for row in logged.keys] for key in keys}, dtype=object
    ).infer_objects()
    moments = _moments(logged)
    known = offline_known(
        folder, names, entities.assign(event_timestamp=pd.to_datetime(moments, unit="s", utc=True).round("us"))
    )
    newest = {view: _seconds(rows["_value_time"]).max(initial=-np.inf) for view, rows in past.items()}
    return {
        read.name: _one(read, known, logged, keys_of[view := read.name.partition(":")[0]], past[view], newest)
        for read in reads
    }


def _moments(logged: Logged) -> Numbers:
    """Returns as of when each row is asked: its event, or the time of a value that a fast clock stamped just after."""
    moments = logged.event_seconds.copy()
    for served in logged.features.values():
        seconds = np.where(np.isnan(served.side.values), np.nan, served.side.seconds)
        skewed = (seconds > moments) & (seconds <= logged.event_seconds + _CLOCK_SKEW_SECONDS)
        moments[skewed] = seconds[skewed]
    return moments


def _one(
    read: FeatureRead,
    known: Known,
    logged: Logged,
    keys: Sequence[str],
    past: pd.DataFrame,
    newest: dict[str, float],
) -> Offline:
    view, _, feature = read.name.partition(":")
    side = Side(known.values[read.name].to_numpy(dtype=float), _seconds(known.times[read.name]))
    hashed = np.array([any(is_hashed(row.get(key)) for key in keys) for row in logged.keys], dtype=bool)
    served, events = logged.features[read.name].side, logged.event_seconds
    unknown = hashed | (events > max(newest.values()))
    unknown |= served.seconds > newest[view] + 1
    unknown |= np.isnan(side.values) & (events > newest[view] + read.ttl_seconds)
    return Offline(side, unknown, _around(past, keys, feature, logged.keys, events))


def _around(
    past: pd.DataFrame, keys: Sequence[str], feature: str, rows: Sequence[Mapping[str, object]], events: Numbers
) -> History:
    """Returns what was known of each row's key around its event, and the last thing that was known before."""
    places = Places(past, keys)
    times, values = _seconds(past["_value_time"]), past[feature].to_numpy(dtype=float)
    starts, seconds, found = [0], list[Numbers](), list[Numbers]()
    for row, event in zip(rows, events.tolist(), strict=True):
        mine = places.of(row)
        there = times[mine]
        low = known_by(there, event - HORIZON_SECONDS)
        now = known_by(there, event)
        high = known_by(there, event + HORIZON_SECONDS)
        mine = mine[max(min(low, now - 1), now - _MOST_ENTRIES, 0) : min(high, now + _MOST_ENTRIES)]
        seconds.append(times[mine])
        found.append(values[mine])
        starts.append(starts[-1] + len(mine))
    empty = np.zeros(0)
    return History(np.array(starts), np.concatenate([empty, *seconds]), np.concatenate([empty, *found]))


def _seconds(times: "pd.Series[Any]") -> Numbers:
    """Returns times as seconds since the epoch, NaN for none."""
    stamps = pd.to_datetime(times, utc=True)
    since: Any = (stamps - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    seconds: Numbers = since.to_numpy(dtype=np.float64)
    return seconds
