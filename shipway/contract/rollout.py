"""One look at a rollout as people read it: what the controller saw, what each gate said, and what it did."""

from enum import StrEnum

from pydantic import Field

from shipway.contract.documents import Spec
from shipway.contract.evidence import Verdict
from shipway.contract.metrics import Slot
from shipway.contract.release import Digest, MaybeDigest

__all__ = ["Look", "Move"]


class Move(StrEnum):
    """What a look does to the weight."""

    HOLD = "hold"
    ADVANCE = "advance"
    PROMOTE = "promote"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"
    FAIL = "fail"
    SETTLE = "settle"


class Look(Spec):
    """One line of the history, and what the control socket answers for a model.

    Args:
        time: when, in UTC, ISO 8601.
        model: whose.
        rollout: the rollout's number, which grows with each candidate.
        phase: preparing, stepping, paused or guarding.
        candidate: the slot that is judged; after its promotion it is the live one.
        candidate_digest, live_digest: what is judged, and against what; empty when there is nothing to compare with.
        step_index: which of `steps_percent`.
        weight_percent: the candidate's share of the traffic after this look.
        step_elapsed_seconds: since the step, the preparation or the guard began.
        move: what was done.
        sentence: why, or what it waits for.
        verdicts: what every gate said; those of the harm budget hold the counts of the step.
    """

    time: str
    model: str
    rollout: int
    phase: str
    candidate: Slot
    candidate_digest: Digest
    live_digest: MaybeDigest
    step_index: int
    weight_percent: int
    step_elapsed_seconds: float
    move: Move
    sentence: str
    verdicts: tuple[Verdict, ...] = Field(default_factory=tuple)
