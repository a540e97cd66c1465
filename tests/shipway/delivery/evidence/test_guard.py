"""The guard after a promotion: what it goes back for, what it only shows, and when it is passed."""

import json
import math

import numpy as np
import pytest
from scipy.stats import binom

from shipway.contract.documents import parse
from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    Gate,
    GateAction,
    Judgement,
    Pause,
    Progress,
    QualityDrop,
    Sample,
    SlotCounts,
)
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence import gate, steps
from shipway.delivery.evidence.eprocess import log_e_value
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.guard import STARTS, begin_guard, watch
from shipway.delivery.evidence.steps import Move

SPEC = RolloutSpec(guard_seconds=100)
RULES = Rules.of_route(SPEC, SloSpec())
NOTHING = NoEvidence(Judgement.INCONCLUSIVE, "Prometheus does not answer")
WELL = Sample(candidate=SlotCounts(requests=100, errors=1, slow_slo=5))
BAD = Sample(candidate=SlotCounts(requests=100, errors=5, slow_slo=5))


def watched(looks: list[tuple[Sample | NoEvidence, float]], rules: Rules = RULES) -> steps.Decision:
    """Returns the last decision: the one that ended the guard, or that of the last look."""
    progress, decision = begin_guard(rules), None
    for look, elapsed in looks:
        decision = watch(rules, progress, look, elapsed)
        progress = decision.progress
        if decision.move is not Move.HOLD:
            break
    assert decision is not None
    return decision


def labels(wrong: int, live_wrong: int) -> Sample:
    return Sample(
        candidate=SlotCounts(labelled=100, label_errors=wrong), live=SlotCounts(labelled=100, label_errors=live_wrong)
    )


def test_a_healthy_version_settles() -> None:
    """At the end of its time, and not before, with the time and the requests in the sentence."""
    held = watched([(WELL, 1.0)] * 99)
    assert (held.move, held.weight_percent) == (Move.HOLD, 100)
    assert held.sentence == "guarded for 99 of 100 s, 9900 requests so far"
    settled = watched([(WELL, 1.0)] * 200)
    assert settled.move is Move.SETTLE
    assert settled.progress.step_elapsed_seconds == 100
    assert settled.sentence == "nothing was proved against it in 100 s and 10000 requests"
    assert [verdict.gate for verdict in settled.verdicts] == [*RULES.gates, Gate.ACCURACY_DROP, Gate.EVIDENCE]


@pytest.mark.parametrize("began", [0, 50, 90])
def test_a_version_that_turns_bad_is_left(began: int) -> None:
    """Five times the objective is proved within 6 s, after a long good past as well as at once."""
    decision = watched([(WELL, 1.0)] * began + [(BAD, 1.0)] * 100)
    assert decision.move is Move.ROLL_BACK
    assert decision.progress.step_elapsed_seconds - began <= 6
    assert decision.sentence.startswith("slo_errors: harm is proved: ")


def test_a_single_start_would_let_the_past_excuse_the_present() -> None:
    """The same 10 s of harm, after 90 s without an error, are no proof to a plain e-process."""
    flawless = Sample(candidate=SlotCounts(requests=100))
    plain = begin_guard(RULES).changed(evidence=gate.begin(RULES))
    late = begin_guard(RULES)
    for number in range(100):
        look = flawless if number < 90 else BAD
        plain, late = watch(RULES, plain, look, 1.0).progress, watch(RULES, late, look, 1.0).progress
    assert not any(gate.rejected(RULES, state) for state in plain.evidence.guardrails)
    assert any(gate.rejected(RULES, state) for state in late.evidence.guardrails)


def test_wrong_labels_lead_back() -> None:
    """Late labels of both versions are compared, request or none; a candidate as wrong as live stays."""
    decision = watched([(labels(60, 10), 1.0)])
    assert decision.move is Move.ROLL_BACK
    assert decision.sentence.startswith("label_errors: harm is proved: 60 of 100 candidate labels against 10 of 100")
    assert watched([(labels(20, 20), 1.0)] * 50).move is Move.HOLD


