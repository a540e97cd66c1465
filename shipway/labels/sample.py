"""A uniform sample of a model's predictions with their labels, by day of event time, in memory that is bounded.

A prediction belongs to the sample of its day when the 64 bits that stand for its id are below a limit; so does its
label, whenever it comes and whichever is read first. While a day has few predictions the limit lets all of them in, and
each time the day would outgrow its room the limit is halved. What is in does not depend on what is right, nor on order,
batches or repetition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shipway.labels.recent import Entry, Recent

__all__ = ["DAY_RECORDS", "DAY_SECONDS", "Batch", "Drawn", "Sample"]

DAY_SECONDS = 86_400
# Of a day's predictions so many are remembered at most, of 40 bytes each: 640 KiB.
DAY_RECORDS = 16_384
# Labels that came before their prediction: what is written in another order than it happened.
_WAITING_LABELS = 20_000
# A field of more values than this has a text in each request, and no segments.
_MOST_VALUES = 256
_OTHER = 65_535

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Codes = NDArray[np.uint16]


class Batch(NamedTuple):
    """Predictions that were read together.

    Args:
        keys: 64 bits that stand for each id.
        predictions: finite.
        seconds: of the event, since the epoch.
        versions: short digests.
        values: for each segment field, what each request said.
    """

    keys: Keys
    predictions: Floats
    seconds: Floats
    versions: Sequence[str]
    values: Sequence[Sequence[str]]


class Drawn(NamedTuple):
    """The sample of some days, all of them at the rate of the rarest: uniform over all of their predictions.

    Args:
        predictions, labels: a label that has not come is NaN.
        seconds: of the event, since the epoch.
        versions: places in `Sample.versions`.
        segments: one column a field; places in `Sample.values` of that field, `_OTHER` for what is none of them.
        level: one in 2 to the power of this many predictions is in it.
    """

    predictions: Floats
    labels: Floats
    seconds: Floats
    versions: Codes
    segments: Codes
    level: int


@dataclass
class _Day:
    keys: Keys
    predictions: Floats
    labels: Floats
    seconds: Floats
    versions: Codes
    segments: Codes
    level: int = 0

    def only(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "_Day":
        """Returns those that `which` says, in its order."""
        return _Day(*(column[which] for column in self._columns()), level=self.level)

    def with_more(self, other: "_Day") -> "_Day":
        """Returns both together, by key."""
        pairs = zip(self._columns(), other._columns(), strict=True)
        both = _Day(*(np.concatenate(pair) for pair in pairs), level=self.level)
        return both.only(np.argsort(both.keys, kind="stable"))

    def join(self, keys: Keys, labels: Floats) -> NDArray[np.bool_]:
        """Returns which of some labels are of predictions of this day; those that had none have it now."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=bool)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        found = self.keys[places] == keys
        fresh = found & np.isnan(self.labels[places])
        # Of two in one batch the first is written last.
        self.labels[places[fresh][::-1]] = labels[fresh][::-1]
        return found

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.keys, self.predictions, self.labels, self.seconds, self.versions, self.segments


