"""What a window is compared with: the reference's counts, how much they vary by day, and the same hours of the week."""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shipway.drift.bins import Bins
from shipway.drift.calibration import Null, design_effect, observed
from shipway.drift.space import Sample, Space
from shipway.drift.statistics import measure

__all__ = ["HOURS_OF_WEEK", "Hour", "Reference"]

Numbers = NDArray[np.float64]
HOURS_OF_WEEK = 168
_HOURS_OF_DAY = 24
# Of an hour of the week one must know how it differs from week to week; one with fewer rows that count is not judged.
_LEAST_WEEKS, _LEAST_ROWS = 4, 20


@dataclass(frozen=True, eq=False)
class Hour:
    """One hour of the week: its rows, and the design effect of a window, (F,)."""

    sample: Sample
    effect: Numbers


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference of all fields, made once for a version (or a segment of its rows).

    Args:
        space: the bins.
        whole: all rows.
        keys: what tells each field's bins and counts from all others, for what is kept of them.
        extremes: of how many rows the ends of each field's line are the extremes, (F,).
        effect: the design effect of each field, (F,); None where the reference does not know its days.
        hours: of the week, Monday 0:00 first; empty where the reference does not know them.
        own: how its own hours differ from the same hours of its other weeks; None where it does not know them.
    """

    space: Space
    whole: Sample
    keys: tuple[bytes, ...]
    extremes: Numbers
    effect: Numbers | None
    hours: tuple[Hour, ...]
    own: Null | None

    @classmethod
    def of(
        cls,
        bins: Bins,
        counts: NDArray[np.generic] | None = None,
        days: NDArray[np.generic] | None = None,
        hourly: NDArray[np.generic] | None = None,
        first_hour_of_week: int = 0,
    ) -> Self:
        """Returns the reference of these bins.

        Args:
            bins: of the version.
            counts: flat, (`Bins.size`,); by default those that the bins bring, or the sum of `hourly`.
            days: counts of each of some days, (D, `Bins.size`); not asked when `hourly` tells them.
            hourly: counts of consecutive hours from midnight on, whole days, (H, `Bins.size`).
            first_hour_of_week: of the first of them, Monday 0:00 is 0.

        Raises:
            ValueError: when the hours are no whole days or fewer than four weeks.
        """
        space = Space.of(bins)
        extremes = Sample(space.table(bins.expected), np.empty(0)).numbers
        if hourly is None:
            whole = _sample(space.table(bins.expected if counts is None else counts))
            effect = None if days is None or len(days) < 2 else design_effect(space.table(days))
            return cls(space, whole, _keys(space, whole), extremes, effect, (), None)
        whole_days = len(hourly) % _HOURS_OF_DAY == 0 and first_hour_of_week % _HOURS_OF_DAY == 0
        if not whole_days or len(hourly) < _LEAST_WEEKS * HOURS_OF_WEEK:
            raise ValueError(
                f"hourly ({len(hourly)} hours from hour {first_hour_of_week} of the week): expected whole days, "
                f"{_LEAST_WEEKS} weeks of them at least"
            )
        table = space.table(hourly)
        whole = _sample(table.sum(axis=0) if counts is None else space.table(counts))
        place = (np.arange(len(table)) + first_hour_of_week) % HOURS_OF_WEEK
        week = np.zeros((HOURS_OF_WEEK, *table.shape[1:]))
        np.add.at(week, place, table)
        by_day, by_hour = _effects(table, week, place)
        hours = tuple(Hour(_sample(week[hour]), by_hour[hour]) for hour in range(HOURS_OF_WEEK))
        return cls(space, whole, _keys(space, whole), extremes, by_day, hours, _own(space, table, place, by_hour))


def _effects(table: Numbers, week: Numbers, place: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """Returns the design effect by whole days, (F,), and that of each hour of the week, (168, F).

    Each day and each hour is held against what its own hours of the week lead one to expect. An hour's is the greatest
    of three. What changes slowly shows by days only; what repeats within an hour but is much the same every day, as a
    schedule is, by hours; and one hour of the week may differ from week to week more than others.
    """
    days = (-1, _HOURS_OF_DAY, *table.shape[1:])
    weeks = len(table) / HOURS_OF_WEEK
    rows = table.sum(axis=2, keepdims=True)
    expected = rows * (week / np.maximum(week.sum(axis=2, keepdims=True), 1.0))[place]
    # Each hour is among those that its expectation is the mean of: the rest looks too small by 1 - 1/weeks.
    widened = expected + (table - expected) * np.sqrt(weeks / (weeks - 1))
    by_day = design_effect(widened.reshape(days).sum(axis=1), expected.reshape(days).sum(axis=1))
    least = np.maximum(by_day, design_effect(widened, expected))
    own = [design_effect(table[place == hour]) for hour in range(HOURS_OF_WEEK)]
    return by_day, np.maximum(np.stack(own), least)


def _own(space: Space, table: Numbers, place: NDArray[np.intp], effect: Numbers) -> Null:
    """Returns the null of the reference's own hours, each against the same hours of all its other weeks.

    However they hang together, repeat and change from week to week, a window without drift is one more of them.
    """
    pivots: list[Numbers] = []
    for hour in range(HOURS_OF_WEEK):
        windows = table[place == hour] / effect[hour][:, None]
        others = windows.sum(axis=0) - windows
        measured = measure(space, _sample(others), _sample(windows))
        enough = np.minimum(windows.sum(axis=2), others.sum(axis=2)) >= _LEAST_ROWS
        pivots.append(np.where(enough[:, :, None], np.stack([one.pivot for one in measured.values()], axis=2), np.nan))
    return observed(np.concatenate(pivots), np.maximum(table.mean(axis=0).sum(axis=1) / effect.mean(axis=0), 1.0))


def _sample(counts: Numbers) -> Sample:
    # No value of the reference lies beyond its ends; where a segment's or another's does, how far is not known.
    return Sample(counts, np.full((*counts.shape[:-1], 2), np.nan))


def _keys(space: Space, sample: Sample) -> tuple[bytes, ...]:
    return tuple(
        hashlib.blake2b(counts.tobytes() + widths.tobytes() + used.tobytes(), digest_size=16).digest()
        for counts, widths, used in zip(sample.counts, space.widths, space.used, strict=True)
    )
