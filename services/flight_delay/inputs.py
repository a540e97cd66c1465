"""From request fields and features to the model's matrix: the same lines in training and in serving."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from flight_delay.schema import CARRIERS, ORIGINS

__all__ = ["COLUMNS", "matrix"]

# In 2013 the airports around New York reach these; any other counts as unknown.
# fmt: off
_DESTINATIONS = (
    "ABQ", "ACK", "ALB", "ANC", "ATL", "AUS", "AVL", "BDL", "BGR", "BHM", "BNA", "BOS", "BQN", "BTV", "BUF",
    "BUR", "BWI", "BZN", "CAE", "CAK", "CHO", "CHS", "CLE", "CLT", "CMH", "CRW", "CVG", "DAY", "DCA", "DEN", "DFW",
    "DSM", "DTW", "EGE", "EYW", "FLL", "GRR", "GSO", "GSP", "HDN", "HNL", "HOU", "IAD", "IAH", "ILM", "IND", "JAC",
    "JAX", "LAS", "LAX", "LEX", "LGA", "LGB", "MCI", "MCO", "MDW", "MEM", "MHT", "MIA", "MKE", "MSN", "MSP", "MSY",
    "MTJ", "MVY", "MYR", "OAK", "OKC", "OMA", "ORD", "ORF", "PBI", "PDX", "PHL", "PHX", "PIT", "PSE", "PSP", "PVD",
    "PWM", "RDU", "RIC", "ROC", "RSW", "SAN", "SAT", "SAV", "SBN", "SDF", "SEA", "SFO", "SJC", "SJU", "SLC", "SMF",
    "SNA", "SRQ", "STL", "STT", "SYR", "TPA", "TUL", "TVC", "TYS", "XNA",
)
# fmt: on

_CODES: Mapping[str, Mapping[str, float]] = {
    "carrier": {value: float(code) for code, value in enumerate(CARRIERS)},
    "origin": {value: float(code) for code, value in enumerate(ORIGINS)},
    "destination": {value: float(code) for code, value in enumerate(_DESTINATIONS)},
}

_NUMBERS = (
    "distance_miles",
    "origin_weather_v1:humidity_percent",
    "origin_weather_v1:wind_speed_mph",
    "origin_weather_v1:precipitation_inches",
    "origin_weather_v1:visibility_miles",
    "carrier_origin_v1:late_ratio_24h",
    "carrier_origin_v1:arrivals_24h",
    "aircraft_arrival_v1:arrival_delay_minutes",
)

# What `matrix` reads.
COLUMNS = (*_CODES, "scheduled_departure", *_NUMBERS, "aircraft_v1:year_built")

_NEW_YORK = ZoneInfo("America/New_York")


def matrix(columns: Mapping[str, Sequence[Any]]) -> NDArray[np.float64]:
    """Returns one row of numbers for each flight.

    Args:
        columns: the values of each of `COLUMNS`, all of one length. Neither month nor weekday is used: trained on one
            season, the model would take the calendar for a cause.
    """
    # What matters is the hour on the airport's clock, whatever offset the request was written in.
    departures = [datetime.fromisoformat(text).astimezone(_NEW_YORK) for text in columns["scheduled_departure"]]
    years = np.array([departure.year for departure in departures], dtype=float)
    return np.column_stack(
        [
            *(
                np.array([codes.get(value, np.nan) for value in columns[name]], dtype=float)
                for name, codes in _CODES.items()
            ),
            np.array([departure.hour + departure.minute / 60 for departure in departures], dtype=float),
            *(np.asarray(columns[name], dtype=float) for name in _NUMBERS),
            years - np.asarray(columns["aircraft_v1:year_built"], dtype=float),
        ]
    )
