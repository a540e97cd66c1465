from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from shipway.bundle.source import import_from

SERVICE = Path(__file__).resolve().parents[1]


def module(name: str) -> Any:
    """Returns a module of the service, imported as everywhere else."""
    return import_from(SERVICE.parent, SERVICE.name, name)


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """The file as it is, under the same ids."""
    dataset = module("dataset")
    frame = pd.read_csv(dataset._folder() / "flights.csv.zip")
    day = pd.to_datetime(frame[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    frame.index = day + "-" + frame["carrier"] + frame["flight"].astype(str) + "-" + frame["origin"]
    return frame


def test_departures_are_new_york_time_on_every_day_of_the_year(flights: pd.DataFrame, raw: pd.DataFrame) -> None:
    """Turned back to New York, each departure shows the airline's own clock and date, in winter and in summer."""
    local = flights["departs_at"].dt.tz_convert("America/New_York")
    expected = raw.loc[flights.index]
    assert (local.dt.hour * 100 + local.dt.minute == expected["sched_dep_time"]).all()
    assert (local.dt.month * 100 + local.dt.day == expected["month"] * 100 + expected["day"]).all()
    offsets = local.groupby(local.dt.month).agg(lambda times: times.iloc[0].utcoffset().total_seconds() / 3600)
    assert (offsets[1], offsets[7], offsets[12]) == (-5, -4, -5)


def test_landings_show_the_destinations_clock(flights: pd.DataFrame, raw: pd.DataFrame) -> None:
    """Across time zones, midnight and the change of clocks, a landing is when the destination's clock said so."""
    zones = {
        "LAX": "America/Los_Angeles",
        "HNL": "Pacific/Honolulu",
        "SJU": "America/Puerto_Rico",
        "PHX": "America/Phoenix",
    }
    for destination, zone in zones.items():
        landed = flights[(flights["destination"] == destination) & flights["landed_at"].notna()]
        local = landed["landed_at"].dt.tz_convert(zone)
        shown = raw.loc[landed.index, "arr_time"] % 2400
        assert ((local.dt.hour * 100 + local.dt.minute) == shown).all(), destination


def test_every_landing_fits_the_time_in_the_air(flights: pd.DataFrame, raw: pd.DataFrame) -> None:
    """Between leaving the gate and the landing lie the time in the air and at most four hours on the ground."""
    landed = flights[flights["landed_at"].notna()]
    source = raw.loc[landed.index]
    left = landed["departs_at"] + pd.to_timedelta(source["dep_delay"], unit="min")
    taxi_minutes = (landed["landed_at"] - left).dt.total_seconds() / 60 - source["air_time"]
    assert taxi_minutes.between(0, 240).all()
    assert len(landed) == 327_346


def test_a_flight_that_never_arrived_has_no_label(flights: pd.DataFrame) -> None:
    """Cancelled and diverted flights are unknown, not punctual."""
    assert flights["arrival_delay_minutes"].isna().sum() == 9_430
    assert flights["landed_at"].isna().equals(flights["arrival_delay_minutes"].isna())


def test_ids_are_unique_and_say_which_flight(flights: pd.DataFrame) -> None:
    """One unit is one flight on one day from one airport."""
    assert flights.index.is_unique
    assert flights.loc["2013-05-01-UA521-EWR", "carrier"] == "UA"


def test_weather_is_known_when_its_hour_is_over(values: Mapping[str, pd.DataFrame]) -> None:
    """The hour from 01:00 New York time is known at 02:00, which is 07:00 UTC in January."""
    first = values["origin_weather_v1"].iloc[0]
    assert first["event_timestamp"] == pd.Timestamp("2013-01-01T07:00:00Z")


def test_a_broken_instrument_is_no_wind(values: Mapping[str, pd.DataFrame]) -> None:
    """The one reading of 1,048 mph counts as missing."""
    assert values["origin_weather_v1"]["wind_speed_mph"].max() < 60


def test_the_rate_counts_landings_of_the_last_day_only(
    flights: pd.DataFrame, values: Mapping[str, pd.DataFrame]
) -> None:
    """Each sampled value is what counting by hand says of the 24 hours up to its moment."""
    for _, row in values["carrier_origin_v1"].sample(40, random_state=1).iterrows():
        until = row["event_timestamp"]
        mine = flights[(flights["carrier"] == row["carrier"]) & (flights["origin"] == row["origin"])]
        known = mine[(mine["landed_at"] <= until) & (mine["landed_at"] > until - pd.Timedelta(hours=24))]
        assert row["arrivals_24h"] == len(known)
        assert row["late_ratio_24h"] == pytest.approx((known["arrival_delay_minutes"] > 15).mean())