def drop(ratio: float, before: float | None = None) -> Sample:
    """Returns a look at a version that is healthy but for what late labels say of it, and of the one before."""
    drops = {
        name: None if value is None else QualityDrop(metric="auc", drop_ratio=value, limit_ratio=0.05)
        for name, value in (("candidate_drop", ratio), ("live_drop", before))
    }
    return WELL.model_copy(update=drops)


def test_a_proved_drop_of_accuracy_leads_back() -> None:
    """At the limit it is left, with metric, drop and limit in the sentence; below it, and without labels, it stays."""
    decision = watched([(drop(0.049), 1.0), (drop(0.05), 1.0)])
    assert (decision.move, decision.progress.step_elapsed_seconds) == (Move.ROLL_BACK, 2)
    said = "accuracy_drop: by late labels its auc is 5.0% worse than the one before at least, 5.0% is allowed"
    assert decision.sentence == said
    for look, judgement, words in (
        (drop(0.0), Judgement.PASS, "by late labels its auc is not proved worse, 5.0% is allowed"),
        (WELL, Judgement.INCONCLUSIVE, "no label says yet how good this version is beside the one before"),
        (NOTHING, Judgement.INCONCLUSIVE, "no label says yet how good this version is beside the one before"),
    ):
        held = watched([(look, 1.0)] * 5)
        verdict = next(one for one in held.verdicts if one.gate is Gate.ACCURACY_DROP)
        assert (held.move, verdict.judgement) == (Move.HOLD, judgement)
        assert verdict.sentence == f"accuracy_drop: {words}"


def test_a_drop_that_befell_both_versions_asks_a_person_once() -> None:
    """Where the version before has dropped as far, going back helps nobody; who lifts that is not asked again."""
    assert watched([(drop(0.2, before=0.01), 1.0)]).move is Move.ROLL_BACK
    decision = watched([(drop(0.2, before=0.06), 1.0)])
    assert (decision.move, decision.progress.paused) == (Move.PAUSE, Pause.BOTH_SLOTS_BAD)
    assert decision.sentence.startswith(
        "the version before has dropped too (auc, 6.0%); the weights stay: accuracy_drop"
    )
    held = watch(RULES, decision.progress, drop(0.2, before=0.06), 1.0)
    assert (held.move, held.progress.paused) == (Move.HOLD, Pause.BOTH_SLOTS_BAD)
    assert watch(RULES, steps.resume(decision.progress), drop(0.2, before=0.06), 1.0).move is Move.HOLD


def test_a_drop_counts_only_where_model_yaml_lets_it() -> None:
    """Off it is not even shown; where it may only pause, it is shown and a person decides."""
    for action, shown in ((GateAction.OFF, False), (GateAction.PAUSE, True)):
        rollout = RolloutSpec(guard_seconds=100, gates={Gate.ACCURACY_DROP: action})
        decision = watched([(drop(0.9), 1.0)] * 5, Rules.of_route(rollout, SloSpec()))
        assert decision.move is Move.HOLD
        assert any(verdict.gate is Gate.ACCURACY_DROP for verdict in decision.verdicts) is shown


def test_labels_go_on_from_the_rollout() -> None:
    """What labels had proved before the promotion counts, and so does a pause that a person had lifted."""
    before = steps.begin(RULES).model_copy(
        update={"approved": (Pause.MANUAL,), "slow_live_edge_seconds": 0.3, "counters": {"x": ()}}
    )
    earned = steps.advance(RULES, before, labels(40, 10), 1.0).progress
    begun = begin_guard(RULES, earned)
    assert (begun.approved, begun.slow_live_edge_seconds, begun.counters) == ((Pause.MANUAL,), 0.3, {"x": ()})
    again = watch(RULES, begun, labels(40, 10), 1.0)
    assert again.move is Move.ROLL_BACK
    assert "80 of 200 candidate labels against 20 of 200" in again.sentence
    assert watch(RULES, begin_guard(RULES), labels(40, 10), 1.0).move is Move.HOLD


