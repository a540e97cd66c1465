"""What model.yaml says about parity: how far a served feature may lie from the one that training would have seen."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec

__all__ = ["ParitySpec"]


class ParitySpec(Spec):
    """When a served value counts as the same as the offline one.

    Args:
        absolute_tolerance, relative_tolerance: a value within either is the same.
        sample_ratio: the share of the logged predictions that are compared live.
    """

    absolute_tolerance: Annotated[float, Field(ge=0)] = 1e-9
    relative_tolerance: Annotated[float, Field(ge=0)] = 1e-6
    sample_ratio: Annotated[float, Field(gt=0, le=1)] = 0.1
