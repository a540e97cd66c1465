"""What one round found: the document that goes from the process that looked to the one that counts."""

from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec
from shipway.contract.parity import ParityOutcome

__all__ = ["Found", "FoundModel"]

Count = Annotated[int, Field(ge=0)]


class FoundModel(Spec):
    """One model's round.

    Args:
        model: its name.
        rows: feature -> outcome -> rows that were ever looked at; each feature is there, also without any. None of this
            when what is kept cannot be had.
        failures: comparisons that could not be made.
        waiting: sampled predictions that wait.
        dropped: sampled predictions for which there was no room.
    """

    model: str
    rows: dict[str, dict[ParityOutcome, Count]]
    failures: Count
    waiting: Count
    dropped: Count


class Found(Spec):
    """All models' round."""

    models: tuple[FoundModel, ...]
