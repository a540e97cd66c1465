"""After a promotion: the version that is live is watched on, and taken back when it is proved bad.

There is no concurrent control any more, unless `holdback_percent` keeps one. The absolute guardrails judge live traffic
against its objective, and late labels of predictions that both versions made at the same time compare the two.

A plain e-process would let a long good past excuse a bad present. Here each absolute one is a mixture over 20 starts:
at each twentieth of the guard 1/20 of the mass begins to test, evenly over the 64 alternatives, and counts as it is
before that. A mixture of e-processes is one, so E still reaches 1 / alpha with a probability of at most alpha; a change
in the middle of the guard costs the factor 20, which is some requests.
"""

import math
from functools import partial

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    LATE_GATES,
    Gate,
    GateAction,
    GuardrailState,
    Pause,
    Progress,
    Sample,
)
from shipway.contract.rollout import Move
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.eprocess import START, begin_share
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.steps import Because, Decision, passed
from shipway.delivery.evidence.verdicts import guard_verdicts

__all__ = ["STARTS", "begin_guard", "watch"]

STARTS = 20
# A look this long after the promotion was scraped after it too: looks are at most a second behind their scrape.
SETTLE_SECONDS = 1.5
# A guard that has seen no request is not passed; it is prolonged, but not for ever.
_LONGEST_RATIO = 2.0


def begin_guard(rules: Rules, before: Progress | None = None, *, overridden: bool = False) -> Progress:
    """Returns the progress of a version that was just promoted.

    Args:
        rules: what the rollout was judged by.
        before: the progress of its rollout. Late labels go on from what they have proved so far, so does what is known
            of the version before; what a person lifted stays lifted, and what was counted stays the base of the next
            delta. Without it the guard starts from nothing.
        overridden: whether a person promoted it against the evidence: what happened until then, and is not counted
            yet, is not held against it again.
    """
    evidence = gate.begin(rules)
    kept = {one.gate: one for one in before.evidence.guardrails if one.gate in LATE_GATES} if before else {}
    guardrails = tuple(
        _spread(one) if one.gate in ABSOLUTE_GATES else kept.get(one.gate, one) for one in evidence.guardrails
    )
    begun = Progress(evidence=evidence.changed(guardrails=guardrails), settling=overridden)
    if before is None:
        return begun
    return begun.changed(
        evidence=begun.evidence.changed(live_slo=before.evidence.live_slo),
        approved=before.approved,
        slow_live_edge_seconds=before.slow_live_edge_seconds,
        counters=before.counters,
    )


def _spread(state: GuardrailState) -> GuardrailState:
    weights = begin_share((-math.inf,) * len(START), 1 / STARTS)
    return state.changed(log_weights=weights, reserve_ratio=(STARTS - 1) / STARTS)


def watch(rules: Rules, progress: Progress, look: Sample | NoEvidence, elapsed_seconds: float) -> Decision:
    """Returns what a look at a promoted version decides: hold, settle, or back to the version before.

    Missing evidence is no reason to leave a version that earned its traffic, and none to believe that it is well: it
    holds, and the guard's clock stands still.

    Args:
        rules: what the rollout was judged by.
        progress: how far the guard has come.
        look: what the promoted version (`candidate`) and the one before it (`live`) did since the last look.
        elapsed_seconds: monotonic time since the last look.
    """
    rollout, evidence = rules.rollout, progress.evidence
    # What begins now was due before the look: it must not depend on what the look brings.
    left = (STARTS - _started(progress.step_elapsed_seconds, rollout.guard_seconds)) / STARTS
    evidence = evidence.changed(guardrails=tuple([_begin_late(one, left) for one in evidence.guardrails]))
    seen_seconds = progress.step_elapsed_seconds
    progress = passed(progress, look, elapsed_seconds)
    if not isinstance(look, Sample):
        progress = progress.changed(step_elapsed_seconds=seen_seconds)
    share = 100 - rollout.holdback_percent
    if isinstance(look, Sample) and progress.settling:
        progress = progress.changed(settling=progress.step_elapsed_seconds < SETTLE_SECONDS)
    elif isinstance(look, Sample):
        # A guard has no split to judge: without a holdback all is the promoted version's.
        evidence = gate.add_sample(rules, evidence, look, share, straddles=True)
        requests, harm = look.candidate.requests, look.candidate.harm
        evidence = evidence.changed(
            step_candidate_requests=evidence.step_candidate_requests + requests,
            step_candidate_harm=evidence.step_candidate_harm + harm,
        )
    progress = progress.changed(evidence=evidence)
    move, because = _decide(rules, progress, look)
    if move is Move.PAUSE:
        progress = progress.changed(paused=Pause.BOTH_SLOTS_BAD)
    return Decision(move, progress, share, because, partial(guard_verdicts, rules, evidence, look))


