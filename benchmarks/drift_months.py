"""Months without drift, and a shift that must be found: the simulated half of `python -m benchmarks.drift`.

A service of fifty features is asked about the real flights of 2013, each of them some eight times. Thirteen features
are the flights': weather that is the same for an hour, late ratios of the last day, aircraft, routes. The others are
drawn for each request, with a rhythm of the day, of all shapes. A month is thirty days in a row, each one day of the
year drawn anew with its whole day, so that whatever hangs together within a day still does; a day keeps its weekday.
The reference is thirteen weeks drawn likewise from the even weeks of the year, months come from the odd ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from services.flight_delay import dataset
from shipway.bundle.reference import Categories, Histogram
from shipway.bundle.reference import Reference as BundleReference
from shipway.contract.drift import DriftSpec
from shipway.drift.bins import Bins
from shipway.drift.calibration import RESAMPLES, Calibration
from shipway.drift.judge import Window, judge
from shipway.drift.persistence import History
from shipway.drift.reference import HOURS_OF_WEEK, Reference
from shipway.drift.result import Status
from shipway.training.drift_reference import histogram

__all__ = ["FIELDS", "Months", "bins_of", "false_alarms", "found_within_two", "reference_of", "shapes"]

Numbers = NDArray[np.float64]
FIELDS = 50
_ASKED_PER_FLIGHT = 8
_REFERENCE_DAYS = 91
_DAYS, _HOURS = 30, 24
_BINS = 50
# Which of the five shapes are whole numbers.
_WHOLE = 2
_TRAINED_ROWS, _SEEDS_A_REFERENCE = 20_000, 20


@dataclass(frozen=True)
class Months:
    """What simulated months without drift say.

    Args:
        months: how many.
        alarms: how often a field began to be DRIFTED.
        judged_ratio: of all windows of all fields, those that had rows enough to judge.
        found_ratio: of the judged ones, those found in their window alone.
        fields_judged: how many of the fields were ever judged.
    """

    months: int
    alarms: int
    judged_ratio: float
    found_ratio: float
    fields_judged: int


@cache
def _flights() -> tuple[Numbers, NDArray[np.int64]]:
    """Returns thirteen features of every flight that is asked about in 2013, and the hour since 1 January, UTC."""
    frame = dataset.flights()
    views = dataset.feature_rows(frame)
    rows = frame.sort_values("asked_at").reset_index()

    def joined(view: str, by: str | list[str]) -> pd.DataFrame:
        known = views[view].sort_values("event_timestamp")
        found: Any = pd.merge_asof(rows, known, left_on="asked_at", right_on="event_timestamp", by=by)
        return found

    weather, late = joined("origin_weather_v1", "origin"), joined("carrier_origin_v1", ["carrier", "origin"])
    aircraft = rows.merge(views["aircraft_v1"], on="tail_number", how="left")
    columns = [
        *(weather[name] for name in ("humidity_percent", "wind_speed_mph", "precipitation_inches", "visibility_miles")),
        late["late_ratio_24h"],
        late["arrivals_24h"],
        aircraft["year_built"],
        rows["distance_miles"],
        rows["departs_at"].dt.minute,
        rows["departs_at"].dt.hour,
        *(pd.Series(pd.factorize(rows[name], sort=True)[0]) for name in ("carrier", "origin", "destination")),
    ]
    table: Numbers = np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
    hour = (rows["asked_at"] - pd.Timestamp("2013-01-01", tz="UTC")) // pd.Timedelta(hours=1)
    return table, np.asarray(hour, dtype=np.int64)


def _day(chance: np.random.Generator, day: int) -> list[Numbers]:
    """Returns what is asked in each hour of one day of the year, (rows, FIELDS)."""
    table, hour = _flights()
    cuts = np.searchsorted(hour, day * _HOURS + np.arange(_HOURS + 1))
    hours: list[Numbers] = []
    for at, (low, high) in enumerate(pairwise(cuts.tolist())):
        asked = np.repeat(table[low:high], chance.poisson(_ASKED_PER_FLIGHT, high - low), axis=0)
        own = shapes(chance, len(asked), FIELDS - table.shape[1], at)
        hours.append(np.column_stack([asked, own]))
    return hours


def shapes(chance: np.random.Generator, rows: int, fields: int = FIELDS, hour: int = 0) -> Numbers:
    """Returns features of five shapes, normal, skewed, whole numbers, half zero and with nulls, in a daily rhythm."""
    numbers = np.arange(fields)
    values = chance.normal(0.5 * np.sin(2 * np.pi * hour / _HOURS + numbers), 1.0, (rows, fields))
    values[:, 1::5] = np.exp(values[:, 1::5])
    values[:, _WHOLE::5] = np.round(2 * values[:, _WHOLE::5])
    values[:, 3::5] = np.maximum(values[:, 3::5], 0.0)
    gaps = values[:, 4::5]
    gaps[chance.random(gaps.shape) < 0.05] = np.nan
    return values


def _days_like(chance: np.random.Generator, days: int, weeks: int) -> list[int]:
    """Returns days of the year drawn anew, a row of weekdays from Monday on; `weeks` 0 even ones, 1 odd ones."""
    year = np.arange(6, 6 + 51 * 7).reshape(-1, 7)  # from the first Monday, 7 January, on
    pool = year[weeks::2]
    return [int(pool[chance.integers(len(pool)), number % 7]) for number in range(days)]


def reference_of(hours: list[Numbers]) -> tuple[Bins, Reference]:
    """Returns the bins and the reference of rows by hour, whole days from Monday on."""
    bins = bins_of(np.concatenate(hours))
    return bins, Reference.of(bins, hourly=np.stack([bins.count(one).counts for one in hours]))


def bins_of(rows: Numbers) -> Bins:
    """Returns the bins that training would make of these rows; the last column stands for the predictions."""
    fields: dict[str, Histogram | Categories] = {
        f"f{number:02d}": histogram(rows[:, number], _BINS) for number in range(rows.shape[1] - 1)
    }
    return Bins.of(BundleReference(predictions=histogram(rows[:, -1], _BINS), fields=fields))


def false_alarms(chance: np.random.Generator, services: int, months: int, told: Callable[[str], None]) -> Months:
    """Returns what hourly windows of so many months without drift say, spread over services, each with its reference.

    Every hour of every day of the odd weeks is judged once for a service; a month lines up days of these, and each
    field's findings go through the same history as live ones do.
    """
    alarms = found = judged = 0
    seen: set[str] = set()
    spec, each = DriftSpec(), -(-months // services)
    for service in range(services):
        reference_days = [_day(chance, day) for day in _days_like(chance, _REFERENCE_DAYS, 0)]
        bins, reference = reference_of([hour for day in reference_days for hour in day])
        said = _said(chance, bins, reference, spec)
        for _ in range(each):
            history, drifted = History(), set[str]()
            for window in chain.from_iterable(said[day] for day in _days_like(chance, _DAYS, 1)):
                history = history.heard(window, spec.persistence_windows)
                now = {name for name in window if history.persists(name, spec.persistence_found)}
                alarms += len(now - drifted)
                # A field that was not judged stays what it was.
                drifted = now | (drifted - window.keys())
                found, judged = found + sum(window.values()), judged + len(window)
                seen |= window.keys()
        told(f"{service + 1} of {services} services, {(service + 1) * each} months, {alarms} alarms")
    windows = each * services * _DAYS * _HOURS * FIELDS
    return Months(each * services, alarms, judged / windows, found / max(judged, 1), len(seen))


def _said(
    chance: np.random.Generator, bins: Bins, reference: Reference, spec: DriftSpec
) -> dict[int, list[dict[str, bool]]]:
    """Returns day of the odd weeks -> for each hour, field -> whether it was found; fields not judged left out."""
    # Half of what a service would draw: the rest of the proof is in how many windows there are.
    calibration = Calibration(chance, RESAMPLES // 2)
    said: dict[int, list[dict[str, bool]]] = {}
    for day in np.arange(6, 6 + 51 * 7).reshape(-1, 7)[1::2].ravel().tolist():
        said[day] = []
        for hour, rows in enumerate(_day(chance, day)):
            counted = bins.count(rows)
            at = ((day - 6) * _HOURS + hour) % HOURS_OF_WEEK
            window = Window(counted.counts, counted.excess, hour_of_week=at)
            results = judge(reference, window, spec, History(), calibration).results
            said[day].append(
                {one.feature: one.found for one in results if one.status not in (Status.TOO_FEW, Status.SILENT)}
            )
    return said


def found_within_two(
    chance: np.random.Generator, seeds: int, shift: float = 0.2, rows: int = 2000
) -> tuple[float, float]:
    """Returns in how many of the seeds a shift is a verdict after two windows, and how many other fields are in each.

    Fifty features of the five shapes, a reference of twenty thousand rows; one feature, another one each time, moves by
    `shift` of its standard deviation.
    """
    spec, hits, others = DriftSpec(), 0, 0
    for first in range(0, seeds, _SEEDS_A_REFERENCE):
        trained = shapes(chance, _TRAINED_ROWS)
        bins, deviation = bins_of(trained), np.nanstd(trained, axis=0)
        reference, calibration = Reference.of(bins), Calibration(chance)
        for _ in range(first, min(first + _SEEDS_A_REFERENCE, seeds)):
            moved, history = int(chance.integers(FIELDS)), History()
            drifted: set[str] = set()
            for _ in range(2):
                values = shapes(chance, rows)
                values[:, moved] += shift * deviation[moved]
                if moved % 5 == _WHOLE:
                    # Whole numbers move by whole numbers, some of them, or no bin would see it.
                    values[:, moved] = np.floor(values[:, moved] + chance.random(rows))
                counted = bins.count(values)
                judged = judge(reference, Window(counted.counts, counted.excess), spec, history, calibration)
                history = judged.history
                drifted = {one.feature for one in judged.results if one.status is Status.DRIFTED}
            name = reference.space.names[moved]
            hits, others = hits + (name in drifted), others + len(drifted - {name})
    return hits / seeds, others / seeds