def test_a_holdback_keeps_the_comparison() -> None:
    """With some traffic on the version before, relative guardrails work as in a step; without it they say nothing."""
    rules = Rules.of_route(RolloutSpec(guard_seconds=100, holdback_percent=5), SloSpec(error_ratio=0.5))
    both = Sample(candidate=SlotCounts(requests=950, errors=190), live=SlotCounts(requests=50, errors=0))
    decision = watched([(both, 1.0)] * 10, rules)
    assert (decision.move, decision.weight_percent) == (Move.ROLL_BACK, 95)
    assert decision.sentence.startswith("errors: harm is proved: ")
    alone = watched([(Sample(candidate=both.candidate), 1.0)] * 50, rules)
    assert alone.move is Move.HOLD
    assert {verdict.judgement for verdict in alone.verdicts if verdict.gate is Gate.ERRORS} == {Judgement.INCONCLUSIVE}


def test_missing_evidence_holds() -> None:
    """Silence is timed, never a rollback and never a pass: a guard ends when it has seen all of its time."""
    decision = watched([(WELL, 1.0), *[(NOTHING, 1.0)] * 500])
    assert (decision.move, decision.progress.silent_seconds) == (Move.HOLD, 500)
    assert decision.sentence == "guarded for 1 of 100 s, 100 requests so far"
    settled = watched([(WELL, 1.0), *[(NOTHING, 1.0)] * 500, *[(WELL, 1.0)] * 500])
    assert (settled.move, settled.progress.step_elapsed_seconds) == (Move.SETTLE, 100)


def left_bad_behind() -> Progress:
    """Returns the progress of a candidate that is good while live is proved bad."""
    bad = Sample(candidate=SlotCounts(requests=100), live=SlotCounts(requests=100, errors=60))
    return Progress(evidence=gate.add_sample(RULES, gate.begin(RULES), bad, 50))


def test_there_is_no_way_back_to_what_was_proved_bad() -> None:
    """A promoted version that turns bad after it replaced a bad one stays, and a person is asked, once."""
    progress = begin_guard(RULES, left_bad_behind())
    decision = watch(RULES, progress, BAD, 1.0)
    while decision.move is Move.HOLD:
        decision = watch(RULES, decision.progress, BAD, 1.0)
    assert (decision.move, decision.progress.paused) == (Move.PAUSE, Pause.BOTH_SLOTS_BAD)
    said = "the version before was proved bad too (slo_errors); the weights stay: slo_errors: harm is proved: "
    assert decision.sentence.startswith(said)
    lifted = watch(RULES, steps.resume(decision.progress), BAD, 1.0)
    assert lifted.move is Move.HOLD


def test_wrong_labels_lead_back_whatever_the_version_before_was_like() -> None:
    """What is proved worse than the version before is left for it, also for one that misses its objective."""
    decision = watch(RULES, begin_guard(RULES, left_bad_behind()), labels(90, 10), 1.0)
    assert (decision.move, decision.because.cause) == (Move.ROLL_BACK, Gate.LABEL_ERRORS)


def test_what_a_person_overrode_is_not_held_against_the_version_again() -> None:
    """Requests from before the promotion that are counted after it are no evidence; a moment later all are."""
    dead = Sample(candidate=SlotCounts(requests=100, errors=100))
    progress = begin_guard(RULES, overridden=True)
    for elapsed in (0.4, 1.0, 0.4):
        decision = watch(RULES, progress, dead, elapsed)
        assert (decision.move, decision.progress.evidence.step_candidate_requests) == (Move.HOLD, 0)
        progress = decision.progress
    assert watch(RULES, progress, dead, 1.0).move is Move.ROLL_BACK
    assert watch(RULES, begin_guard(RULES), dead, 0.4).move is Move.ROLL_BACK


def test_a_guard_that_saw_nothing_is_prolonged() -> None:
    """It waits for requests, twice its time at most, and then says that nothing was seen."""
    assert watched([(NOTHING, 1.0)] * 999).sentence == "guarded for 0 of 100 s, no request so far"
    assert watched([(Sample(), 1.0)] * 199).sentence == "guarded for 199 of 100 s, no request so far"
    late = watched([(Sample(), 1.0)] * 150 + [(WELL, 1.0)])
    assert (late.move, late.progress.step_elapsed_seconds) == (Move.SETTLE, 151)
    never = watched([(Sample(), 1.0)] * 300)
    assert (never.move, never.progress.step_elapsed_seconds) == (Move.SETTLE, 200)
    assert never.sentence == "no request came in 200 s: nothing was proved, and nothing was seen"


