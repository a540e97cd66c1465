"""Counts by hour of event time, added up to calendar windows as they come; a late row finds its window still there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Length", "Span", "Windows", "hour_of_week", "span"]

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Length(StrEnum):
    """How long a window is; all are cut in UTC, a week begins on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A window: from `start` on, before `end`."""

    start: datetime
    end: datetime


def span(length: Length, at: datetime) -> Span:
    """Returns the calendar window of an instant.

    >>> span(Length.WEEK, datetime(2013, 2, 9, 3, tzinfo=UTC)).start.date().isoformat()
    '2013-02-04'

    Raises:
        ValueError: for a time without an offset.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()}: expected a time with an offset")
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if length is Length.HOUR:
        return Span(hour, hour + _HOUR)
    if length is Length.DAY:
        return Span(day, day + _DAY)
    if length is Length.WEEK:
        monday = day - day.weekday() * _DAY
        return Span(monday, monday + 7 * _DAY)
    first = day.replace(day=1)
    return Span(first, (first + 31 * _DAY).replace(day=1))


def hour_of_week(at: datetime) -> int:
    """Returns the hour of the week in UTC, Monday 0:00 is 0.

    >>> hour_of_week(datetime(2013, 2, 9, 3, 59, tzinfo=UTC))
    123
    """
    start = span(Length.HOUR, at).start
    return start.weekday() * 24 + start.hour


class Windows:
    """The counts of every window that was not forgotten; adding an hour costs four additions, however long they are.

    Args:
        shape: of the counts of one hour.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._sums: dict[tuple[Length, Span], NDArray[np.float64]] = {}

    def add(self, at: datetime, counts: NDArray[np.generic]) -> None:
        """Adds what was counted at an event time, also a late one, to its hour, day, week and month.

        Raises:
            ValueError: for counts of another shape, or a time without an offset.
        """
        if counts.shape != self._shape:
            raise ValueError(f"counts of shape {counts.shape}: expected {self._shape}")
        for length in Length:
            key = length, span(length, at)
            if key not in self._sums:
                self._sums[key] = np.zeros(self._shape)
            self._sums[key] += counts.astype(np.float64)

    def counts(self, length: Length, window: Span) -> NDArray[np.float64]:
        """Returns what was counted in a window; zeros where nothing was."""
        found = self._sums.get((length, window))
        return np.zeros(self._shape) if found is None else found.copy()

    def blocks(self, length: Length, window: Span) -> NDArray[np.float64]:
        """Returns the counts by day, or those of a day by hour: what the design effect is estimated from."""
        part = Length.HOUR if length in (Length.HOUR, Length.DAY) else Length.DAY
        return np.stack([self.counts(part, one) for one in _parts(part, window)])

    def forget(self, before: datetime) -> None:
        """Forgets every window that ended by then: what comes later for one of them would begin it anew."""
        for key in [key for key in self._sums if key[1].end <= before]:
            del self._sums[key]

    def __len__(self) -> int:
        """How many windows are kept."""
        return len(self._sums)


def _parts(length: Length, window: Span) -> Iterator[Span]:
    at = window.start
    while at < window.end:
        part = span(length, at)
        yield part
        at = part.end
