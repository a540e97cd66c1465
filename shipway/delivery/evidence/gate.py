"""From counts to verdicts: what each gate says of what a rollout has seen so far.

A gate passes only on evidence. A guardrail without a request is inconclusive, and so is a harm budget that cannot be
shown to hold yet; a reading that was rejected is an error.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    LATE_GATES,
    RELATIVE_GATES,
    EvidenceState,
    Gate,
    GateAction,
    GuardrailState,
    Judgement,
    Sample,
    SlotCounts,
    UnitState,
    Verdict,
)
from shipway.contract.model import ModelSpec, RolloutSpec, SloSpec
from shipway.delivery.evidence.confidence import fits_budget, worst_excess
from shipway.delivery.evidence.eprocess import START, UNEQUAL, forget, log_e_value, relative_null, update
from shipway.delivery.evidence.shift import add_predictions, shift_estimate, shift_lower_bound

__all__ = [
    "NoEvidence",
    "Rules",
    "add_sample",
    "begin",
    "begin_step",
    "evidence_verdict",
    "guardrail_verdict",
    "harm_verdict",
    "log_e_of",
    "rejected",
    "sample_of",
    "shift_verdict",
    "unit_verdict",
]


@dataclass(frozen=True)
class Rules:
    """What a rollout is judged by.

    Args:
        rollout: steps, budgets and error probabilities.
        slo: the service level objective.
        gates: the guardrails; `guardrail_alpha` is divided by their number.
    """

    rollout: RolloutSpec
    slo: SloSpec
    gates: tuple[Gate, ...] = (*RELATIVE_GATES, *LATE_GATES, *ABSOLUTE_GATES)

    @classmethod
    def of(cls, model: ModelSpec) -> "Rules":
        """Returns the rules that a model asks for."""
        return cls.of_route(model.guarded_rollout, model.slo)

    @classmethod
    def of_route(cls, rollout: RolloutSpec, slo: SloSpec) -> "Rules":
        """Returns the rules of a rollout: every guardrail that is not off."""
        return cls(rollout, slo, tuple(gate for gate in cls.gates if rollout.action(gate) is not GateAction.OFF))

    @cached_property
    def log_limit(self) -> float:
        """Log of the e-value at which one guardrail rejects: the number of guardrails over `guardrail_alpha`."""
        return math.log(len(self.gates) / self.rollout.guardrail_alpha)

    def objective_ratio(self, gate: Gate) -> float:
        """Returns the greatest allowed ratio of bad requests of an absolute gate."""
        return self.slo.error_ratio if gate is Gate.SLO_ERRORS else 1 - self.slo.latency_quantile


@dataclass(frozen=True)
class NoEvidence:
    """A look that brought nothing to judge by.

    Args:
        judgement: ERROR for a reading that was rejected, INCONCLUSIVE for one that did not come.
        sentence: what was wrong or is missing.
    """

    judgement: Judgement
    sentence: str


def sample_of(candidate: Mapping[str, Any], live: Mapping[str, Any]) -> Sample | NoEvidence:
    """Returns what both slots did, or why their counts cannot be true.

    A process that restarted and overtook its old count between two looks is not seen as restarted in one metric while
    it is in another; then there are more events than requests, and the increment says nothing.

    Args:
        candidate, live: the fields of `SlotCounts`.
    """
    slots: list[SlotCounts] = []
    for name, counts in (("candidate", candidate), ("live", live)):
        try:
            slots.append(SlotCounts(**counts))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            return NoEvidence(Judgement.ERROR, f"counts of {name} cannot be: expected {problem}")
    return Sample(candidate=slots[0], live=slots[1])


def begin(rules: Rules) -> EvidenceState:
    """Returns the evidence about a candidate that has served nothing yet."""
    absolute = [gate for gate in rules.gates if gate in ABSOLUTE_GATES]
    return EvidenceState(
        guardrails=tuple(GuardrailState(gate=gate, log_weights=START) for gate in rules.gates),
        live_slo=tuple(GuardrailState(gate=gate, log_weights=START) for gate in absolute),
        units=UnitState(log_weights=START),
    )


def begin_step(evidence: EvidenceState) -> EvidenceState:
    """Returns the evidence as the next step begins it: harm and units start at zero, the e-processes go on."""
    return evidence.model_copy(
        update={
            "units": UnitState(log_weights=evidence.units.log_weights),
            "step_candidate_requests": 0,
            "step_candidate_harm": 0,
            "step_live_requests": 0,
            "step_live_harm": 0,
        }
    )


def add_sample(
    rules: Rules, evidence: EvidenceState, sample: Sample, weight_percent: int, *, straddles: bool = False
) -> EvidenceState:
    """Returns the evidence after what both slots did between two looks.

    Args:
        rules: what the rollout is judged by.
        evidence: what was seen before.
        sample: what happened since.
        weight_percent: the candidate's share meanwhile.
        straddles: whether the weight changed meanwhile. The guardrails condition on what each slot got, so they take
            the sample all the same; for the split and for the step it says nothing.
    """
    candidate, live = sample.candidate, sample.live
    added = _added(rules, evidence, candidate, live)
    if straddles:
        return evidence.model_copy(update=added)
    units = evidence.units
    counted = UnitState(
        log_weights=update(
            units.log_weights, candidate.units, candidate.units + live.units, weight_percent / 100, UNEQUAL
        ),
        candidate_units=units.candidate_units + candidate.units,
        live_units=units.live_units + live.units,
    )
    step = {
        "units": counted,
        "step_candidate_requests": evidence.step_candidate_requests + candidate.requests,
        "step_candidate_harm": evidence.step_candidate_harm + candidate.harm,
        "step_live_requests": evidence.step_live_requests + live.requests,
        "step_live_harm": evidence.step_live_harm + live.harm,
    }
    return evidence.model_copy(update=added | step)


def _added(rules: Rules, evidence: EvidenceState, candidate: SlotCounts, live: SlotCounts) -> dict[str, Any]:
    """Returns what a sample changes whatever the weight was."""
    return {
        "guardrails": tuple([_add(rules, state, candidate, live) for state in evidence.guardrails]),
        # Live was there long before: what it did well earlier must not hide that it is bad now.
        "live_slo": tuple(
            [
                _add(rules, state.model_copy(update={"log_weights": forget(state.log_weights)}), live, SlotCounts())
                for state in evidence.live_slo
            ]
        ),
        "shift": add_predictions(evidence.shift, candidate.prediction_bins, live.prediction_bins),
    }


def _add(rules: Rules, state: GuardrailState, watched: SlotCounts, other: SlotCounts) -> GuardrailState:
    gate = state.gate
    bad = watched.events(gate)
    if gate in ABSOLUTE_GATES:
        weights = update(state.log_weights, bad, watched.requests, rules.objective_ratio(gate))
        other_bad = other_requests = 0
    else:
        other_bad, other_requests = other.events(gate), other.trials(gate)
        null_ratio = relative_null(watched.trials(gate), other_requests, rules.rollout.margin_ratio)
        weights = update(state.log_weights, bad, bad + other_bad, null_ratio)
    return GuardrailState(
        gate=gate,
        log_weights=weights,
        reserve_ratio=state.reserve_ratio,
        candidate_events=state.candidate_events + bad,
        candidate_requests=state.candidate_requests + watched.trials(gate),
        live_events=state.live_events + other_bad,
        live_requests=state.live_requests + other_requests,
    )


def rejected(rules: Rules, state: GuardrailState) -> bool:
    """Returns whether a guardrail has proved that what it watches is bad."""
    return log_e_of(state) >= rules.log_limit


def log_e_of(state: GuardrailState) -> float:
    """Returns log E of a guardrail; mass that has not begun to test counts as it is."""
    log_e = log_e_value(state.log_weights)
    if not state.reserve_ratio:
        return log_e
    reserve = math.log(state.reserve_ratio)
    return max(log_e, reserve) + math.log1p(math.exp(-abs(log_e - reserve)))


def guardrail_verdict(rules: Rules, state: GuardrailState) -> Verdict:
    """Returns FAIL when the candidate is proved worse than live, or than its objective; PASS when it is not."""
    log_e, limit = log_e_of(state), rules.log_limit
    seen = f"{state.candidate_events} of {state.candidate_requests} candidate requests"
    if state.gate in ABSOLUTE_GATES:
        against = f"the objective of {rules.objective_ratio(state.gate):.2%}"
    else:
        against = f"{state.live_events} of {state.live_requests} of live"
    if log_e >= limit:
        judgement, says = Judgement.FAIL, "is proved"
    elif not state.candidate_requests:
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
        sentence=f"{state.gate}: harm {says}: {seen} against {against}, e-value {_e(log_e)}, limit {_e(limit)}",
    )


def unit_verdict(rules: Rules, state: UnitState, weight_percent: int) -> Verdict:
    """Returns FAIL when the units are not split as the weight says: whatever is compared, it is not like with like."""
    log_e, limit = log_e_value(state.log_weights), -math.log(rules.rollout.sample_ratio_alpha)
    total = state.candidate_units + state.live_units
    failed = log_e >= limit
    return Verdict(
        gate=Gate.SAMPLE_RATIO,
        judgement=Judgement.FAIL if failed else Judgement.PASS if total else Judgement.INCONCLUSIVE,
        metric="log_e_value",
        candidate_events=state.candidate_units,
        candidate_requests=state.candidate_units,
        live_events=state.live_units,
        live_requests=state.live_units,
        bound=log_e,
        threshold=limit,
        sentence=f"{Gate.SAMPLE_RATIO}: {state.candidate_units} of {total} units in the candidate at {weight_percent} %"
        f"{' is a mismatch' if failed else ''}, e-value {_e(log_e)}, limit {_e(limit)}",
    )


def shift_verdict(rules: Rules, evidence: EvidenceState) -> Verdict:
    """Returns FAIL when the predictions of the slots differ by more than is allowed, at least."""
    shift, allowed = evidence.shift, rules.rollout.max_prediction_shift_ratio
    bound = shift_lower_bound(shift, rules.rollout.guardrail_alpha)
    predictions = sum(shift.candidate) + sum(shift.open_candidate)
    failed = bound > allowed
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
    enough = fits_budget(excess, next_percent, rollout.harm_budget_ratio) and requests > 0 and live_requests > 0
    allowed = rollout.harm_budget_ratio * 100 / next_percent
    against = f"{live_harm} of {live_requests} of live" if live_requests else "no request of live"
    return Verdict(
        gate=Gate.HARM_BUDGET,
        judgement=Judgement.PASS if enough else Judgement.INCONCLUSIVE,
        metric="worst_excess_ratio",
        candidate_events=harm,
        candidate_requests=requests,
        live_events=live_harm,
        live_requests=live_requests,
        bound=excess,
        threshold=allowed,
        sentence=f"{Gate.HARM_BUDGET}: worst excess {excess:.2%} after {harm} bad of {requests} candidate requests "
        f"against {against}; {next_percent} % allows {allowed:.2%}",
    )


def _e(log_e: float) -> str:
    # Beyond this the number says nothing more to a person, and exp() would overflow soon after.
    return f"{math.exp(log_e):,.3g}" if log_e < math.log(1e6) else "over 1,000,000"
