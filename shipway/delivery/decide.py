"""What a declaration or a person's request makes of a model's rollout: pure functions to the next state.

Three laws hold in every function here: what is not ready never takes traffic, a candidate takes none before its
rollout begins, and a rollback goes only to a version that served before, is still in place and is ready now.
What evidence makes of it is in `judge`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shipway.contract.evidence import Pause
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery.evidence import guard, steps
from shipway.delivery.evidence.gate import Rules

__all__ = [
    "Action",
    "Readiness",
    "Refusal",
    "Step",
    "approve",
    "following",
    "observe",
    "promote",
    "promoted",
    "retry",
    "rollback",
    "rolled_back",
    "rules_changed",
    "rules_of",
    "to_previous",
]

# How many digests that failed are remembered; the oldest is forgotten first.
_REJECTED = 50

_NO_CANDIDATE: dict[str, Any] = {
    "candidate": None,
    "candidate_digest": "",
    "phase": Phase.SETTLED,
    "weight_percent": 0,
    "progress": None,
}
_HOPELESS = frozenset({Pause.BOTH_SLOTS_BAD, Pause.LIVE_BAD})


class Action(StrEnum):
    """What a step did, as the ledger calls it."""

    NONE = "none"
    WAITING = "waiting"
    FIRST_LIVE = "first_live"
    CANDIDATE = "candidate"
    CANDIDATE_GONE = "candidate_gone"
    STEPPING = "stepping"
    ADVANCED = "advanced"
    PAUSED = "paused"
    APPROVED = "approved"
    PROMOTED = "promoted"
    OVERRIDE = "override"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    SETTLED = "settled"
    RETRIED = "retried"
    HOLDBACK_ENDED = "holdback_ended"
    RULES_CHANGED = "rules_changed"
    EVIDENCE_MISSING = "evidence_missing"


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


def rules_of(spec: RouteSpec) -> Rules:
    """Returns what a rollout of `spec` is judged by."""
    return Rules.of_route(spec.rollout, spec.slo)


def observe(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step:
    """Returns the step that what is declared and ready asks for by itself.

    The first version to be ready goes live at 100 %. After that a new digest in the idle slot becomes a candidate with
    no traffic and no evidence; a digest that was rolled back stays so, however often it is declared again.
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
        return Step(following(state, **_NO_CANDIDATE), Action.CANDIDATE_GONE, f"{gone} was taken out of {idle}")
    changes: dict[str, Any] = {"candidate": idle, "candidate_digest": digest, "weight_percent": 0}
    if digest in state.rejected_digests:
        said = f"{short_digest(digest)} in {idle} was rolled back before and gets no traffic without --retry"
        return Step(following(state, **changes, phase=Phase.ROLLED_BACK, progress=None), Action.CANDIDATE, said)
    said = f"{short_digest(digest)} is in {idle}, with no traffic yet"
    return Step(_prepared(spec, state, **changes), Action.CANDIDATE, said)


def rules_changed(spec: RouteSpec, state: RolloutState) -> Step:
    """Returns the step after the rules of a rollout under way were changed: it is judged anew, from zero evidence."""
    said = "its rules were changed, so it is judged anew from zero evidence"
    if state.candidate is None:
        begun = following(state, phase=Phase.GUARDING, progress=guard.begin_guard(rules_of(spec)))
        return Step(begun, Action.RULES_CHANGED, said)
    return Step(_prepared(spec, state, weight_percent=0), Action.RULES_CHANGED, said)


def _prepared(spec: RouteSpec, state: RolloutState, **changes: Any) -> RolloutState:
    """Returns the state in which a candidate waits to be ready, with no evidence about it."""
    begun = {"phase": Phase.PREPARING, "rollout": state.rollout + 1, "progress": steps.begin(rules_of(spec))}
    return following(state, **changes, **begun)


