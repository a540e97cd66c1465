"""Verdicts: what each gate says, in words, and that nothing missing ever passes."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    LATE_GATES,
    EvidenceState,
    Gate,
    GateAction,
    Judgement,
    Sample,
    SlotCounts,
    Verdict,
)
from shipway.contract.model import RolloutSpec, SloSpec, load_model
from shipway.delivery.evidence import gate, verdicts
from shipway.delivery.evidence.eprocess import log_e_value
from shipway.delivery.evidence.gate import NoEvidence, Rules

RULES = Rules(RolloutSpec(), SloSpec())


def seen(*samples: Sample, rules: Rules = RULES, weight: int = 50) -> EvidenceState:
    evidence = gate.begin(rules)
    for sample in samples:
        evidence = gate.add_sample(rules, evidence, sample, weight)
    return evidence


def guardrail(evidence: EvidenceState, name: Gate) -> Verdict:
    return verdicts.guardrail_verdict(RULES, next(state for state in evidence.guardrails if state.gate is name))


def test_without_a_request_no_gate_passes() -> None:
    """Before the first request every gate is inconclusive; a flawed reading is an error."""
    nothing = seen(Sample())
    said = [
        *(guardrail(nothing, name) for name in RULES.gates),
        verdicts.unit_verdict(RULES, nothing.units, 50),
        verdicts.shift_verdict(RULES, nothing),
        verdicts.harm_verdict(RULES, nothing, 100),
        verdicts.evidence_verdict(Sample()),
    ]
    assert {verdict.judgement for verdict in said} == {Judgement.INCONCLUSIVE}
    flawed = verdicts.evidence_verdict(NoEvidence(Judgement.ERROR, "ok of blue is nan, expected a count"))
    assert flawed.judgement is Judgement.ERROR
    assert flawed.sentence == "evidence: ok of blue is nan, expected a count"


def test_counts_that_cannot_be_are_an_error() -> None:
    """More events than requests are no evidence, and the sentence names slot, field and counts."""
    assert gate.sample_of({"requests": 2}, {}) == Sample(candidate=SlotCounts(requests=2))
    assert gate.sample_of({"requests": 2}, {"slow_slo": 1}) == NoEvidence(
        Judgement.ERROR, "counts of live cannot be: expected slow_slo (1) to be at most requests (0)"
    )


def test_rules_come_from_the_model() -> None:
    """A model's own objective and budgets are what its rollout is judged by."""
    model = load_model(Path(__file__).parents[4] / "services" / "digits" / "model.yaml")
    rules = Rules.of(model)
    assert (rules.rollout, rules.slo) == (model.guarded_rollout, model.slo)
    assert rules.objective_ratio(Gate.SLO_ERRORS) == model.slo.error_ratio
    assert rules.objective_ratio(Gate.SLO_LATENCY) == pytest.approx(1 - model.slo.latency_quantile)


def test_a_guardrail_says_what_it_saw() -> None:
    """A dead candidate fails with its counts, e-value and limit; a healthy one passes with the same words."""
    live = SlotCounts(requests=950, errors=9)
    dead = guardrail(seen(Sample(candidate=SlotCounts(requests=50, errors=50), live=live)), Gate.ERRORS)
    assert (dead.judgement, dead.candidate_events, dead.live_requests) == (Judgement.FAIL, 50, 950)
    assert dead.sentence == (
        "errors: harm is proved: 50 of 50 candidate requests against 9 of 950 of live, "
        "e-value over 1,000,000, limit 900"
    )
    well = guardrail(seen(Sample(candidate=SlotCounts(requests=50, errors=1), live=live)), Gate.ERRORS)
    assert well.judgement is Judgement.PASS
    assert well.sentence == (
        "errors: harm is not proved: 1 of 50 candidate requests against 9 of 950 of live, e-value 0.213, limit 900"
    )


