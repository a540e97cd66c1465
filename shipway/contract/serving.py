"""What model.yaml says about answering requests: limits of one request, the features it reads, the fallback chain."""

from enum import StrEnum
from typing import Annotated, Self, cast

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["FallbackSource", "FeatureRead", "FeaturesSpec", "ServingSpec"]


class FallbackSource(StrEnum):
    """Where an answer may come from when the model itself has none."""

    CONSTANT = "constant"


class FeatureRead(Spec):
    """One feature read from the store: what to use when it is missing, and how old it may be.

    Args:
        name: `view:feature`, as the feature store knows it.
        default: the value served, and counted, when the feature is missing or stale.
        ttl_seconds: the greatest age at which the value still counts as fresh.
        freshness_slo_seconds: how old the served values may typically be before somebody is told; half of the ttl by
            default, for then there is as much time again before requests get the default value.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*:[a-z][a-z0-9_]*$")]
    default: float
    ttl_seconds: Annotated[float, Field(gt=0)]
    freshness_slo_seconds: Annotated[float, Field(gt=0)]

    @model_validator(mode="before")
    @classmethod
    def _with_objective(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        written = cast(dict[str, object], value)
        ttl = written.get("ttl_seconds")
        if "freshness_slo_seconds" in written or not isinstance(ttl, int | float):
            return written
        return written | {"freshness_slo_seconds": ttl / 2}

    @model_validator(mode="after")
    def _told_in_time(self) -> Self:
        if self.freshness_slo_seconds > self.ttl_seconds:
            raise ValueError(
                f"freshness_slo_seconds ({self.freshness_slo_seconds:g}) to be at most ttl_seconds "
                f"({self.ttl_seconds:g}): an older value is not served"
            )
        return self


class FeaturesSpec(Spec):
    """What the model reads from the feature store, and how long a request may wait for it."""

    reads: tuple[FeatureRead, ...] = ()
    timeout_seconds: Annotated[float, Field(gt=0)] = 0.25

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [read.name for read in self.reads]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each feature once, not {', '.join(doubles)} twice")
        return self


class ServingSpec(Spec):
    """Limits of one request and what answers when the model cannot."""

    timeout_seconds: Annotated[float, Field(gt=0)] = 10
    max_concurrency: Annotated[int, Field(gt=0)] = 32
    max_body_bytes: Annotated[int, Field(gt=0)] = 1_048_576
    fallback: tuple[FallbackSource, ...] = ()
    fallback_constant: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (FallbackSource.CONSTANT in self.fallback) != (self.fallback_constant is not None):
            raise ValueError(
                f"fallback {[*self.fallback]} to agree with fallback_constant ({self.fallback_constant}): "
                "a constant is named exactly when the chain ends in one"
            )
        return self