def _first(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step:
    filled = [slot for slot in Slot if spec.endpoint(slot).digest]
    # A stack built anew starts with the version that was live last, not with its successor: the ledger knows it, and
    # where there is no ledger the release file.
    last = [slot for slot in filled if spec.endpoint(slot).digest == state.live_digest]
    # One that was rolled back goes first only where nothing else is there to serve.
    sound = [slot for slot in filled if spec.endpoint(slot).digest not in state.rejected_digests] or filled
    hint = spec.live_hint
    order = last or ([hint] if hint is not None and hint in sound else sound)
    for slot in order:
        if not ready.problem(slot):
            digest = spec.endpoint(slot).digest
            # Under the absolute gate alone: there is nothing to compare it with, and nowhere to go back to.
            # Unless the stack was built anew, and the version before it is in the other slot still.
            idle = spec.endpoint(slot.other).digest
            changes: dict[str, Any] = {
                "live": slot,
                "live_digest": digest,
                "previous_digest": idle if idle == state.previous_digest else "",
                "rejected_digests": tuple(one for one in state.rejected_digests if one != digest),
                "phase": Phase.GUARDING,
                "progress": guard.begin_guard(rules_of(spec)),
            }
            first = following(state, **(_NO_CANDIDATE | changes))
            return Step(first, Action.FIRST_LIVE, f"{short_digest(digest)} in {slot} is the first version live")
    waiting = spec.endpoint(order[0]).digest if order else ""
    if waiting == state.candidate_digest:
        return Step(state, Action.NONE, "no slot is ready yet")
    if not order:
        gone = following(state, **_NO_CANDIDATE)
        return Step(gone, Action.CANDIDATE_GONE, "the only version was taken out before it was ready")
    waits = following(state, candidate=order[0], candidate_digest=waiting, phase=Phase.PREPARING)
    return Step(waits, Action.WAITING, f"{short_digest(waiting)} in {order[0]} is the first version, not ready yet")


def promote(
    spec: RouteSpec, state: RolloutState, ready: Readiness, *, retry: bool = False, fix_forward: bool = False
) -> Step | Refusal:
    """Returns the step that gives the candidate all traffic before it has earned it, or why it gets none.

    Args:
        spec: what is declared.
        state: the rollout state after `observe`.
        ready: which slots are ready now.
        retry: promote a digest although it was rolled back before.
        fix_forward: promote although the candidate is proved bad as well, because live is no better.
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
    if state.phase in (Phase.ROLLED_BACK, Phase.FAILED) and not retry:
        return Refusal(f"{candidate} in {idle} was rolled back; release another digest, or promote with --retry")
    if problem := ready.problem(idle):
        return Refusal(f"{candidate} in {idle} is not ready: {problem}", passing=True)
    paused = state.progress.paused if state.progress else None
    if paused in _HOPELESS and not fix_forward:
        return Refusal(f"{candidate} in {idle} is paused ({paused}); promote it all the same with --fix-forward")
    return promoted(spec, state, ready, Action.OVERRIDE, "before it was earned")


def promoted(spec: RouteSpec, state: RolloutState, ready: Readiness, action: Action, why: str) -> Step:
    """Returns the step that makes the candidate live and begins its guard; the slot before it stays warm."""
    assert state.live is not None
    # A version that is down is no control: whoever is held back for it would get no answer.
    held_back = 0 if ready.problem(state.live) else spec.rollout.holdback_percent
    idle, candidate = state.live.other, short_digest(state.candidate_digest)
    rejected = tuple(one for one in state.rejected_digests if one != state.candidate_digest)
    changes: dict[str, Any] = {
        "live": idle,
        "live_digest": state.candidate_digest,
        "previous_digest": state.live_digest,
        "rejected_digests": rejected,
        "phase": Phase.GUARDING,
        "weight_percent": held_back,
        "progress": guard.begin_guard(rules_of(spec), state.progress, overridden=action is Action.OVERRIDE),
    }
    return Step(
        following(state, **(_NO_CANDIDATE | changes)),
        action,
        f"{candidate} in {idle} takes {100 - held_back} % of the traffic: {why}",
    )


def approve(spec: RouteSpec, state: RolloutState) -> Step | Refusal:
    """Returns the step that lifts a pause, or why there is none to lift."""
    if state.phase is not Phase.PAUSED or state.progress is None or state.progress.paused is None:
        return Refusal(f"{spec.model} waits for nobody: its rollout is {state.phase}")
    paused = state.progress.paused
    guarding = state.candidate is None
    phase = Phase.GUARDING if guarding else Phase.STEPPING if state.weight_percent else Phase.PREPARING
    resumed = following(state, phase=phase, progress=steps.resume(state.progress))
    return Step(resumed, Action.APPROVED, f"the pause ({paused}) is lifted; the same cause does not pause it again")


def retry(spec: RouteSpec, state: RolloutState, digest: str) -> Step | Refusal:
    """Returns the step that lets a digest that was rolled back try again, from zero evidence."""
    short = short_digest(digest)
    if digest not in state.rejected_digests:
        return Refusal(f"{short} of {spec.model} was not rolled back, so there is nothing to retry")
    changes: dict[str, Any] = {"rejected_digests": tuple(one for one in state.rejected_digests if one != digest)}
    said = f"{short} may take traffic again"
    if state.candidate_digest == digest:
        return Step(_prepared(spec, state, **changes, weight_percent=0), Action.RETRIED, f"{said}, from zero evidence")
    return Step(following(state, **changes), Action.RETRIED, f"{said} once it is released")


def rollback(spec: RouteSpec, state: RolloutState, ready: Readiness) -> Step | Refusal:
    """Returns the step back: from a candidate to live, or from live to the version before it; or why there is none.

    Args:
        spec: what is declared.
        state: the rollout state after `observe`.
        ready: which slots are ready now.
    """
    if state.live is None:
        return Refusal(f"{spec.model} has no live version, so there is nothing to go back from; {_waits(spec, ready)}")
    if state.candidate is not None:
        if state.phase in (Phase.ROLLED_BACK, Phase.FAILED):
            candidate, live = short_digest(state.candidate_digest), short_digest(state.live_digest)
            return Step(state, Action.NONE, f"{candidate} is already rolled back; {live} in {state.live} is live")
        problem = ready.problem(state.live)
        if problem and state.weight_percent:
            forward = "" if ready.problem(state.candidate) else f"; `shipway promote {spec.model}` goes forward instead"
            return Refusal(
                f"{short_digest(state.live_digest)} in {state.live} is not ready ({problem}), so a rollback would end "
                f"in an outage{forward}"
            )
        return rolled_back(state, Action.ROLLED_BACK, "")
    return to_previous(spec, state, ready)


def rolled_back(state: RolloutState, action: Action, why: str) -> Step:
    """Returns the step that takes a candidate's traffic and remembers that its digest failed."""
    assert state.live is not None
    changes: dict[str, Any] = {
        "phase": Phase.FAILED if action is Action.FAILED else Phase.ROLLED_BACK,
        "weight_percent": 0,
        "progress": None,
        "rejected_digests": _remembered(state, state.candidate_digest),
    }
    candidate, live = short_digest(state.candidate_digest), short_digest(state.live_digest)
    said = f"{candidate} in {state.live.other} gets no traffic; {live} stays live"
    return Step(following(state, **changes), action, f"{said}: {why}" if why else said)


def to_previous(spec: RouteSpec, state: RolloutState, ready: Readiness, why: str = "") -> Step | Refusal:
    """Returns the step from the live version to the one before it, or why it cannot be gone back to."""
    assert state.live is not None
    idle, live = state.live.other, short_digest(state.live_digest)
    previous, held = short_digest(state.previous_digest), spec.endpoint(idle).digest
    if not state.previous_digest:
        return Refusal(f"{spec.model} was never promoted: {live} in {state.live} is the only version that ever served")
    if held != state.previous_digest:
        holds = short_digest(held) or "nothing"
        return Refusal(f"the version before {live}, {previous}, is no longer in {idle}: it holds {holds}")
    if problem := ready.problem(idle):
        return Refusal(f"the version before {live}, {previous} in {idle}, is not ready: {problem}")
    changes: dict[str, Any] = {
        "live": idle,
        "live_digest": state.previous_digest,
        "candidate": state.live,
        "candidate_digest": state.live_digest,
        "previous_digest": "",
        "phase": Phase.ROLLED_BACK,
        "weight_percent": 0,
        "progress": None,
        "rejected_digests": _remembered(state, state.live_digest),
    }
    said = f"{previous} in {idle} takes 100 % of the traffic back from {live}"
    return Step(following(state, **changes), Action.ROLLED_BACK, f"{said}: {why}" if why else said)


def _remembered(state: RolloutState, digest: str) -> tuple[str, ...]:
    return (*(one for one in state.rejected_digests if one != digest), digest)[-_REJECTED:]


def _waits(spec: RouteSpec, ready: Readiness) -> str:
    problems = [f"{slot}: {ready.problem(slot)}" for slot in Slot if spec.endpoint(slot).digest and ready.problem(slot)]
    return "; ".join(problems) or "nothing was released yet"


def following(state: RolloutState, **changes: Any) -> RolloutState:
    """Returns the next state: `changes`, and a generation that grew by one."""
    return state.model_copy(update=changes | {"generation": state.generation + 1})