def test_alpha_is_shared_by_the_guardrails() -> None:
    """Each of the nine rejects at 9 / 0.01; those that are off leave the others a greater share."""
    assert math.exp(RULES.log_limit) == pytest.approx(900)
    off = dict.fromkeys([name for name in RULES.gates if name is not Gate.ERRORS], GateAction.OFF)
    one = Rules.of_route(RolloutSpec(guardrail_alpha=0.05, gates=off), SloSpec())
    assert one.gates == (Gate.ERRORS,)
    assert math.exp(one.log_limit) == pytest.approx(20)


def test_labels_are_judged_on_labels() -> None:
    """Wrong predictions are compared with live's on the labels that came, whatever the requests are."""
    sample = Sample(
        candidate=SlotCounts(requests=1, labelled=200, label_errors=100),
        live=SlotCounts(requests=900, labelled=800, label_errors=80),
    )
    verdict = guardrail(seen(sample), Gate.LABEL_ERRORS)
    assert (verdict.judgement, verdict.candidate_requests, verdict.live_requests) == (Judgement.FAIL, 200, 800)
    assert verdict.sentence == (
        "label_errors: harm is proved: 100 of 200 candidate labels against 80 of 800 of live, "
        "e-value over 1,000,000, limit 900"
    )
    assert guardrail(seen(sample), Gate.ERRORS).judgement is Judgement.PASS


def test_a_gate_that_is_off_says_nothing() -> None:
    """Neither a guardrail nor a doubt that model.yaml turns off is among the verdicts."""
    off = {Gate.SLOW_LIVE: GateAction.OFF, Gate.SAMPLE_RATIO: GateAction.OFF, Gate.PREDICTION_SHIFT: GateAction.OFF}
    rules = Rules.of_route(RolloutSpec(gates=off), SloSpec())
    said = verdicts.step_verdicts(rules, gate.begin(rules), Sample(), 1, 5)
    expected = [name for name in RULES.gates if name is not Gate.SLOW_LIVE]
    assert [verdict.gate for verdict in said] == [*expected, Gate.EVIDENCE, Gate.HARM_BUDGET]


def test_a_gate_may_be_turned_off_and_on_on_the_way() -> None:
    """One that was turned off is dropped, one that was turned on begins without a past; the others go on."""
    without = Rules.of_route(RolloutSpec(gates={Gate.ERRORS: GateAction.OFF}), SloSpec())
    sample = Sample(candidate=SlotCounts(requests=50, errors=5), live=SlotCounts(requests=50))
    evidence = gate.add_sample(without, seen(sample), sample, 50)
    assert Gate.ERRORS not in {state.gate for state in evidence.guardrails}
    evidence = gate.add_sample(RULES, evidence, sample, 50)
    assert [(state.gate, state.candidate_requests) for state in evidence.guardrails[:2]] == [
        (Gate.ERRORS, 50),
        (Gate.INVALID_OUTPUTS, 150),
    ]


def test_a_look_that_straddles_a_change_of_weight() -> None:
    """Its requests enter the guardrails, which condition on each slot's share; split and step learn nothing from it."""
    bins = (10,) + (0,) * 19
    sample = Sample(
        candidate=SlotCounts(requests=50, errors=5, units=9, prediction_bins=bins),
        live=SlotCounts(requests=50, units=9, prediction_bins=bins),
    )
    before = gate.begin(RULES)
    after = gate.add_sample(RULES, before, sample, 50, straddles=True)
    plain = gate.add_sample(RULES, before, sample, 50)
    assert (after.guardrails, after.shift) == (plain.guardrails, plain.shift)
    assert after.units == before.units
    assert (after.step_candidate_requests, after.step_live_requests) == (0, 0)
    assert (plain.step_candidate_requests, plain.step_candidate_harm, plain.units.candidate_units) == (50, 5, 9)


def test_what_was_computed_is_what_validation_would_make() -> None:
    """Evidence after many looks is read back from its JSON as it was, and every field of it is set."""
    sample = Sample(candidate=SlotCounts(requests=50, errors=5, units=3), live=SlotCounts(requests=50, slow_slo=2))
    evidence = seen(*[sample] * 3)
    assert EvidenceState.model_validate_json(evidence.model_dump_json()) == evidence
    assert EvidenceState.model_validate_json(evidence.model_dump_json(exclude_unset=True)) == evidence