class Sample:
    """Of one model.

    Args:
        fields: the request fields whose values make segments.
        days_kept: the newest day and so many before it are remembered.
        day_records: how many predictions of a day at most.
    """

    def __init__(self, fields: Sequence[str], days_kept: int, day_records: int = DAY_RECORDS) -> None:
        self._fields, self._days_kept, self._day_records = tuple(fields), days_kept, day_records
        self._days: dict[int, _Day] = {}
        self._waiting = Recent(_WAITING_LABELS)
        self.versions: list[str] = []
        self.values: list[list[str]] = [[] for _ in fields]
        # Of the event times, the newest; 0 before there is one.
        self.newest_seconds = 0.0

    @property
    def days(self) -> list[int]:
        """The days that are remembered, as days since the epoch, oldest first."""
        return sorted(self._days)

    def wants(self, keys: Keys, seconds: Floats) -> NDArray[np.bool_]:
        """Returns which of some predictions may be in the sample, so that only those are looked at closely."""
        days = np.floor_divide(seconds, DAY_SECONDS).astype(np.int64)
        wanted = days > max(self._days, default=int(days.max(initial=0))) - self._days_kept
        for day in np.unique(days[wanted]):
            if int(day) in self._days:
                wanted &= (days != day) | (keys <= _limit(self._days[int(day)].level))
        return wanted

    def add_predictions(self, batch: Batch) -> None:
        """Takes predictions; each may have been taken before."""
        if not len(batch.keys):
            return
        self.newest_seconds = max(self.newest_seconds, float(batch.seconds.max()))
        days = np.floor_divide(batch.seconds, DAY_SECONDS).astype(np.int64)
        versions = np.array([_place(self.versions, one, 2**16 - 1) for one in batch.versions], dtype=np.uint16)
        columns = [
            [_place(known, one, _MOST_VALUES) for one in column]
            for known, column in zip(self.values, batch.values, strict=True)
        ]
        segments = np.array(columns, dtype=np.uint16).reshape(len(self._fields), len(batch.keys)).T
        for day in (int(one) for one in np.unique(days)):
            mine = days == day
            self._add(
                day,
                _Day(
                    batch.keys[mine],
                    batch.predictions[mine],
                    np.full(int(mine.sum()), np.nan),
                    batch.seconds[mine],
                    versions[mine],
                    segments[mine],
                ),
            )
        for old in [day for day in self._days if day <= max(self._days) - self._days_kept]:
            del self._days[old]

    def begin_again(self) -> None:
        """Forgets all predictions; labels whose prediction was not known yet go on waiting for it."""
        self._days.clear()
        self.versions, self.values, self.newest_seconds = [], [[] for _ in self._fields], 0.0

    def add_labels(self, keys: Keys, labels: Floats) -> None:
        """Takes labels; of two for one prediction the first counts, and one whose prediction is not known yet waits."""
        found = np.zeros(len(keys), dtype=bool)
        for day in self._days.values():
            found |= day.join(keys, labels)
        least = min((day.level for day in self._days.values()), default=0)
        for key, label in zip(keys[~found], labels[~found], strict=True):
            if key <= _limit(least):
                self._waiting.add(int(key), Entry(0, float(label), used=False))

    def drawn(self, first_day: int, last_day: int) -> Drawn:
        """Returns the sample of the days from `first_day` to `last_day`, both included."""
        none, codes = np.empty(0), np.empty(0, np.uint16)
        segments = np.empty((0, len(self._fields)), np.uint16)
        found = _Day(np.empty(0, np.uint64), none, none, none, codes, segments)
        days = [self._days[day] for day in self.days if first_day <= day <= last_day]
        level = max((day.level for day in days), default=0)
        for day in days:
            found = found.with_more(day.only(day.keys <= _limit(level)))
        return Drawn(found.predictions, found.labels, found.seconds, found.versions, found.segments, level)

    def _add(self, day: int, new: _Day) -> None:
        _, first = np.unique(new.keys, return_index=True)
        new = new.only(first)
        here = self._days.get(day)
        if here is not None:
            new = new.only(~np.isin(new.keys, here.keys) & (new.keys <= _limit(here.level)))
        for place, key in enumerate(new.keys.tolist()):
            waiting = self._waiting.get(key)
            if waiting is not None:
                self._waiting.use(key)
                new.labels[place] = waiting.value
        if here is not None:
            new = here.with_more(new)
        while len(new.keys) > self._day_records:
            new.level += 1
            new = new.only(new.keys <= _limit(new.level))
        self._days[day] = new


def _limit(level: int) -> np.uint64:
    """Returns the greatest key that is in: half of them all at level 1."""
    return np.uint64(2 ** (64 - level) - 1)


def _place(known: list[str], value: str, most: int) -> int:
    """Returns where `value` is among what is known, which grows to `most`; `_OTHER` for what finds no room."""
    try:
        return known.index(value)
    except ValueError:
        if len(known) >= most:
            return _OTHER
        known.append(value)
        return len(known) - 1
