"""After a promotion: the version that is live is watched on, and taken back when it is proved bad.

There is no concurrent control any more, unless `holdback_percent` keeps one. The absolute guardrails judge live traffic
against its objective, and late labels of predictions that both versions made at the same time compare the two.

A plain e-process would let a long good past excuse a bad present. Here each absolute one is a mixture over 20 starts:
at each twentieth of the guard 1/20 of the mass begins to test, evenly over the 64 alternatives, and counts as it is
before that. A mixture of e-processes is one, so E still reaches 1 / alpha with a probability of at most alpha; a change
in the middle of the guard costs the factor 20, which is some requests.
"""

import math

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    EvidenceState,
    GateAction,
    GuardrailState,
    Judgement,
    Progress,
    Sample,
    Verdict,
)
from shipway.contract.rollout import Move
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.eprocess import START
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.steps import Decision, passed

__all__ = ["STARTS", "begin_guard", "watch"]

STARTS = 20
# A guard that has seen no request is not passed; it is prolonged, but not for ever.
_LONGEST_RATIO = 2.0


def begin_guard(rules: Rules) -> Progress:
    """Returns the progress of a version that was just promoted."""
    evidence = gate.begin(rules)
    spread = tuple(weight - math.log(STARTS) for weight in START)
    guardrails = tuple(
        state.model_copy(update={"log_weights": spread, "reserve_ratio": (STARTS - 1) / STARTS})
        if state.gate in ABSOLUTE_GATES
        else state
        for state in evidence.guardrails
    )
    return Progress(evidence=evidence.model_copy(update={"guardrails": guardrails}))


def watch(rules: Rules, progress: Progress, look: Sample | NoEvidence, elapsed_seconds: float) -> Decision:
    """Returns what a look at a promoted version decides: hold, settle, or back to the version before.

    Missing evidence is no reason to leave a version that earned its traffic; it holds.

    Args:
        rules: what the rollout was judged by.
        progress: how far the guard has come.
        look: what the promoted version (`candidate`) and the one before it (`live`) did since the last look.
        elapsed_seconds: monotonic time since the last look.
    """
    guard_seconds = rules.rollout.guard_seconds
    progress = passed(progress, look, elapsed_seconds)
    due = STARTS - _started(progress.step_elapsed_seconds, guard_seconds)
    evidence = progress.evidence
    guardrails = tuple(_start(state, due / STARTS) for state in evidence.guardrails)
    evidence = evidence.model_copy(update={"guardrails": guardrails})
    if isinstance(look, Sample):
        evidence = gate.add_sample(rules, evidence, look, 100 - rules.rollout.holdback_percent, straddles=True)
    progress = progress.model_copy(update={"evidence": evidence})
    verdicts = (
        *[gate.guardrail_verdict(rules, state) for state in evidence.guardrails],
        gate.evidence_verdict(look),
    )
    move, sentence = _decide(rules, progress, evidence, verdicts)
    return Decision(move, progress, 100 - rules.rollout.holdback_percent, verdicts, sentence)


def _decide(
    rules: Rules, progress: Progress, evidence: EvidenceState, verdicts: tuple[Verdict, ...]
) -> tuple[Move, str]:
    for verdict in verdicts:
        # Where model.yaml asks for a pause only, there is nothing to pause any more: the verdict is shown.
        if verdict.judgement is Judgement.FAIL and rules.rollout.action(verdict.gate) is GateAction.ROLLBACK:
            return Move.ROLL_BACK, verdict.sentence
    elapsed, guard_seconds = progress.step_elapsed_seconds, rules.rollout.guard_seconds
    requests = max((state.candidate_requests for state in evidence.guardrails), default=0)
    if elapsed >= guard_seconds and requests:
        return Move.SETTLE, f"nothing was proved against it in {elapsed:.0f} s and {requests} requests"
    if elapsed >= guard_seconds * _LONGEST_RATIO:
        return Move.SETTLE, f"no request came in {elapsed:.0f} s: nothing was proved, and nothing was seen"
    waits = f"{requests} requests" if requests else "no request"
    return Move.HOLD, f"guarded for {elapsed:.0f} of {guard_seconds:.0f} s, {waits} so far"


def _started(elapsed_seconds: float, guard_seconds: float) -> int:
    """Returns how many of the 20 starts have come, the one at zero included."""
    if not guard_seconds:
        return STARTS
    return min(STARTS, 1 + int(elapsed_seconds / guard_seconds * STARTS))


def _start(state: GuardrailState, left_ratio: float) -> GuardrailState:
    """Returns the guardrail after the mass beyond `left_ratio` has begun to test."""
    mass = state.reserve_ratio - left_ratio
    if mass <= 1e-9:
        return state
    share = math.log(mass / len(state.log_weights))
    weights = tuple(max(one, share) + math.log1p(math.exp(-abs(one - share))) for one in state.log_weights)
    return state.model_copy(update={"log_weights": weights, "reserve_ratio": left_ratio})
