"""The step machine: what each look leads to, and the laws over random histories."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.documents import parse
from shipway.contract.evidence import Gate, GateAction, Judgement, Pause, Progress, Sample, SlotCounts
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence import gate, steps
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.steps import Move, advance, resume, step_needs

SPEC = RolloutSpec()
RULES = Rules(SPEC, SloSpec())
NOTHING = NoEvidence(Judgement.INCONCLUSIVE, "candidate evidence missing")


def look(candidate: int = 0, bad: int = 0, live: int = 0, live_bad: int = 0, **more: int) -> Sample:
    return Sample(
        candidate=SlotCounts(requests=candidate, errors=bad, units=more.get("units", 0)),
        live=SlotCounts(requests=live, errors=live_bad, units=more.get("live_units", 0)),
    )


def at(index: int) -> Progress:
    return steps.begin(RULES).model_copy(update={"step_index": index})


def settled(progress: Progress) -> Progress:
    """Returns the progress after the look that straddled the change of weight."""
    return progress.changed(settling=False)


def test_a_flawless_version_earns_every_step() -> None:
    """27, 168, 357 and 754 requests lead from 1 to 5, 25, 50 and 100 %; the last move is the promotion."""
    progress, seen = steps.begin(RULES), []
    for requests in (27, 168, 357, 754):
        decision = advance(RULES, progress, look(requests, live=100), 5)
        seen.append((decision.move, decision.weight_percent))
        progress = settled(decision.progress)
    assert seen == [(Move.ADVANCE, 5), (Move.ADVANCE, 25), (Move.ADVANCE, 50), (Move.PROMOTE, 100)]


def test_a_step_waits_for_evidence_and_says_so() -> None:
    """One request too few holds; the sentence tells how far it is."""
    decision = advance(RULES, at(0), look(26, live=100), 60)
    assert (decision.move, decision.weight_percent) == (Move.HOLD, 1)
    assert decision.sentence == (
        "harm_budget: worst excess 20.29% after 0 bad of 26 candidate requests against 0 of 100 of live; "
        "5 % allows 20.00%, which takes at least 27 requests"
    )


def test_a_step_lasts_as_long_as_it_must() -> None:
    """All the evidence in the world does not shorten `min_step_seconds`."""
    decision = advance(RULES, at(0), look(500, live=500), 4.5)
    assert decision.move is Move.HOLD
    assert decision.sentence.endswith("; 4.5 of at least 5 s")
    assert advance(RULES, decision.progress, look(1, live=1), 0.5).move is Move.ADVANCE


def test_missing_evidence_holds_and_then_rolls_back() -> None:
    """A look without evidence never moves forward, even when enough was seen; at the deadline it goes back."""
    enough = advance(RULES, at(0), look(500, live=500), 1).progress
    held = advance(RULES, enough, NOTHING, 3598)
    assert (held.move, held.sentence) == (Move.HOLD, "evidence: candidate evidence missing")
    late = advance(RULES, held.progress, NOTHING, 1)
    assert (late.move, late.weight_percent) == (Move.ROLL_BACK, 0)
    assert late.sentence == "not earned within 3600 s: evidence: candidate evidence missing"


def test_a_bad_version_goes_back_at_once() -> None:
    """Proof of harm rolls back whatever else is missing or paused."""
    dead = look(20, bad=20, live=400, live_bad=4)
    decision = advance(RULES, at(1), dead, 0.25)
    assert (decision.move, decision.weight_percent) == (Move.ROLL_BACK, 0)
    assert decision.sentence.startswith("errors: harm is proved: 20 of 20 candidate requests against 4 of 400 of live")
    paused = at(1).model_copy(update={"paused": Pause.MANUAL})
    assert advance(RULES, paused, dead, 0.25).move is Move.ROLL_BACK


def test_when_both_slots_are_bad_the_weights_freeze() -> None:
    """A cause that both share is no reason to go back: it pauses once, and stays paused."""
    down = look(1000, bad=500, live=1000, live_bad=500)
    decision = advance(RULES, at(3), down, 5)
    assert (decision.move, decision.weight_percent) == (Move.PAUSE, 50)
    assert decision.progress.paused is Pause.BOTH_SLOTS_BAD
    assert decision.sentence == "both slots miss their objective (slo_errors); the weights stay"
    again = advance(RULES, decision.progress, down, 5)
    assert (again.move, again.sentence) == (Move.HOLD, "paused (both_slots_bad): waits for a person")


def test_a_mismatch_of_units_pauses() -> None:
    """It stops the rollout, it does not roll it back; a person may go on, and it does not pause again."""
    uneven = look(1000, live=1000, units=600, live_units=400)
    decision = advance(RULES, at(3), uneven, 5)
    assert (decision.move, decision.progress.paused) == (Move.PAUSE, Pause.SAMPLE_RATIO)
    lifted = resume(decision.progress)
    assert (lifted.paused, lifted.approved) == (None, (Pause.SAMPLE_RATIO,))
    assert advance(RULES, lifted, uneven, 5).move is Move.PROMOTE


def test_a_manual_gate_waits_for_a_person() -> None:
    """With everything earned the gate pauses; the clock stops; approval lets it go on."""
    rules = Rules(RolloutSpec(manual_gate_before_percent=50), SloSpec())
    earned = look(10_000, live=10_000)
    decision = advance(rules, at(1), earned, 5)
    assert decision.move is Move.ADVANCE
    decision = advance(rules, settled(decision.progress), earned, 5)
    assert (decision.move, decision.weight_percent) == (Move.PAUSE, 25)
    assert decision.sentence.endswith("; 50 % waits for `shipway approve`")
    waiting = advance(rules, decision.progress, earned, 1e6)
    assert (waiting.move, waiting.progress.step_elapsed_seconds) == (Move.HOLD, 5)
    assert advance(rules, resume(waiting.progress), earned, 1).move is Move.ADVANCE


def test_the_first_look_after_a_change_is_no_step_evidence() -> None:
    """It straddles the change: the step starts with the next one, and everything that is no evidence is kept."""
    kept = {"slow_live_edge_seconds": 0.3, "counters": {"x": (("blue", "a:1", "ok", 5, 1.0),)}, "unready_seconds": 0.5}
    moved = advance(RULES, at(0).model_copy(update=kept), look(500, live=500), 5)
    assert moved.move is Move.ADVANCE
    assert (moved.progress.settling, moved.progress.step_elapsed_seconds) == (True, 0)
    assert {name: getattr(moved.progress, name) for name in kept} == kept
    held = advance(RULES, moved.progress, look(5000, live=5000), 5)
    assert (held.move, held.progress.settling) == (Move.HOLD, False)
    assert held.progress.evidence.step_candidate_requests == 0
    assert held.progress.evidence.guardrails[0].candidate_requests == 5500
    blind = advance(RULES, moved.progress, NOTHING, 5)
    assert blind.progress.settling
    assert advance(RULES, held.progress, look(200, live=600), 5).move is Move.ADVANCE


def test_silence_is_timed() -> None:
    """It grows while looks fail, and ends with the first that can be read, also when no request came."""
    progress = at(0)
    for seen, elapsed, silent in (
        (NOTHING, 2.0, 2.0),
        (NOTHING, 3.0, 5.0),
        (look(), 1.0, 0.0),
        (NOTHING, 1.0, 1.0),
    ):
        progress = advance(RULES, progress, seen, elapsed).progress
        assert progress.silent_seconds == silent


def test_a_guardrail_may_only_pause() -> None:
    """With the action pause it waits for a person instead of going back, and once approved it does not pause again."""
    rules = Rules.of_route(RolloutSpec(gates={Gate.SLOW_SLO: GateAction.PAUSE}), SloSpec(latency_quantile=0.5))
    slow = Sample(candidate=SlotCounts(requests=1000, slow_slo=200), live=SlotCounts(requests=1000, slow_slo=20))
    decision = advance(rules, at(3), slow, 5)
    assert (decision.move, decision.weight_percent, decision.progress.paused) == (Move.PAUSE, 50, Pause.GUARDRAIL)
    assert decision.sentence.startswith("slow_slo: harm is proved: 200 of 1000 candidate requests against 20 of 1000")
    assert advance(rules, decision.progress, slow, 5).move is Move.HOLD
    assert advance(rules, resume(decision.progress), slow, 5).move is Move.PROMOTE


@pytest.mark.parametrize(
    ("action", "move"),
    [(GateAction.PAUSE, Move.PAUSE), (GateAction.ROLLBACK, Move.ROLL_BACK), (GateAction.OFF, Move.PROMOTE)],
)
def test_moved_predictions_do_what_the_model_says(action: GateAction, move: Move) -> None:
    """A shift pauses by default; it may roll back, or not act at all."""
    rules = Rules.of_route(RolloutSpec(gates={Gate.PREDICTION_SHIFT: action}), SloSpec())
    low, high = (500,) + (0,) * 19, (0,) * 19 + (500,)
    moved = Sample(
        candidate=SlotCounts(requests=2000, prediction_bins=low), live=SlotCounts(requests=2000, prediction_bins=high)
    )
    first = advance(rules, at(3), moved, 1)
    assert advance(rules, first.progress, moved, 5).move is move


def test_a_split_that_is_off_does_not_pause() -> None:
    """Callers that a gateway cannot keep apart may turn the check off."""
    rules = Rules.of_route(RolloutSpec(gates={Gate.SAMPLE_RATIO: GateAction.OFF}), SloSpec())
    assert advance(rules, at(3), look(1000, live=1000, units=600, live_units=400), 5).move is Move.PROMOTE


def test_when_a_person_goes_on_with_both_slots_bad() -> None:
    """Approved once, the shared cause does not pause again; the harm budget still has to be kept."""
    down = look(1000, bad=500, live=1000, live_bad=500)
    lifted = resume(advance(RULES, at(3), down, 5).progress)
    again = advance(RULES, lifted, down, 5)
    assert (again.move, again.because.cause) == (Move.HOLD, Gate.HARM_BUDGET)


def test_progress_survives_being_written() -> None:
    """What is written on the route is read back as it was, to the last bit."""
    progress = advance(RULES, at(1), look(20, bad=1, live=380, live_bad=3), 1.25).progress
    assert parse(Progress, json.loads(progress.model_dump_json()), "route") == progress


def test_what_each_step_will_need() -> None:
    """A flawless version at 200 requests/s needs the known counts; without traffic no step is ever in time."""
    needs = step_needs(RULES, requests_per_second=200, error_ratio=0)
    assert [(need.next_percent, need.candidate_requests) for need in needs] == [
        (5, 27),
        (25, 168),
        (50, 357),
        (100, 754),
    ]
    assert [need.seconds for need in needs] == [pytest.approx(s) for s in (13.5, 16.8, 7.14, 7.54)]
    assert all(need.in_time for need in needs)
    idle = step_needs(RULES, requests_per_second=0, error_ratio=0)
    assert [(need.seconds, need.in_time) for need in idle] == [(None, False)] * 4


COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200)).map(sorted)
LOOKS = st.one_of(
    st.tuples(COUNTS, COUNTS).map(lambda both: look(both[0][1], both[0][0] // 20, both[1][1], both[1][0] // 20)),
    st.just(NOTHING),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LOOKS, st.floats(0, 30)), max_size=40))
def test_the_laws_hold_over_any_history(history: list[tuple[Sample | NoEvidence, float]]) -> None:
    """The weight never skips a step, moves forward only on a look with evidence, and ends where it may end."""
    progress = steps.begin(RULES)
    for seen, elapsed in history:
        before = progress.step_index
        decision = advance(RULES, progress, seen, elapsed)
        failed = [verdict.gate for verdict in decision.verdicts if verdict.judgement is Judgement.FAIL]
        assert failed == gate.failed_gates(RULES, decision.progress.evidence)
        progress = decision.progress
        if decision.move in (Move.ADVANCE, Move.PROMOTE):
            assert isinstance(seen, Sample)
            assert decision.weight_percent == SPEC.steps_percent[before + 1]
            assert progress.step_elapsed_seconds == 0
            verdicts = {verdict.judgement for verdict in decision.verdicts[-2:]}
            assert verdicts == {Judgement.PASS}
        else:
            assert decision.weight_percent == (0 if decision.move is Move.ROLL_BACK else SPEC.steps_percent[before])
        if decision.move in (Move.PROMOTE, Move.ROLL_BACK):
            break
