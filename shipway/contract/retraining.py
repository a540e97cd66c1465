"""What model.yaml says about retraining: when, within which limits, and what may be done with the result."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["ReleaseRule", "RetrainingSpec"]


class ReleaseRule(StrEnum):
    """What happens with a challenger that passed: a person releases it, or the platform does."""

    PROPOSE = "propose"
    AUTO = "auto"


class RetrainingSpec(Spec):
    """How a model is trained anew.

    Args:
        release: what happens with a challenger that passed every gate.
        every_seconds: the schedule, none by default; a verdict of drift or accuracy starts one too.
        timeout_seconds, memory_mib: limits of the process that trains.
    """

    release: ReleaseRule = ReleaseRule.PROPOSE
    every_seconds: Annotated[float, Field(gt=0)] | None = None
    timeout_seconds: Annotated[float, Field(gt=0)] = 3600
    memory_mib: Annotated[int, Field(gt=0)] = 4096
