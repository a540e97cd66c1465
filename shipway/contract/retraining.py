"""What model.yaml says about retraining: when, within which limits, and what may be done with the result."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["FloorSpec", "ReleaseRule", "RetrainingSpec"]

Seconds = Annotated[float, Field(gt=0)]


class ReleaseRule(StrEnum):
    """What happens with a challenger that passed: a person releases it, or the platform does."""

    PROPOSE = "propose"
    AUTO = "auto"


class FloorSpec(Spec):
    """One bar for every segment of the recent traffic, so that a better average cannot hide a segment given up.

    Args:
        metric: the evaluation metric's name, such as `auc`.
        minimum: the least allowed value.
        maximum: the greatest allowed value.
        champion_tolerance: how much worse than the champion in the same segment it may be, beyond what chance explains.
    """

    metric: Annotated[str, Field(min_length=1)]
    minimum: float | None = None
    maximum: float | None = None
    champion_tolerance: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(bar is None for bar in (self.minimum, self.maximum, self.champion_tolerance)):
            raise ValueError("at least one of minimum, maximum, champion_tolerance")
        return self


class RetrainingSpec(Spec):
    """How a model is trained anew; times are of the wall clock.

    Args:
        release: what happens with a challenger that passed every bar; on a cluster nothing is ever applied from here.
        every_seconds: the schedule, none by default; a verdict of drift or accuracy starts one too.
        on_drift: whether a verdict of drift starts one.
        on_accuracy: whether a verdict of an accuracy drop starts one.
        cool_down_seconds: for how long after the end of one no verdict starts another.
        timeout_seconds: how long the process that trains may take; it is ended then, with all it started.
        memory_mib: how much it may hold in memory, with all it started.
        recent_rows: of the labelled traffic, so many predictions at most are compared on, the newest ones.
        minimum_rows: with fewer labelled predictions nothing is proved, so the champion stays.
        minimum_segment_rows: a segment with fewer is named and not judged.
        floors: bars for each value of each of the model's `segments`; where none is given, every gate with a
            champion_tolerance is one.
        first_retry_seconds: how long after a failure the next try comes; each later one takes twice as long.
        last_retry_seconds: how long at most.
    """

    release: ReleaseRule = ReleaseRule.PROPOSE
    every_seconds: Seconds | None = None
    on_drift: bool = True
    on_accuracy: bool = True
    cool_down_seconds: Annotated[float, Field(ge=0)] = 86_400
    timeout_seconds: Seconds = 3600
    memory_mib: Annotated[int, Field(gt=0)] = 4096
    recent_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    minimum_rows: Annotated[int, Field(ge=1)] = 500
    minimum_segment_rows: Annotated[int, Field(ge=1)] = 200
    floors: tuple[FloorSpec, ...] = ()
    first_retry_seconds: Seconds = 300
    last_retry_seconds: Seconds = 21_600

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.minimum_rows > self.recent_rows:
            raise ValueError(f"recent_rows ({self.recent_rows}) to be at least minimum_rows ({self.minimum_rows})")
        if self.first_retry_seconds > self.last_retry_seconds:
            raise ValueError(
                f"last_retry_seconds ({self.last_retry_seconds:g}) to be at least first_retry_seconds "
                f"({self.first_retry_seconds:g})"
            )
        return self
