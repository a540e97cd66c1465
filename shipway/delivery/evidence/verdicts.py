"""What each gate says of what a rollout has seen so far, for a person.

A gate passes only on evidence. A guardrail without a request is inconclusive, and so is a harm budget that cannot be
shown to hold yet; a reading that was rejected is an error.
"""

import math
from functools import lru_cache

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    LATE_GATES,
    EvidenceState,
    Gate,
    GuardrailState,
    Judgement,
    QualityDrop,
    Sample,
    UnitState,
    Verdict,
)
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.confidence import requests_needed, worst_excess
from shipway.delivery.evidence.eprocess import log_e_value
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.shift import shift_estimate, shift_lower_bound

__all__ = [
    "drop_verdict",
    "e_value_text",
    "evidence_verdict",
    "guard_verdicts",
    "guardrail_verdict",
    "harm_verdict",
    "shift_verdict",
    "step_verdicts",
    "unit_verdict",
]


def step_verdicts(
    rules: Rules, evidence: EvidenceState, look: Sample | NoEvidence, weight_percent: int, next_percent: int
) -> tuple[Verdict, ...]:
    """Returns what every gate that is not off says of a step, the harm budget last.

    Args:
        rules: what the rollout is judged by.
        evidence: what was seen, the look included.
        look: what the look brought.
        weight_percent: the candidate's share.
        next_percent: the share it asks for.
    """
    doubts: list[Verdict] = []
    if rules.asks(Gate.SAMPLE_RATIO):
        doubts.append(unit_verdict(rules, evidence.units, weight_percent))
    if rules.asks(Gate.PREDICTION_SHIFT):
        doubts.append(shift_verdict(rules, evidence))
    return (*_guardrails(rules, evidence), *doubts, evidence_verdict(look), harm_verdict(rules, evidence, next_percent))


def guard_verdicts(rules: Rules, evidence: EvidenceState, look: Sample | NoEvidence) -> tuple[Verdict, ...]:
    """Returns what every gate that is not off says of a version after its promotion."""
    quality: tuple[Verdict, ...] = ()
    if rules.asks(Gate.ACCURACY_DROP):
        quality = (drop_verdict(look.candidate_drop if isinstance(look, Sample) else None),)
    return (*_guardrails(rules, evidence), *quality, evidence_verdict(look))


def _guardrails(rules: Rules, evidence: EvidenceState) -> list[Verdict]:
    return [guardrail_verdict(rules, state) for state in evidence.guardrails if state.gate in rules.gates]


def guardrail_verdict(rules: Rules, state: GuardrailState) -> Verdict:
    """Returns FAIL when the candidate is proved worse than live, or than its objective; PASS when it is not."""
    log_e, limit = log_e_value(state.log_weights, state.reserve_ratio), rules.log_limit
    counted = "labels" if state.gate in LATE_GATES else "requests"
    seen = f"{state.candidate_events} of {state.candidate_requests} candidate {counted}"
    compared = state.candidate_requests > 0
    if state.gate in ABSOLUTE_GATES:
        against = f"the objective of {rules.objective_ratio(state.gate):.2%}"
    else:
        against = f"{state.live_events} of {state.live_requests} of live"
        compared = compared and state.live_requests > 0
    if gate.rejected(rules, state):
        judgement, says = Judgement.FAIL, "is proved"
    elif not compared:
        judgement, says = Judgement.INCONCLUSIVE, "has no evidence yet"
    else:
        judgement, says = Judgement.PASS, "is not proved"
    return Verdict(
        gate=state.gate,
        judgement=judgement,
        metric="log_e_value",
        candidate_events=state.candidate_events,
        candidate_requests=state.candidate_requests,
        live_events=state.live_events,
        live_requests=state.live_requests,
        bound=log_e,
        threshold=limit,
        sentence=f"{state.gate}: harm {says}: {seen} against {against}, {_against_limit(log_e, limit)}",
    )


def drop_verdict(drop: QualityDrop | None) -> Verdict:
    """Returns FAIL when late labels prove that the version is worse than the one before it by more than is allowed."""
    if drop is None:
        said = f"{Gate.ACCURACY_DROP}: no label says yet how good this version is beside the one before"
        return Verdict(
            gate=Gate.ACCURACY_DROP,
            judgement=Judgement.INCONCLUSIVE,
            metric="drop_ratio",
            threshold=0.0,
            sentence=said,
        )
    proved = f"{drop.drop_ratio:.1%} worse than the one before at least" if drop.drop_ratio else "not proved worse"
    return Verdict(
        gate=Gate.ACCURACY_DROP,
        judgement=Judgement.FAIL if drop.beyond else Judgement.PASS,
        metric="drop_ratio",
        bound=drop.drop_ratio,
        threshold=drop.limit_ratio,
        sentence=f"{Gate.ACCURACY_DROP}: by late labels its {drop.metric} is {proved}, "
        f"{drop.limit_ratio:.1%} is allowed",
    )