def _decide(rules: Rules, progress: Progress, look: Sample | NoEvidence) -> tuple[Move, Because]:
    bad = gate.live_bad(rules, progress.evidence)
    for name in _proved(rules, progress):
        # Proved worse than the version before: going back helps. Bad by itself, and so was that one: it does not.
        if name not in ABSOLUTE_GATES or not bad:
            return Move.ROLL_BACK, Because(name)
        if not progress.paused and Pause.BOTH_SLOTS_BAD not in progress.approved:
            said = f"the version before was proved bad too ({', '.join(sorted(bad))}); the weights stay: "
            return Move.PAUSE, Because(name, before=said)
    if _dropped(rules, look):
        assert isinstance(look, Sample)
        before = look.live_drop
        if before is None or not before.beyond:
            return Move.ROLL_BACK, Because(Gate.ACCURACY_DROP)
        if not progress.paused and Pause.BOTH_SLOTS_BAD not in progress.approved:
            said = f"the version before has dropped too ({before.metric}, {before.drop_ratio:.1%}); the weights stay: "
            return Move.PAUSE, Because(Gate.ACCURACY_DROP, before=said)
    if progress.paused:
        return Move.HOLD, Because(before=f"paused ({progress.paused}): waits for a person")
    elapsed, guard_seconds = progress.step_elapsed_seconds, rules.rollout.guard_seconds
    requests = progress.evidence.step_candidate_requests
    if elapsed >= guard_seconds and requests:
        return Move.SETTLE, Because(before=f"nothing was proved against it in {elapsed:.0f} s and {requests} requests")
    if elapsed >= guard_seconds * _LONGEST_RATIO:
        said = f"no request came in {elapsed:.0f} s: nothing was proved, and nothing was seen"
        return Move.SETTLE, Because(before=said)
    waits = f"{requests} requests" if requests else "no request"
    return Move.HOLD, Because(before=f"guarded for {elapsed:.0f} of {guard_seconds:.0f} s, {waits} so far")


def _proved(rules: Rules, progress: Progress) -> list[Gate]:
    """Returns the guardrails that ask to go back; where model.yaml asks for a pause only, the verdict is shown."""
    return [
        state.gate
        for state in progress.evidence.guardrails
        if rules.rollout.action(state.gate) is GateAction.ROLLBACK and gate.rejected(rules, state)
    ]


def _dropped(rules: Rules, look: Sample | NoEvidence) -> bool:
    """Returns whether late labels prove that the promoted version is worse than the one before, and that counts."""
    if rules.rollout.action(Gate.ACCURACY_DROP) is not GateAction.ROLLBACK or not isinstance(look, Sample):
        return False
    return look.candidate_drop is not None and look.candidate_drop.beyond


def _started(elapsed_seconds: float, guard_seconds: float) -> int:
    """Returns how many of the 20 starts have come, the one at zero included."""
    if not guard_seconds:
        return STARTS
    return min(STARTS, 1 + int(elapsed_seconds / guard_seconds * STARTS))


def _begin_late(state: GuardrailState, left_ratio: float) -> GuardrailState:
    """Returns the guardrail after the mass beyond `left_ratio` has begun to test."""
    mass = state.reserve_ratio - left_ratio
    if mass < 0.5 / STARTS:
        return state
    return state.changed(log_weights=begin_share(state.log_weights, mass), reserve_ratio=left_ratio)
