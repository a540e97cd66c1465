"""What happens next to a model's rollout: pure functions from what is declared, served and ready to the next state.

Three laws hold in every function here: what is not ready never takes traffic, a candidate takes none before it is
promoted, and a rollback goes only to a version that served before, is still in place and is ready now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import Phase, RolloutState, RouteSpec

__all__ = ["Action", "Readiness", "Refusal", "Step", "observe", "promote", "rollback"]


_NO_CANDIDATE: dict[str, Any] = {
    "candidate": None,
    "candidate_digest": "",
    "phase": Phase.SETTLED,
    "weight_percent": 0,
}


class Action(StrEnum):
    """What a step did, as the ledger calls it."""

    NONE = "none"
    WAITING = "waiting"
    FIRST_LIVE = "first_live"
    CANDIDATE = "candidate"
    CANDIDATE_GONE = "candidate_gone"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Readiness:
    """Why each slot is not ready, in one sentence; a slot that is not named is ready."""

    problems: Mapping[Slot, str]

    def problem(self, slot: Slot) -> str:
        """Returns why `slot` is not ready, empty when it is."""
        return self.problems.get(slot, "")


@dataclass(frozen=True)
class Step:
    """The next state, what was done to get there, and one sentence for a person; `NONE` changes nothing."""

    state: RolloutState
    action: Action
    sentence: str


@dataclass(frozen=True)
class Refusal:
    """A request that is not carried out, and why, in one sentence.

    Args:
        sentence: for the person who asked.
        passing: whether the same request may be granted soon, as when a slot is still loading its model.
    """

    sentence: str
    passing: bool = False


def observe(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step:
    """Returns the step that what is declared and ready asks for by itself.

    The first version to be ready goes live at 100 %. After that a new digest in the idle slot becomes a candidate with
    no traffic; a digest that was rolled back stays so, however often it is declared again.
    """
    if state.live is None:
        return _first(spec, state, ready)
    idle = state.live.other
    digest = spec.endpoint(idle).digest
    if digest == state.candidate_digest:
        return Step(state, Action.NONE, "nothing new is declared")
    # The live digest once more, or the version live came from, is no candidate: both are proved already.
    if digest in ("", state.live_digest, state.previous_digest):
        if state.candidate is None:
            return Step(state, Action.NONE, "nothing new is declared")
        gone = short_digest(state.candidate_digest)
        return Step(_next(state, **_NO_CANDIDATE), Action.CANDIDATE_GONE, f"{gone} was taken out of {idle}")
    following = _next(state, candidate=idle, candidate_digest=digest, phase=Phase.PREPARING, weight_percent=0)
    return Step(following, Action.CANDIDATE, f"{short_digest(digest)} is in {idle}, with no traffic yet")


def _first(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step:
    filled = [slot for slot in Slot if spec.endpoint(slot).digest]
    # A stack built anew from release files starts with the version that was promoted last, not with its successor.
    hint = spec.live_hint
    order = [hint] if hint is not None and hint in filled else filled
    for slot in order:
        if not ready.problem(slot):
            digest = spec.endpoint(slot).digest
            following = RolloutState(live=slot, live_digest=digest, generation=state.generation + 1)
            return Step(following, Action.FIRST_LIVE, f"{short_digest(digest)} in {slot} is the first version live")
    waiting = spec.endpoint(order[0]).digest if order else ""
    if waiting == state.candidate_digest:
        return Step(state, Action.NONE, "no slot is ready yet")
    if not order:
        return Step(
            _next(state, **_NO_CANDIDATE), Action.CANDIDATE_GONE, "the only version was taken out before it was ready"
        )
    following = _next(state, candidate=order[0], candidate_digest=waiting, phase=Phase.PREPARING)
    return Step(following, Action.WAITING, f"{short_digest(waiting)} in {order[0]} is the first version, not ready yet")


def promote(spec: RouteSpec, state: RolloutState, ready: Readiness, *, retry: bool = False) -> Step | Refusal:
    """Returns the step that gives the candidate all traffic, or why it gets none.

    Args:
        spec: what is declared.
        state: the rollout state after `observe`.
        ready: which slots are ready now.
        retry: promote a digest although it was rolled back before.
    """
    model = spec.model
    if state.live is None:
        return Refusal(f"{model} has no live version: the first one goes live by itself; {_waits(spec, ready)}")
    idle, candidate = state.live.other, short_digest(state.candidate_digest)
    if state.candidate is None:
        if state.previous_digest:
            return Step(state, Action.NONE, f"{short_digest(state.live_digest)} is already live in {state.live}")
        return Refusal(
            f"{model} has no candidate: {state.live} is live with {short_digest(state.live_digest)} and {idle} holds "
            "nothing new; `shipway release` puts a digest there and `pulumi up` starts it"
        )
    if state.phase is Phase.ROLLED_BACK and not retry:
        return Refusal(f"{candidate} in {idle} was rolled back; release another digest, or promote with --retry")
    if problem := ready.problem(idle):
        return Refusal(f"{candidate} in {idle} is not ready: {problem}", passing=True)
    promoted = {"live": idle, "live_digest": state.candidate_digest, "previous_digest": state.live_digest}
    following = _next(state, **_NO_CANDIDATE, **promoted)
    return Step(following, Action.PROMOTED, f"{candidate} in {idle} takes 100 % of the traffic")


def rollback(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step | Refusal:
    """Returns the step back: from a candidate to live, or from live to the version before it; or why there is none.

    Args:
        spec: what is declared.
        state: the rollout state after `observe`.
        ready: which slots are ready now.
    """
    if state.live is None:
        return Refusal(f"{spec.model} has no live version, so there is nothing to go back from; {_waits(spec, ready)}")
    idle, live = state.live.other, short_digest(state.live_digest)
    if state.candidate is not None:
        candidate = short_digest(state.candidate_digest)
        if state.phase is Phase.ROLLED_BACK:
            return Step(state, Action.NONE, f"{candidate} is already rolled back; {live} in {state.live} is live")
        following = _next(state, phase=Phase.ROLLED_BACK, weight_percent=0)
        return Step(following, Action.ROLLED_BACK, f"{candidate} in {idle} gets no traffic; {live} stays live")
    previous, held = short_digest(state.previous_digest), spec.endpoint(idle).digest
    if not state.previous_digest:
        return Refusal(f"{spec.model} was never promoted: {live} in {state.live} is the only version that ever served")
    if held != state.previous_digest:
        holds = short_digest(held) or "nothing"
        return Refusal(f"the version before {live}, {previous}, is no longer in {idle}: it holds {holds}")
    if problem := ready.problem(idle):
        return Refusal(f"the version before {live}, {previous} in {idle}, is not ready: {problem}")
    following = _next(
        state,
        live=idle,
        live_digest=state.previous_digest,
        candidate=state.live,
        candidate_digest=state.live_digest,
        previous_digest="",
        phase=Phase.ROLLED_BACK,
        weight_percent=0,
    )
    return Step(following, Action.ROLLED_BACK, f"{previous} in {idle} takes 100 % of the traffic back from {live}")


def _waits(spec: RouteSpec, ready: Readiness) -> str:
    problems = [f"{slot}: {ready.problem(slot)}" for slot in Slot if spec.endpoint(slot).digest and ready.problem(slot)]
    return "; ".join(problems) or "nothing was released yet"


def _next(state: RolloutState, **changes: Any) -> RolloutState:
    return RolloutState.model_validate(state.model_dump() | changes | {"generation": state.generation + 1})
