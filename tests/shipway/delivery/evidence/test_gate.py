"""Verdicts: what each gate says, in words, and that nothing missing ever passes."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.evidence import ABSOLUTE_GATES, EvidenceState, Gate, Judgement, Sample, SlotCounts, Verdict
from shipway.contract.model import RolloutSpec, SloSpec, load_model
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.gate import NoEvidence, Rules

RULES = Rules(RolloutSpec(), SloSpec())


def seen(*samples: Sample, rules: Rules = RULES, weight: int = 50) -> EvidenceState:
    evidence = gate.begin(rules)
    for sample in samples:
        evidence = gate.add_sample(rules, evidence, sample, weight)
    return evidence


def guardrail(evidence: EvidenceState, name: Gate) -> Verdict:
    return gate.guardrail_verdict(RULES, next(state for state in evidence.guardrails if state.gate is name))


def test_without_a_request_no_gate_passes() -> None:
    """Before the first request every gate is inconclusive; a flawed reading is an error."""
    nothing = seen(Sample())
    verdicts = [
        *(guardrail(nothing, name) for name in RULES.gates),
        gate.unit_verdict(RULES, nothing.units, 50),
        gate.shift_verdict(RULES, nothing),
        gate.harm_verdict(RULES, nothing, 100),
        gate.evidence_verdict(Sample()),
    ]
    assert {verdict.judgement for verdict in verdicts} == {Judgement.INCONCLUSIVE}
    flawed = gate.evidence_verdict(NoEvidence(Judgement.ERROR, "ok of blue is nan, expected a count"))
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
    assert (rules.rollout, rules.slo) == (model.rollout, model.slo)
    assert rules.objective_ratio(Gate.SLO_ERRORS) == model.slo.error_ratio
    assert rules.objective_ratio(Gate.SLO_LATENCY) == pytest.approx(1 - model.slo.latency_quantile)


def test_a_guardrail_says_what_it_saw() -> None:
    """A dead candidate fails with its counts, e-value and limit; a healthy one passes with the same words."""
    live = SlotCounts(requests=950, errors=9)
    dead = guardrail(seen(Sample(candidate=SlotCounts(requests=50, errors=50), live=live)), Gate.ERRORS)
    assert (dead.judgement, dead.candidate_events, dead.live_requests) == (Judgement.FAIL, 50, 950)
    assert dead.sentence == (
        "errors: harm is proved: 50 of 50 candidate requests against 9 of 950 of live, "
        "e-value over 1,000,000, limit 800"
    )
    well = guardrail(seen(Sample(candidate=SlotCounts(requests=50, errors=1), live=live)), Gate.ERRORS)
    assert well.judgement is Judgement.PASS
    assert well.sentence == (
        "errors: harm is not proved: 1 of 50 candidate requests against 9 of 950 of live, e-value 0.213, limit 800"
    )


def test_alpha_is_shared_by_the_guardrails() -> None:
    """Each of the eight rejects at 8 / 0.01; fewer guardrails each get a greater share."""
    assert math.exp(RULES.log_limit) == pytest.approx(800)
    one = Rules(RolloutSpec(guardrail_alpha=0.05), SloSpec(), (Gate.ERRORS,))
    assert math.exp(one.log_limit) == pytest.approx(20)


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
    assert gate.harm_verdict(RULES, evidence, 100).judgement is judgement


def test_the_harm_budget_compares_with_live() -> None:
    """Without a request of live nothing was compared, so nothing passes; the sentence says so."""
    verdict = gate.harm_verdict(RULES, seen(Sample(candidate=SlotCounts(requests=10_000))), 100)
    assert verdict.judgement is Judgement.INCONCLUSIVE
    assert verdict.sentence == (
        "harm_budget: worst excess 0.09% after 0 bad of 10000 candidate requests against no request of live; "
        "100 % allows 1.00%"
    )


def test_units_that_are_not_split_as_the_weight_says() -> None:
    """600 of 1,000 units at 50 % is a mismatch, 500 is not."""
    fair = seen(Sample(candidate=SlotCounts(units=500), live=SlotCounts(units=500)))
    assert gate.unit_verdict(RULES, fair.units, 50).judgement is Judgement.PASS
    unfair = gate.unit_verdict(
        RULES, seen(Sample(candidate=SlotCounts(units=600), live=SlotCounts(units=400))).units, 50
    )
    assert unfair.judgement is Judgement.FAIL
    assert unfair.sentence.startswith("sample_ratio: 600 of 1000 units in the candidate at 50 % is a mismatch, e-value")


def test_predictions_that_moved() -> None:
    """All predictions in other bins are a shift; the sentence tells the bound and what was observed."""
    low, high = (20,) + (0,) * 19, (0,) * 19 + (20,)
    sample = Sample(candidate=SlotCounts(prediction_bins=low), live=SlotCounts(prediction_bins=high))
    verdict = gate.shift_verdict(RULES, seen(*[sample] * 10))
    assert verdict.judgement is Judgement.FAIL
    assert verdict.sentence == (
        "prediction_shift: at least 0.810 after 200 candidate predictions (observed 1.000), allowed 0.100"
    )


def test_the_next_step_counts_anew_what_it_must() -> None:
    """Harm and units start at zero with each step; guardrails and predictions keep what they saw."""
    sample = Sample(candidate=SlotCounts(requests=9, errors=1, units=4), live=SlotCounts(requests=9, units=5))
    before = seen(sample)
    after = gate.begin_step(before)
    assert (after.step_candidate_requests, after.step_candidate_harm, after.step_live_requests) == (0, 0, 0)
    assert (after.units.candidate_units, after.units.live_units) == (0, 0)
    assert after.units.log_weights == before.units.log_weights
    assert after.guardrails == before.guardrails


COUNTS = st.tuples(st.integers(0, 500), st.integers(0, 500)).map(sorted)


@given(COUNTS, COUNTS, st.sampled_from(RULES.gates))
def test_more_harm_never_turns_a_verdict_better(candidate: list[int], live: list[int], name: Gate) -> None:
    """With one more bad candidate request the e-value is no smaller, whichever guardrail counts it."""
    events = {Gate.SLO_ERRORS: "errors", Gate.SLO_LATENCY: "slow_slo"}.get(name, str(name))

    def log_e(bad: int) -> float:
        sample = Sample(
            candidate=SlotCounts.model_validate({"requests": candidate[1] + 1, events: bad}),
            live=SlotCounts.model_validate({"requests": live[1], events: live[0]}),
        )
        bound = guardrail(seen(sample), name).bound
        assert bound is not None
        return bound

    # Where nothing but the candidate was served, its share of the bad requests says nothing.
    if live[1] or name in ABSOLUTE_GATES:
        assert log_e(candidate[0] + 1) > log_e(candidate[0])
    else:
        assert log_e(candidate[0] + 1) == pytest.approx(log_e(candidate[0]), abs=1e-9)
