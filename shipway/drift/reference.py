"""What a window is compared with: the reference's counts, how much they vary by day, and the same hours of the week."""

import hashlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shipway.drift.bins import Bins
from shipway.drift.calibration import design_effect
from shipway.drift.space import Sample, Space

__all__ = ["HOURS_OF_WEEK", "Hour", "Reference"]

Numbers = NDArray[np.float64]
HOURS_OF_WEEK = 168
_HOURS_OF_DAY = 24


@dataclass(frozen=True, eq=False)
class Hour:
    """One hour of the week: its rows, what tells them from all others, and the design effect of a window, (F,)."""

    sample: Sample
    keys: tuple[bytes, ...]
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
    """

    space: Space
    whole: Sample
    keys: tuple[bytes, ...]
    extremes: Numbers
    effect: Numbers | None
    hours: tuple[Hour, ...]

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
            ValueError: when the hours are no whole days.
        """
        space = Space.of(bins)
        extremes = Sample(space.table(bins.expected), np.empty(0)).numbers
        if hourly is None:
            whole = _sample(space.table(bins.expected if counts is None else counts))
            effect = None if days is None or len(days) < 2 else design_effect(space.table(days))
            return cls(space, whole, _keys(space, whole), extremes, effect, ())
        if len(hourly) == 0 or len(hourly) % _HOURS_OF_DAY or first_hour_of_week % _HOURS_OF_DAY:
            raise ValueError(
                f"hourly ({len(hourly)} hours from hour {first_hour_of_week} of the week): expected whole days"
            )
        table = space.table(hourly)
        whole = _sample(table.sum(axis=0) if counts is None else space.table(counts))
        place = (np.arange(len(table)) + first_hour_of_week) % HOURS_OF_WEEK
        week = np.zeros((HOURS_OF_WEEK, *table.shape[1:]))
        np.add.at(week, place, table)
        by_day, by_hour = _effects(table, week, place)
        hours = tuple(
            Hour(sample := _sample(week[hour]), _keys(space, sample), by_hour[hour]) for hour in range(HOURS_OF_WEEK)
        )
        return cls(space, whole, _keys(space, whole), extremes, by_day, hours)


def _effects(table: Numbers, week: Numbers, place: NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """Returns the design effect by whole days, (F,), and that of each hour of the week, (168, F).

    Each day and each hour is held against what its own hours of the week lead one to expect. An hour's is the greatest
    of three. What changes slowly shows by days only; what repeats within an hour but is much the same every day, as a
    schedule is, by hours; and one hour of the week may differ from week to week more than others.
    """
    days = (-1, _HOURS_OF_DAY, *table.shape[1:])
    weeks = len(table) / HOURS_OF_WEEK
    if weeks < 2:
        by_day = design_effect(table.reshape(days).sum(axis=1))
        return by_day, np.tile(np.maximum(by_day, design_effect(table)), (HOURS_OF_WEEK, 1))
    rows = table.sum(axis=2, keepdims=True)
    expected = rows * (week / np.maximum(week.sum(axis=2, keepdims=True), 1.0))[place]
    # Each hour is among those that its expectation is the mean of: the rest looks too small by 1 - 1/weeks.
    widened = expected + (table - expected) * np.sqrt(weeks / (weeks - 1))
    by_day = design_effect(widened.reshape(days).sum(axis=1), expected.reshape(days).sum(axis=1))
    least = np.maximum(by_day, design_effect(widened, expected))
    own = [design_effect(table[place == hour]) for hour in range(HOURS_OF_WEEK)]
    return by_day, np.maximum(np.stack(own), least)


def _sample(counts: Numbers) -> Sample:
    # No value of the reference lies beyond its ends; where a segment's or another's does, how far is not known.
    return Sample(counts, np.full((*counts.shape[:-1], 2), np.nan))


def _keys(space: Space, sample: Sample) -> tuple[bytes, ...]:
    return tuple(
        hashlib.blake2b(counts.tobytes() + widths.tobytes() + used.tobytes(), digest_size=16).digest()
        for counts, widths, used in zip(sample.counts, space.widths, space.used, strict=True)
    )