def test_the_objective_judges_one_slot_alone() -> None:
    """Twice the objective is proved without live, and the sentence names the objective."""
    both_bad = Sample(candidate=SlotCounts(requests=5000, errors=100), live=SlotCounts(requests=5000, errors=100))
    verdict = guardrail(seen(both_bad), Gate.SLO_ERRORS)
    assert verdict.judgement is Judgement.FAIL
    assert verdict.sentence.startswith(
        "slo_errors: harm is proved: 100 of 5000 candidate requests against the objective of 1.00%, e-value"
    )
    assert guardrail(seen(both_bad), Gate.ERRORS).judgement is Judgement.PASS
    assert [gate.rejected(RULES, state) for state in seen(both_bad).live_slo] == [True, False]


@pytest.mark.parametrize(("requests", "judgement"), [(753, Judgement.INCONCLUSIVE), (754, Judgement.PASS)])
def test_the_last_step_is_open_after_754_flawless_requests(requests: int, judgement: Judgement) -> None:
    """One request fewer is inconclusive."""
    evidence = seen(Sample(candidate=SlotCounts(requests=requests), live=SlotCounts(requests=1)))
    assert verdicts.harm_verdict(RULES, evidence, 100).judgement is judgement


def test_the_harm_budget_compares_with_live() -> None:
    """Without a request of live nothing was compared, so nothing passes; the sentence says so."""
    verdict = verdicts.harm_verdict(RULES, seen(Sample(candidate=SlotCounts(requests=10_000))), 100)
    assert verdict.judgement is Judgement.INCONCLUSIVE
    assert verdict.sentence == (
        "harm_budget: worst excess 0.09% after 0 bad of 10000 candidate requests against no request of live; "
        "100 % allows 1.00%"
    )


def test_units_that_are_not_split_as_the_weight_says() -> None:
    """600 of 1,000 units at 50 % is a mismatch, 500 is not."""
    fair = seen(Sample(candidate=SlotCounts(units=500), live=SlotCounts(units=500)))
    assert verdicts.unit_verdict(RULES, fair.units, 50).judgement is Judgement.PASS
    unfair = verdicts.unit_verdict(
        RULES, seen(Sample(candidate=SlotCounts(units=600), live=SlotCounts(units=400))).units, 50
    )
    assert unfair.judgement is Judgement.FAIL
    assert unfair.sentence.startswith("sample_ratio: 600 of 1000 units in the candidate at 50 % is a mismatch, e-value")


def test_a_restart_ends_the_count_of_units_for_its_step() -> None:
    """A process that forgot whom it had counted says no more about the split until the next step; the rest goes on."""
    split = Sample(candidate=SlotCounts(units=500), live=SlotCounts(units=500))
    again = Sample(candidate=SlotCounts(requests=9), live=SlotCounts(units=700), restarted=True)
    after = seen(split, again, Sample(live=SlotCounts(units=900)))
    assert (after.units.candidate_units, after.units.live_units, after.step_candidate_requests) == (500, 500, 9)
    verdict = verdicts.unit_verdict(RULES, after.units, 50)
    assert verdict.judgement is Judgement.INCONCLUSIVE
    assert verdict.sentence.endswith("; a slot restarted and counts anew, so the rest of this step is not counted")
    following = gate.add_sample(RULES, gate.begin_step(after), split, 50)
    assert verdicts.unit_verdict(RULES, following.units, 50).judgement is Judgement.PASS
    straddling = gate.add_sample(RULES, gate.begin(RULES), again, 50, straddles=True)
    assert straddling.units.forgotten


