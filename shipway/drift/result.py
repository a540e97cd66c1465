"""What is said of one field in one window."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DriftResult", "Status"]


class Status(StrEnum):
    """What a window says of a field; only STABLE is good news, and it is never said for lack of rows."""

    STABLE = "stable"
    """Enough rows, and no drift that persists."""
    DRIFTED = "drifted"
    """Beyond what chance does, in as many of the last windows as the specification asks."""
    TOO_FEW = "too_few"
    """Fewer rows than one judges with: nothing is known."""
    SILENT = "silent"
    """No row at all: an alarm of its own."""


@dataclass(frozen=True, slots=True)
class DriftResult:
    """One statistic of one field over one window, against the reference.

    Args:
        feature: the field, feature (`view:feature`) or `prediction`.
        statistic: a name in `shipway.drift.statistics.STATISTICS`.
        score: its value from the counts, in `unit`; None where nothing was judged.
        low, high: what the value on raw rows can be, given the counts; both the score where the counts say all,
            None where nothing was judged. `high` is infinite where the counts give no upper bound.
        unit: of score, low, high and threshold.
        threshold: the score that a window of this size exceeds by chance with the level's probability; None where
            nothing was judged.
        p_value: the probability of such a score or a greater one without drift; None where nothing was judged.
        found: whether this window alone, false discoveries over all fields held down, speaks of drift.
        status: what follows once the windows before it are heard too.
        n_reference, n_current: rows, nulls included.
    """

    feature: str
    statistic: str
    score: float | None
    low: float | None
    high: float | None
    unit: str
    threshold: float | None
    p_value: float | None
    found: bool
    status: Status
    n_reference: int
    n_current: int