def test_no_guard_is_no_guard() -> None:
    """With zero seconds the first look settles."""
    assert watched([(WELL, 1.0)], Rules.of_route(RolloutSpec(guard_seconds=0), SloSpec())).move is Move.SETTLE


def test_a_gate_that_may_only_pause_is_shown() -> None:
    """After the promotion there is nothing to pause: the verdict says what is wrong, and a person decides."""
    rules = Rules.of_route(RolloutSpec(guard_seconds=100, gates={Gate.SLO_ERRORS: GateAction.PAUSE}), SloSpec())
    decision = watched([(BAD, 1.0)] * 50, rules)
    assert decision.move is Move.HOLD
    assert [verdict.gate for verdict in decision.verdicts if verdict.judgement is Judgement.FAIL] == [Gate.SLO_ERRORS]


def test_a_paused_guard_waits() -> None:
    """While a person thinks its clock stands still, and it does not settle."""
    paused = begin_guard(RULES).model_copy(update={"paused": Pause.BOTH_SLOTS_BAD})
    decision = watch(RULES, paused, WELL, 1e6)
    assert (decision.move, decision.progress.step_elapsed_seconds) == (Move.HOLD, 0)
    assert decision.sentence == "paused (both_slots_bad): waits for a person"


def test_the_mass_is_given_out_evenly() -> None:
    """A twentieth tests from the start, one more at each twentieth of the time, and E begins at 1 whatever waits."""
    progress = begin_guard(RULES)
    reserves: list[float] = []
    for _ in range(100):
        absolute = [one for one in progress.evidence.guardrails if one.gate in ABSOLUTE_GATES]
        assert [log_e_value(one.log_weights, one.reserve_ratio) for one in absolute] == pytest.approx([0, 0], abs=1e-9)
        reserves.append(absolute[0].reserve_ratio)
        progress = watch(RULES, progress, Sample(), 1.0).progress
    assert sorted({round(reserve * STARTS) for reserve in reserves}) == list(range(STARTS))
    assert reserves[:7] == pytest.approx([0.95] * 6 + [0.9])


def test_the_mixture_gains_nothing_under_the_null() -> None:
    """Over every outcome of three looks at a version that just meets its objective, E's mean is 1."""
    rules = Rules.of_route(RolloutSpec(guard_seconds=3), SloSpec(error_ratio=0.3))

    def mean(progress: Progress, looks: int) -> float:
        if not looks:
            one = next(one for one in progress.evidence.guardrails if one.gate is Gate.SLO_ERRORS)
            return math.exp(log_e_value(one.log_weights, one.reserve_ratio))
        total = 0.0
        for bad in range(4):
            sample = Sample(candidate=SlotCounts(requests=3, errors=bad))
            after = watch(rules, progress, sample, 1.0).progress
            total += float(binom.pmf(bad, 3, 0.3)) * mean(after, looks - 1)
        return total

    assert mean(begin_guard(rules), 3) == pytest.approx(1.0, abs=1e-9)


def test_a_healthy_guard_rarely_goes_back() -> None:
    """200 looks at 300 versions that just meet their objective: at most alpha are ever left."""
    alpha, guards, chance = 0.05, 300, np.random.default_rng(5)
    off = {name: GateAction.OFF for name in RULES.gates if name is not Gate.SLO_ERRORS}
    rules = Rules.of_route(RolloutSpec(guard_seconds=200, guardrail_alpha=alpha, gates=off), SloSpec())
    left = 0
    for errors in chance.binomial(50, 0.01, (guards, 200)).tolist():
        looks = [(Sample(candidate=SlotCounts(requests=50, errors=bad)), 1.0) for bad in errors]
        left += watched(looks, rules).move is Move.ROLL_BACK
    assert left / guards <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / guards)


def test_progress_survives_being_written() -> None:
    """What is written on the route is read back as it was."""
    progress = watched([(WELL, 7.0)] * 3).progress
    assert parse(Progress, json.loads(progress.model_dump_json()), "route") == progress
