"""What model.yaml says about answering requests: limits of one request, the features it reads, the fallback chain."""

import math
from enum import StrEnum
from typing import Annotated, Self, cast

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["CacheKey", "CircuitSpec", "FallbackSource", "FeatureRead", "FeaturesSpec", "ServingRuntime", "ServingSpec"]


# What parsing a body and writing an answer take at most, of a request of a megabyte.
_WRITING_SECONDS = 0.25


class FallbackSource(StrEnum):
    """Where an answer may come from when the model itself has none."""

    PREVIOUS = "previous"
    CACHED = "cached"
    CONSTANT = "constant"


class CacheKey(StrEnum):
    """What makes two requests the same to the fallback `cached`: all of the row, or whom it is about."""

    ROW = "row"
    UNIT = "unit"


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


class CircuitSpec(Spec):
    """When the feature store is left alone for a while, because it fails.

    Args:
        consecutive_failures: so many failed reads in a row open the circuit.
        window_reads: over so many reads at the end the ratio is taken.
        failure_ratio: this share of them failed opens it too.
        open_seconds: how long the store is not asked; then one read tries it, and decides.
    """

    consecutive_failures: Annotated[int, Field(gt=0, le=1000)] = 5
    window_reads: Annotated[int, Field(gt=1, le=1000)] = 20
    failure_ratio: Annotated[float, Field(gt=0, le=1)] = 0.5
    open_seconds: Annotated[float, Field(gt=0)] = 5

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.consecutive_failures > self.window_reads:
            raise ValueError(
                f"consecutive_failures ({self.consecutive_failures}) to be at most window_reads "
                f"({self.window_reads}): a window of nothing but failures opens the circuit in any case"
            )
        return self


class FeaturesSpec(Spec):
    """What the model reads from the feature store, and what a request may cost there.

    Args:
        reads: the features.
        timeout_seconds: how long a request may wait for them, a second try included.
        max_concurrency: so many reads are in the store at the same time, whatever the model's own limit is; when all
            of them hang, later requests get defaults at once.
        retry_ratio: for so large a share of the requests a read that failed is tried once more; 0 for never. A store
            that is down is asked at most so much oftener than there are requests.
        circuit: when the store is not asked at all.
    """

    reads: tuple[FeatureRead, ...] = ()
    timeout_seconds: Annotated[float, Field(gt=0)] = 0.25
    max_concurrency: Annotated[int, Field(gt=0, le=256)] = 4
    retry_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    circuit: CircuitSpec = CircuitSpec()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [read.name for read in self.reads]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each feature once, not {', '.join(doubles)} twice")
        return self


class ServingRuntime(StrEnum):
    """What hosts a model; both answer the same, and both are one process."""

    BENTOML = "bentoml"
    DIRECT = "direct"


class ServingSpec(Spec):
    """Limits of one request and what answers when the model cannot.

    Args:
        timeout_seconds: how long the model may take.
        max_concurrency: so many requests may be in the model; the next one is told to come again.
        max_body_bytes: the largest body.
        fallback: who answers in the model's place, in this order.
        fallback_constant: what `constant` answers.
        previous_timeout_seconds: how long `previous`, the version before, may take.
        cached_max_age_seconds: up to which age `cached` repeats the last good answer.
        cached_max_entries: so many answers are kept, the one given longest ago leaves first; about 260 bytes each.
        cached_by: what makes two requests the same; `unit` knows requests of one row with a unit id.
        dead_letter_max_mib: so large may the file of unanswered requests grow, for each slot; the older half leaves.
        runtime: `bentoml`, or `direct`, which is leaner: the same contract without BentoML around it.
    """

    timeout_seconds: Annotated[float, Field(gt=0)] = 10
    max_concurrency: Annotated[int, Field(gt=0)] = 32
    max_body_bytes: Annotated[int, Field(gt=0)] = 1_048_576
    fallback: tuple[FallbackSource, ...] = ()
    fallback_constant: float | None = None
    previous_timeout_seconds: Annotated[float, Field(gt=0)] = 1
    cached_max_age_seconds: Annotated[float, Field(gt=0)] | None = None
    cached_max_entries: Annotated[int, Field(gt=0, le=1_000_000)] = 10_000
    cached_by: CacheKey = CacheKey.ROW
    dead_letter_max_mib: Annotated[int, Field(gt=0, le=4096)] = 16
    runtime: ServingRuntime = ServingRuntime.BENTOML

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        shown = ", ".join(self.fallback) or "none"
        if (FallbackSource.CONSTANT in self.fallback) != (self.fallback_constant is not None):
            raise ValueError(
                f"fallback ({shown}) to agree with fallback_constant ({self.fallback_constant}): "
                "a constant is named exactly when the chain ends in one"
            )
        if (FallbackSource.CACHED in self.fallback) != (self.cached_max_age_seconds is not None):
            raise ValueError(
                f"fallback ({shown}) to agree with cached_max_age_seconds ({self.cached_max_age_seconds}): "
                "an age is named exactly when old answers may be repeated"
            )
        if len(set(self.fallback)) != len(self.fallback):
            raise ValueError(f"each source once, not {shown}")
        if FallbackSource.CONSTANT in self.fallback[:-1]:
            raise ValueError(f"constant at the end of fallback ({shown}): what follows it is never asked")
        return self

    def answer_seconds(self, features: FeaturesSpec) -> float:
        """Returns how long a request may take until its answer is there, the fallback included, in whole seconds.

        Whoever waits for an answer has to wait so long: a gateway that gives up sooner never sees the fallback.
        """
        previous = self.previous_timeout_seconds if FallbackSource.PREVIOUS in self.fallback else 0.0
        reading = features.timeout_seconds if features.reads else 0.0
        return float(math.ceil(reading + self.timeout_seconds + previous + _WRITING_SECONDS))