def test_callers_who_stay_where_they_are_prove_nothing_twice() -> None:
    """A caller keeps its place as the weight grows, so a draw that was a little uneven is so again in every step."""
    evidence = gate.begin(RULES)
    for number, (percent, candidate) in enumerate(((1, 18), (5, 70), (25, 291), (50, 545))):
        evidence = gate.begin_step(evidence) if number else evidence
        counts = SlotCounts(units=candidate), SlotCounts(units=1000 - candidate)
        evidence = gate.add_sample(RULES, evidence, Sample(candidate=counts[0], live=counts[1]), percent)
        assert log_e_value(evidence.units.log_weights) < 1.1
        assert not gate.mismatched(RULES, evidence.units)
    # Four steps in which both serve share the alpha.
    assert RULES.unit_log_limit == pytest.approx(math.log(4 / 0.001))


def test_predictions_that_moved() -> None:
    """All predictions in other bins are a shift; the sentence tells the bound and what was observed."""
    low, high = (20,) + (0,) * 19, (0,) * 19 + (20,)
    sample = Sample(candidate=SlotCounts(prediction_bins=low), live=SlotCounts(prediction_bins=high))
    verdict = verdicts.shift_verdict(RULES, seen(*[sample] * 10))
    assert verdict.judgement is Judgement.FAIL
    assert verdict.sentence == (
        "prediction_shift: at least 0.810 after 200 candidate predictions (observed 1.000), allowed 0.100"
    )


def test_the_next_step_counts_anew_what_it_must() -> None:
    """Harm and units start at nothing with each step; guardrails and predictions keep what they saw."""
    sample = Sample(candidate=SlotCounts(requests=9, errors=1, units=4), live=SlotCounts(requests=9, units=5))
    before = seen(sample)
    after = gate.begin_step(before)
    assert (after.step_candidate_requests, after.step_candidate_harm, after.step_live_requests) == (0, 0, 0)
    assert (after.units.candidate_units, after.units.live_units) == (0, 0)
    assert after.units == gate.begin(RULES).units != before.units
    assert after.guardrails == before.guardrails


COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(sorted)
_FIELDS = {Gate.SLO_ERRORS: "errors", Gate.SLO_LATENCY: "slow_slo"}


def log_e(name: Gate, candidate: tuple[int, int], live: tuple[int, int]) -> float:
    """Returns log E of a guardrail after one look with these bad of these requests, or labels."""
    events, trials = _FIELDS.get(name, str(name)), "labelled" if name in LATE_GATES else "requests"
    sample = Sample(
        candidate=SlotCounts.model_validate({trials: candidate[1], events: candidate[0]}),
        live=SlotCounts.model_validate({trials: live[1], events: live[0]}),
    )
    bound = guardrail(seen(sample), name).bound
    assert bound is not None
    return bound


@settings(deadline=None)
@given(COUNTS, COUNTS, st.sampled_from(RULES.gates))
def test_every_guardrail_is_monotone(candidate: list[int], live: list[int], name: Gate) -> None:
    """A bad request of the candidate never lowers E; a good one of it, or a bad one of live, never raises E."""
    (bad, requests), (live_bad, live_requests) = candidate, live
    requests, live_requests = requests + 1, live_requests + 1
    now = log_e(name, (bad, requests), (live_bad, live_requests))
    assert log_e(name, (bad + 1, requests), (live_bad, live_requests)) >= now - 1e-9
    assert log_e(name, (bad, requests + 1), (live_bad, live_requests)) <= now + 1e-9
    assert log_e(name, (bad, requests), (live_bad + 1, live_requests)) <= now + 1e-9
    if name not in ABSOLUTE_GATES:
        assert log_e(name, (bad, requests), (live_bad, live_requests + 1)) >= now - 1e-9


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_the_harm_budget_is_judged_as_it_is_told(candidate: list[int], live: list[int]) -> None:
    """The short cut that decides, and the worst excess that people see, agree."""
    sample = Sample(
        candidate=SlotCounts(requests=candidate[1] + 1, errors=candidate[0]),
        live=SlotCounts(requests=live[1] + 1, errors=live[0]),
    )
    evidence = seen(sample)
    verdict = verdicts.harm_verdict(RULES, evidence, 25)
    assert verdict.bound is not None
    assert gate.budget_kept(RULES, evidence, 25) == (verdict.bound <= verdict.threshold)
