"""What model.yaml says about parity: how far a served feature may lie from the one that training would have seen."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["AGREED", "SKEWED", "ParityOutcome", "ParitySpec"]


class ParityOutcome(StrEnum):
    """How one served value compares with the one that training would have seen."""

    EQUAL = "equal"
    WITHIN_TOLERANCE = "within_tolerance"
    # Neither side had a value, so both use the declared default.
    DEFAULT = "default"
    # What was right a moment ago: values take a while into the online store.
    LATE = "late"
    DIFFERENT = "different"
    # Another value, and an older one than the offline store had for that moment.
    STALE = "stale"
    # The same value, under a time at which the offline store has no such value.
    MISTIMED = "mistimed"
    # The offline store had a value, and the default was served.
    MISSING_ONLINE = "missing_online"
    # A value was served, and the offline store had none.
    MISSING_OFFLINE = "missing_offline"
    # The online store did not answer in time: that says nothing of what it holds.
    UNAVAILABLE = "unavailable"
    # There is nothing to compare with: the offline store does not reach so far, or the key is hashed in the log.
    UNKNOWN = "unknown"


AGREED = frozenset({ParityOutcome.EQUAL, ParityOutcome.WITHIN_TOLERANCE, ParityOutcome.DEFAULT, ParityOutcome.LATE})
SKEWED = frozenset(
    {
        ParityOutcome.DIFFERENT,
        ParityOutcome.STALE,
        ParityOutcome.MISTIMED,
        ParityOutcome.MISSING_ONLINE,
        ParityOutcome.MISSING_OFFLINE,
    }
)


class ParitySpec(Spec):
    """When a served value counts as the same as the offline one.

    How many may differ is said where alerts are tuned, by `parity_difference_ratio`.

    Args:
        enabled: whether the worker compares what is logged; switched off where it can never be decided.
        absolute_tolerance, relative_tolerance: a value within either is the same.
        publication_lag_seconds: how long a value may take into the online store: one that was right so long before the
            event is late and no skew.
        sample_ratio: the share of the logged predictions that are compared live.
        offline_delay_seconds: how long after its event time a prediction is compared live: by then the offline store
            holds what was known at that time.
    """

    enabled: bool = True
    absolute_tolerance: Annotated[float, Field(ge=0)] = 1e-9
    relative_tolerance: Annotated[float, Field(ge=0)] = 1e-6
    publication_lag_seconds: Annotated[float, Field(ge=0)] = 300
    sample_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
    offline_delay_seconds: Annotated[float, Field(ge=0)] = 3600