def unit_verdict(rules: Rules, state: UnitState, weight_percent: int) -> Verdict:
    """Returns FAIL when the units are not split as the weight says: whatever is compared, it is not like with like."""
    log_e, limit = log_e_value(state.log_weights), rules.unit_log_limit
    total = state.candidate_units + state.live_units
    failed = gate.mismatched(rules, state)
    judgement = Judgement.PASS if total and not state.forgotten else Judgement.INCONCLUSIVE
    forgotten = "; a slot restarted and counts anew, so the rest of this step is not counted" if state.forgotten else ""
    return Verdict(
        gate=Gate.SAMPLE_RATIO,
        judgement=Judgement.FAIL if failed else judgement,
        metric="log_e_value",
        candidate_events=state.candidate_units,
        candidate_requests=state.candidate_units,
        live_events=state.live_units,
        live_requests=state.live_units,
        bound=log_e,
        threshold=limit,
        sentence=f"{Gate.SAMPLE_RATIO}: {state.candidate_units} of {total} units in the candidate at {weight_percent} %"
        f"{' is a mismatch' if failed else ''}, {_against_limit(log_e, limit)}{forgotten}",
    )


def shift_verdict(rules: Rules, evidence: EvidenceState) -> Verdict:
    """Returns FAIL when the predictions of the slots differ by more than is allowed, at least."""
    shift, allowed = evidence.shift, rules.rollout.max_prediction_shift_ratio
    bound = shift_lower_bound(shift, rules.rollout.guardrail_alpha)
    predictions = sum(shift.candidate) + sum(shift.open_candidate)
    failed = gate.shifted(rules, shift)
    return Verdict(
        gate=Gate.PREDICTION_SHIFT,
        judgement=Judgement.FAIL if failed else Judgement.PASS if shift.size else Judgement.INCONCLUSIVE,
        metric="total_variation_ratio",
        candidate_requests=predictions,
        live_requests=sum(shift.live) + sum(shift.open_live),
        bound=bound,
        threshold=allowed,
        sentence=f"{Gate.PREDICTION_SHIFT}: at least {bound:.3f} after {predictions} candidate predictions "
        f"(observed {shift_estimate(shift):.3f}), allowed {allowed:.3f}",
    )


def evidence_verdict(look: Sample | NoEvidence) -> Verdict:
    """Returns whether this look brought anything to judge by."""
    if isinstance(look, NoEvidence):
        return Verdict(
            gate=Gate.EVIDENCE,
            judgement=look.judgement,
            metric="candidate_requests",
            threshold=0.0,
            sentence=f"{Gate.EVIDENCE}: {look.sentence}",
        )
    candidate, live = look.candidate.requests, look.live.requests
    return Verdict(
        gate=Gate.EVIDENCE,
        judgement=Judgement.PASS if candidate or live else Judgement.INCONCLUSIVE,
        metric="candidate_requests",
        candidate_requests=candidate,
        live_requests=live,
        bound=float(candidate),
        threshold=0.0,
        sentence=f"{Gate.EVIDENCE}: {candidate} candidate and {live} live requests since the last look",
    )


def harm_verdict(rules: Rules, evidence: EvidenceState, next_percent: int) -> Verdict:
    """Returns PASS when the worst excess of this step, on the next step's share of traffic, fits the harm budget.

    Live's requests are required too: a bound against nothing would hold, but it would compare nothing.
    """
    rollout = rules.rollout
    harm, requests = evidence.step_candidate_harm, evidence.step_candidate_requests
    live_harm, live_requests = evidence.step_live_harm, evidence.step_live_requests
    excess = worst_excess(harm, requests, live_harm, live_requests, rollout.harm_alpha)
    allowed = rollout.harm_budget_ratio * 100 / next_percent
    against = f"{live_harm} of {live_requests} of live" if live_requests else "no request of live"
    return Verdict(
        gate=Gate.HARM_BUDGET,
        judgement=Judgement.PASS if gate.budget_kept(rules, evidence, next_percent) else Judgement.INCONCLUSIVE,
        metric="worst_excess_ratio",
        candidate_events=harm,
        candidate_requests=requests,
        live_events=live_harm,
        live_requests=live_requests,
        bound=excess,
        threshold=allowed,
        sentence=f"{Gate.HARM_BUDGET}: worst excess {excess:.2%} after {harm} bad of {requests} candidate requests "
        f"against {against}; {next_percent} % allows {allowed:.2%}{_still_needed(rules, requests, next_percent)}",
    )


def _still_needed(rules: Rules, requests: int, next_percent: int) -> str:
    """Returns how many requests without a bad one would be enough, as long as there are fewer."""
    least = _least_requests(next_percent, rules.rollout.harm_budget_ratio, rules.rollout.harm_alpha)
    return f", which takes at least {least} requests" if least is not None and requests < least else ""


@lru_cache(maxsize=256)
def _least_requests(next_percent: int, harm_budget_ratio: float, harm_alpha: float) -> int | None:
    return requests_needed(next_percent, harm_budget_ratio, harm_alpha)


def e_value_text(log_e: float) -> str:
    """Returns an e-value as a person reads it.

    >>> e_value_text(0.0), e_value_text(math.log(4023)), e_value_text(50.0)
    ('1', '4,023', 'over 1,000,000')
    """
    # Beyond this the number says nothing more to a person, and exp() would overflow soon after.
    if log_e >= math.log(1e6):
        return "over 1,000,000"
    return f"{math.exp(log_e):,.0f}" if log_e >= math.log(100) else f"{math.exp(log_e):.3g}"


def _against_limit(log_e: float, log_limit: float) -> str:
    return f"e-value {e_value_text(log_e)}, limit {e_value_text(log_limit)}"
