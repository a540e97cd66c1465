"""What model.yaml says about drift: windows, alarms and how sure one must be."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = [
    "ALL_ROWS",
    "LABEL",
    "PREDICTION",
    "RELATION",
    "WINDOW_SECONDS",
    "DriftKind",
    "DriftSpan",
    "DriftSpec",
    "DriftStatus",
    "DriftVerdict",
    "WindowName",
]

Ratio = Annotated[float, Field(gt=0, lt=1)]


class WindowName(StrEnum):
    """The windows in which a distribution is looked at: a calendar day, week (from Monday) or month in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


# What is watched beside the inputs, under these names where those of inputs stand.
PREDICTION, LABEL, RELATION = "prediction", "label", "relation"

# The segment of all rows.
ALL_ROWS = ""

# How long a window is; a month, at least.
WINDOW_SECONDS: Mapping[WindowName, int] = {
    WindowName.DAY: 86_400,
    WindowName.WEEK: 604_800,
    WindowName.MONTH: 28 * 86_400,
}


class DriftSpec(Spec):
    """How the distributions of inputs, predictions and labels are watched; the defaults suit someone who tunes nothing.

    Args:
        enabled: whether anything is watched at all.
        windows: which windows are judged.
        false_discovery_ratio: the share of false ones among the fields called drifted in a window, at most.
        persistence_windows: a verdict counts when it is found in `persistence_found` of this many windows in a row.
        persistence_found: see there.
        minimum_rows: with fewer in a window nothing is judged.
        minimum_effective_rows: nor with fewer once rows that repeat each other are counted once, as those of a value
            that changes once an hour.
        w1_limit: the documented preset: normalised Wasserstein-1 beyond this is told in words.
    """

    enabled: bool = True
    windows: Annotated[tuple[WindowName, ...], Field(min_length=1)] = tuple(WindowName)
    false_discovery_ratio: Ratio = 0.05
    persistence_windows: Annotated[int, Field(ge=1, le=10)] = 3
    persistence_found: Annotated[int, Field(ge=1, le=10)] = 2
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    minimum_effective_rows: Annotated[int, Field(ge=1)] = 20
    w1_limit: Annotated[float, Field(gt=0)] = 0.15

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.windows)) != len(self.windows):
            raise ValueError(f"each window once, not {', '.join(self.windows)}")
        if self.persistence_found > self.persistence_windows:
            raise ValueError(
                f"persistence_found ({self.persistence_found}) to be at most "
                f"persistence_windows ({self.persistence_windows})"
            )
        return self


class DriftKind(StrEnum):
    """What may drift: what is asked, what is answered, what turns out to be true, and how that hangs together."""

    INPUT = "input"
    PREDICTION = "prediction"
    LABEL = "label"
    CONCEPT = "concept"


class DriftStatus(StrEnum):
    """What a window says of a field; missing evidence is never stable."""

    STABLE = "stable"
    DRIFTED = "drifted"
    TOO_FEW = "too_few"
    SILENT = "silent"

    @property
    def number(self) -> int:
        """The status as the gauge `shipway_drift_status` shows it."""
        return list(DriftStatus).index(self)


class DriftSpan(Spec):
    """One window: from `start` on, before `end`, ISO 8601 in UTC."""

    name: WindowName
    start: str
    end: str


class DriftVerdict(Spec):
    """One line of `<state>/drift/<model>/verdicts.jsonl`: what one closed window says of one field.

    Args:
        sequence: grows by one a line, per model.
        time: the event time up to which the log was known when the window was judged, ISO 8601.
        model, version: whose; the version is its short digest.
        window: the window.
        kind: what may have drifted.
        segment: `field=value`, empty for all rows.
        feature: the input, or `prediction`, `label`, `relation`.
        statistic: the one that decides, a name of `shipway.drift.statistics.STATISTICS`; for the relation `label_shift`
            or `label_rest`.
        score, low, high: its value, and what it can be given the counts; None where nothing was judged, `high` also
            where the counts give no upper bound.
        threshold: what chance alone stays below; None where nothing was judged.
        p_value: the probability of such a score without drift; None where nothing was judged.
        found: whether this window alone speaks of drift.
        status: what follows with the windows before it.
        importance: the input's share of what the version knows, None for what is no input or has none.
        mean, reference_mean: of the numbers; None where there are none.
        n_reference, n_current: rows.
    """

    sequence: int
    time: str
    model: str
    version: str
    window: DriftSpan
    kind: DriftKind
    segment: str
    feature: str
    statistic: str
    score: float | None
    low: float | None
    high: float | None
    threshold: float | None
    p_value: float | None
    found: bool
    status: DriftStatus
    importance: float | None
    mean: float | None
    reference_mean: float | None
    n_reference: int
    n_current: int
