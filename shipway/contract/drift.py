"""What model.yaml says about drift: windows, alarms and how sure one must be."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["WINDOW_SECONDS", "DriftSpec", "WindowName"]

Ratio = Annotated[float, Field(gt=0, lt=1)]


class WindowName(StrEnum):
    """The windows in which a distribution is looked at: a calendar day, week (from Monday) or month in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


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
