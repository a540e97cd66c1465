"""One feature or prediction of many rows, served beside recomputed: what the comparison says of each row."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.contract.parity import AGREED, SKEWED, ParityOutcome, ParitySpec

__all__ = [
    "Compared",
    "History",
    "Side",
    "compare",
    "counts",
    "is_mistimed",
    "known_by",
    "same",
    "skewed_ratio",
    "was_right",
]

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Outcomes = NDArray[np.str_]

# The online store keeps whole seconds.
CLOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Side:
    """What one side says of a feature, one element a row.

    Args:
        values: NaN where it had none.
        seconds: the value's own time since the epoch, NaN where it has none.
    """

    values: Numbers
    seconds: Numbers


@dataclass(frozen=True)
class History:
    """The values that the offline store ever had for the key of each row, some hours before and after its event.

    Args:
        starts: `starts[i]:starts[i + 1]` are the entries of row i; one longer than there are rows.
        seconds: from when each value was known, growing within a row.
        values: NaN for a null.
    """

    starts: NDArray[np.int64]
    seconds: Numbers
    values: Numbers

    def at(self, moments: Numbers) -> Numbers:
        """Returns the value of each row as it was known at a moment of its own, NaN where nothing was."""
        found = np.full(len(moments), np.nan)
        for row, moment in enumerate(moments.tolist()):
            low, high = self.starts[row], self.starts[row + 1]
            place = int(low) + known_by(self.seconds[low:high], moment) - 1
            if place >= low:
                found[row] = self.values[place]
        return found

    @classmethod
    def empty(cls, rows: int) -> "History":
        """Returns the history of `rows` rows of which nothing is known."""
        return cls(np.zeros(rows + 1, dtype=np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Compared:
    """One feature, row by row.

    Args:
        feature: `view:feature`.
        default: what was served where there was no value.
        event_seconds: when each prediction was asked for.
        served, offline: both sides.
        outcomes: a `ParityOutcome` a row.
        spec: when two values are the same.
        history: what the offline store knew around each event.
    """

    feature: str
    default: float
    event_seconds: Numbers
    served: Side
    offline: Side
    outcomes: Outcomes
    spec: ParitySpec = field(default_factory=ParitySpec)
    history: History = field(default_factory=lambda: History.empty(0))

    @property
    def skewed(self) -> Flags:
        """Where the sides differ beyond the tolerance."""
        return np.isin(self.outcomes, [str(one) for one in SKEWED])


def known_by(seconds: Numbers, moment: float) -> int:
    """Returns how many of some growing times are not after `moment`."""
    found: Any = np.searchsorted(seconds, moment, side="right")
    return int(found)


def same(left: Numbers, right: Numbers, spec: ParitySpec) -> Flags:
    """Returns where two values are the same within the tolerance; a NaN is the same as nothing."""
    with np.errstate(invalid="ignore"):
        allowed = np.maximum(spec.absolute_tolerance, spec.relative_tolerance * np.abs(right))
        return np.abs(left - right) <= allowed


def compare(
    served: Side,
    offline: Side,
    *,
    late: Flags,
    mistimed: Flags,
    stale: Flags,
    unavailable: Flags,
    unknown: Flags,
    spec: ParitySpec,
) -> Outcomes:
    """Returns the outcome of each row.

    Args:
        served, offline: both sides; the served values are NaN where the default was served.
        late: where the served side is what the offline one was a moment ago, see `was_right`.
        mistimed: where a value carries a time that is not its own, see `is_mistimed`.
        stale: where the online store held a value that was too old to be served.
        unavailable: where it did not answer.
        unknown: where there is nothing to compare with.
        spec: when two values are the same.
    """
    found = np.full(len(served.values), str(ParityOutcome.DIFFERENT), dtype="<U16")
    has, had = ~np.isnan(served.values), ~np.isnan(offline.values)
    older = served.seconds < offline.seconds - CLOCK_SECONDS
    for where, outcome in (
        (has & had & older, ParityOutcome.STALE),
        (has & had & late, ParityOutcome.LATE),
        (has & had & same(served.values, offline.values, spec), ParityOutcome.WITHIN_TOLERANCE),
        (has & had & (served.values == offline.values), ParityOutcome.EQUAL),
        (has & had & same(served.values, offline.values, spec) & mistimed, ParityOutcome.MISTIMED),
        (has & ~had, ParityOutcome.MISSING_OFFLINE),
        (~has & had, ParityOutcome.MISSING_ONLINE),
        (~has & had & stale, ParityOutcome.STALE),
        (~has & had & late, ParityOutcome.LATE),
        (~has & ~had, ParityOutcome.DEFAULT),
        (unavailable, ParityOutcome.UNAVAILABLE),
        (unknown, ParityOutcome.UNKNOWN),
    ):
        found[where] = str(outcome)
    return found


def was_right(served: Side, history: History, event_seconds: Numbers, spec: ParitySpec) -> Flags:
    """Returns where the served side is what the offline store said at some moment of the last publication lag.

    A value has to be the offline one of its own time, and to have been replaced only then. Where nothing was served,
    nothing must have been known at some moment: no value at all, or a null.
    """
    lag_seconds = spec.publication_lag_seconds
    found = np.zeros(len(event_seconds), dtype=bool)
    for row, event in enumerate(event_seconds.tolist()):
        low, high = history.starts[row], history.starts[row + 1]
        seconds = history.seconds[low:high]
        if np.isnan(served.values[row]):
            first, last = known_by(seconds, event - lag_seconds) - 1, known_by(seconds, event)
            found[row] = first < 0 or np.isnan(history.values[low + first : low + last]).any()
            continue
        place = known_by(seconds, float(served.seconds[row]) + CLOCK_SECONDS) - 1
        if place < 0 or seconds[place] < served.seconds[row] - CLOCK_SECONDS:
            continue
        replaced = seconds[place + 1] if place + 1 < len(seconds) else np.inf
        own = bool(same(served.values[row : row + 1], history.values[low + place : low + place + 1], spec)[0])
        found[row] = own and event - lag_seconds <= replaced <= event
    return found


def is_mistimed(served: Side, offline: Side, history: History, spec: ParitySpec) -> Flags:
    """Returns where a served value is not the offline one of the time that it carries.

    Judged only where the offline store's past is known as far back as that time.
    """
    found = np.abs(served.seconds - offline.seconds) > CLOCK_SECONDS
    for row in np.flatnonzero(found).tolist():
        low, high = history.starts[row], history.starts[row + 1]
        seconds = history.seconds[low:high]
        near = np.abs(seconds - served.seconds[row]) <= CLOCK_SECONDS
        own = near & same(history.values[low:high], served.values[row], spec)
        found[row] = len(seconds) > 0 and served.seconds[row] >= seconds[0] and not own.any()
    return found


def counts(outcomes: Outcomes) -> dict[ParityOutcome, int]:
    """Returns outcome -> rows, for every outcome that there is."""
    counted: Counter[str] = Counter(map(str, outcomes))
    return {outcome: counted[str(outcome)] for outcome in ParityOutcome}


def skewed_ratio(counted: dict[ParityOutcome, int]) -> float | None:
    """Returns the share of the compared rows that are skewed, None when none could be compared.

    >>> skewed_ratio({ParityOutcome.EQUAL: 3, ParityOutcome.STALE: 1, ParityOutcome.UNKNOWN: 9})
    0.25
    """
    skewed = sum(counted.get(one, 0) for one in SKEWED)
    compared = skewed + sum(counted.get(one, 0) for one in AGREED)
    return skewed / compared if compared else None
