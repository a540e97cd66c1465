"""From counts to evidence, and whether it is enough to fail a gate or to keep the harm budget.

What a person is told of it is in `verdicts`; nothing here makes a sentence, because most looks are never read.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from shipway.contract.confidence import lower_bound, upper_bound
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
    ShiftState,
    SlotCounts,
    UnitState,
)
from shipway.contract.model import ModelSpec, RolloutSpec, SloSpec
from shipway.delivery.evidence.confidence import fits_budget
from shipway.delivery.evidence.eprocess import START, UNEQUAL, forget, reaches, relative_null, update
from shipway.delivery.evidence.shift import add_predictions, exceeds

__all__ = [
    "NoEvidence",
    "Rules",
    "add_sample",
    "begin",
    "begin_step",
    "budget_kept",
    "failed_gates",
    "live_bad",
    "mismatched",
    "rejected",
    "sample_of",
    "shifted",
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
    def absolute_gates(self) -> tuple[Gate, ...]:
        """The guardrails that hold one slot against its objective."""
        return tuple(gate for gate in self.gates if gate in ABSOLUTE_GATES)

    @cached_property
    def log_limit(self) -> float:
        """Log of the e-value at which one guardrail rejects: the number of guardrails over `guardrail_alpha`."""
        return math.log(len(self.gates) / self.rollout.guardrail_alpha)

    @cached_property
    def unit_log_limit(self) -> float:
        """Log of the e-value at which the units are not split as a step's weight says; the steps share the alpha."""
        return math.log(max(1, len(self.rollout.steps_percent) - 1) / self.rollout.sample_ratio_alpha)

    def asks(self, gate: Gate) -> bool:
        """Returns whether `gate` is not off."""
        return self.rollout.action(gate) is not GateAction.OFF

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


def sample_of(candidate: Mapping[str, Any], live: Mapping[str, Any], *, restarted: bool = False) -> Sample | NoEvidence:
    """Returns what both slots did, or why their counts cannot be true.

    A process that restarted and overtook its old count between two looks is not seen as restarted in one metric while
    it is in another; then there are more events than requests, and the increment says nothing.

    Args:
        candidate, live: the fields of `SlotCounts`.
        restarted: whether a process began anew meanwhile.
    """
    slots: list[SlotCounts] = []
    for name, counts in (("candidate", candidate), ("live", live)):
        try:
            slots.append(SlotCounts(**counts))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            return NoEvidence(Judgement.ERROR, f"counts of {name} cannot be: expected {problem}")
    return Sample(candidate=slots[0], live=slots[1], restarted=restarted)


def begin(rules: Rules) -> EvidenceState:
    """Returns the evidence about a candidate that has served nothing yet."""
    return EvidenceState(
        guardrails=tuple(GuardrailState(gate=gate, log_weights=START) for gate in rules.gates),
        live_slo=tuple(GuardrailState(gate=gate, log_weights=START) for gate in rules.absolute_gates),
        units=UnitState(log_weights=START),
    )


def begin_step(evidence: EvidenceState) -> EvidenceState:
    """Returns the evidence as the next step begins it: harm and units start anew, the guardrails go on.

    A unit keeps its place as the weight grows. That it is where it was is no second proof of how units are drawn, so
    what one step said of the split is not carried into the next.
    """
    return evidence.changed(
        units=UnitState(log_weights=START),
        step_candidate_requests=0,
        step_candidate_harm=0,
        step_live_requests=0,
        step_live_harm=0,
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
    added: dict[str, Any] = {
        "guardrails": tuple([_add(rules, one, candidate, live) for one in _aligned(rules.gates, evidence.guardrails)]),
        # Live was there long before: what it did well earlier must not hide that it is bad now.
        "live_slo": tuple(
            [
                _add_absolute(rules, one, forget(one.log_weights), live)
                for one in _aligned(rules.absolute_gates, evidence.live_slo)
            ]
        ),
        "shift": add_predictions(evidence.shift, candidate.prediction_bins, live.prediction_bins),
    }
    units = evidence.units.changed(forgotten=True) if sample.restarted else evidence.units
    if straddles:
        added["units"] = units
    else:
        added |= {
            "units": units if units.forgotten else _add_units(units, candidate.units, live.units, weight_percent),
            "step_candidate_requests": evidence.step_candidate_requests + candidate.requests,
            "step_candidate_harm": evidence.step_candidate_harm + candidate.harm,
            "step_live_requests": evidence.step_live_requests + live.requests,
            "step_live_harm": evidence.step_live_harm + live.harm,
        }
    return evidence.changed(**added)


def _aligned(gates: tuple[Gate, ...], states: tuple[GuardrailState, ...]) -> tuple[GuardrailState, ...]:
    """Returns one state for each gate: one that was turned on meanwhile begins now, one turned off is dropped."""
    if [one.gate for one in states] == [*gates]:
        return states
    known = {one.gate: one for one in states}
    return tuple(known.get(gate) or GuardrailState(gate=gate, log_weights=START) for gate in gates)


def _add(rules: Rules, state: GuardrailState, watched: SlotCounts, other: SlotCounts) -> GuardrailState:
    gate = state.gate
    if gate in ABSOLUTE_GATES:
        return _add_absolute(rules, state, state.log_weights, watched)
    bad, requests, other_bad, other_requests = (
        watched.events(gate),
        watched.trials(gate),
        other.events(gate),
        other.trials(gate),
    )
    weights = state.log_weights
    # Where only one of them was served, its share of the bad requests is known beforehand and says nothing.
    if requests and other_requests:
        null_ratio = relative_null(requests, other_requests, rules.rollout.margin_ratio)
        weights = update(weights, bad, bad + other_bad, null_ratio)
    return state.changed(
        log_weights=weights,
        candidate_events=state.candidate_events + bad,
        candidate_requests=state.candidate_requests + requests,
        live_events=state.live_events + other_bad,
        live_requests=state.live_requests + other_requests,
    )


def _add_absolute(
    rules: Rules, state: GuardrailState, log_weights: tuple[float, ...], watched: SlotCounts
) -> GuardrailState:
    bad, requests = watched.events(state.gate), watched.requests
    return state.changed(
        log_weights=update(log_weights, bad, requests, rules.objective_ratio(state.gate)),
        candidate_events=state.candidate_events + bad,
        candidate_requests=state.candidate_requests + requests,
    )


def _add_units(units: UnitState, candidate: int, live: int, weight_percent: int) -> UnitState:
    return units.changed(
        log_weights=update(units.log_weights, candidate, candidate + live, weight_percent / 100, UNEQUAL),
        candidate_units=units.candidate_units + candidate,
        live_units=units.live_units + live,
    )


def rejected(rules: Rules, state: GuardrailState) -> bool:
    """Returns whether a guardrail has proved that what it watches is bad."""
    return reaches(state.log_weights, rules.log_limit, state.reserve_ratio)


def live_bad(rules: Rules, evidence: EvidenceState) -> list[Gate]:
    """Returns the objectives that live, or after a promotion the version before, is proved to miss."""
    return [state.gate for state in evidence.live_slo if rejected(rules, state)]


def mismatched(rules: Rules, units: UnitState) -> bool:
    """Returns whether the units are proved not to be split as the weights say."""
    return reaches(units.log_weights, rules.unit_log_limit)


def shifted(rules: Rules, shift: ShiftState) -> bool:
    """Returns whether the predictions of the slots are proved to differ by more than is allowed."""
    return exceeds(shift, rules.rollout.guardrail_alpha, rules.rollout.max_prediction_shift_ratio)


def failed_gates(rules: Rules, evidence: EvidenceState) -> list[Gate]:
    """Returns the gates that fail, guardrails first, then the split, then the predictions."""
    failed = [state.gate for state in evidence.guardrails if state.gate in rules.gates and rejected(rules, state)]
    if rules.asks(Gate.SAMPLE_RATIO) and mismatched(rules, evidence.units):
        failed.append(Gate.SAMPLE_RATIO)
    if rules.asks(Gate.PREDICTION_SHIFT) and shifted(rules, evidence.shift):
        failed.append(Gate.PREDICTION_SHIFT)
    return failed


def budget_kept(rules: Rules, evidence: EvidenceState, next_percent: int) -> bool:
    """Returns whether the worst excess of this step, on the next step's share of the traffic, fits the harm budget.

    Live's requests are required too: a bound against nothing would hold, but it would compare nothing.
    """
    rollout, requests, live_requests = rules.rollout, evidence.step_candidate_requests, evidence.step_live_requests
    if not requests or not live_requests:
        return False
    alpha, budget = rollout.harm_alpha / 2, rollout.harm_budget_ratio
    upper = upper_bound(evidence.step_candidate_harm, requests, alpha)
    # Live's lower bound lies between 0 and its estimate, which mostly settles it.
    if fits_budget(upper, next_percent, budget):
        return True
    if not fits_budget(upper - evidence.step_live_harm / live_requests, next_percent, budget):
        return False
    excess = upper - lower_bound(evidence.step_live_harm, live_requests, alpha)
    return fits_budget(excess, next_percent, budget)
