"""A rollout is told in order, whole, and by whatever name a person has for it."""

import pytest

from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Gate
from shipway.contract.rollout import Move
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.explain import choose, frame, story, tell
from shipway.delivery.looking import query_of
from tests.shipway.delivery.told import CANDIDATE, entries, entry, looks

KNOWN = {
    ("digits", 1): "sha256:" + "b" * 64,
    ("digits", 2): "sha256:" + "bbbbbbcc" * 8,
    ("flights", 4): "sha256:" + "c" * 64,
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("digits", ("digits", 2)),
        ("digits/1", ("digits", 1)),
        ("sha256:" + "b" * 64, ("digits", 1)),
        ("bbbbbbb", ("digits", 1)),
        ("CCCCCC", ("flights", 4)),
    ],
)
def test_a_release_has_many_names(wanted: str, expected: tuple[str, int]) -> None:
    """A model is its newest rollout; a digest, whole or short, the one that judged it."""
    assert choose(wanted, ["digits", "flights", "new"], KNOWN) == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("bbbbbb", "bbbbbb means bbbbbbbbbbbb, bbbbbbccbbbb; give more digits"),
        ("digits/" + "9" * 5000, "no rollout '999"),
        ("digits/9", "no rollout '9' of 'digits'; known ones are 1, 2"),
        ("new", "new never had a rollout"),
        ("digitz", "'digitz' is no release: expected a digest .* models with rollouts: digits, flights"),
        ("dddddd", "no rollout judged dddddd"),
        ("bbb", "'bbb' is no release: expected a digest .at least 6 digits"),
    ],
)
def test_a_name_that_means_nothing_is_refused(wanted: str, message: str) -> None:
    """Nothing, too short, too much: each says what would have been understood."""
    with pytest.raises(ShipwayError, match=message):
        choose(wanted, ["digits", "flights", "new"], KNOWN)


def test_a_good_rollout_is_told_from_ledger_and_history() -> None:
    """Each transition appears once, with the step from the look and the rest from the ledger; the end is said."""
    history = looks()
    told = story("digits", 7, history, entries(history))
    assert [event.action for event in told.events] == ["candidate", "advanced", "advanced", "advanced", "promoted"]
    assert [(event.step_index, event.weight_percent) for event in told.events[1:]] == [
        (0, 5),
        (1, 25),
        (2, 50),
        (3, 100),
    ]
    assert (told.candidate_digest, told.ended) == (CANDIDATE, "promoted")
    assert told.outcome.startswith("promoted at 2026-11-26T14:")


def test_what_a_crash_kept_from_the_ledger_is_told_from_the_history() -> None:
    """A transition without an entry comes from its look, in its place; a person's act comes from the ledger alone."""
    history = looks()
    kept = entries(history)
    told = story("digits", 7, history, [*kept[:2], *kept[3:]])
    assert [event.action for event in told.events] == ["candidate", "advanced", "advanced", "advanced", "promoted"]
    by_hand = entry(9, "2026-11-26T15:00:00.000+00:00", "rolled_back", history[-1], actor="ada")
    told = story("digits", 7, history, [*kept, by_hand])
    assert told.outcome.startswith("rolled_back at 2026-11-26T15:00:00.000+00:00 by ada: ")


def test_a_rollout_under_way_has_no_end() -> None:
    """Without a last transition the story says that it goes on."""
    history = looks(most=20)
    assert story("digits", 7, history, entries(history)).outcome.startswith("under way; last advanced at ")
    assert story("digits", 7, [], []).outcome == "nothing has happened yet"


@pytest.mark.parametrize(
    "gate", [*Rules.gates, Gate.SAMPLE_RATIO, Gate.PREDICTION_SHIFT, Gate.EVIDENCE, Gate.HARM_BUDGET]
)
def test_every_gate_is_told_with_its_query_and_counts(gate: Gate) -> None:
    """Each gate's verdict has judgement, counts, bound, threshold, sentence and query, at every transition."""
    history = looks(bad_every=3)
    text = tell(story("digits", 7, history, entries(history)), query_of)
    transitions = sum(look.move is not Move.HOLD for look in history)
    rows = [line for line in text.splitlines() if line.startswith(f"    {gate} ")]
    assert len(rows) == transitions
    assert all("candidate " in row and "live " in row and " of " in row for row in rows)
    assert f"query: {query_of(gate, 'digits')}" in text
    said = next(verdict for verdict in history[-1].verdicts if verdict.gate is gate)
    assert f"      {said.sentence}" in text
    assert text.splitlines()[-1].startswith("outcome: rolled_back at ")


@pytest.mark.parametrize("gate", [*Rules.gates, Gate.SAMPLE_RATIO])
def test_a_frame_shows_each_guardrail_against_its_limit(gate: Gate) -> None:
    """Weight, step, counts, worst excess against its budget, e-value against limit, and what it waits for."""
    history = looks(most=25)
    lines = frame(history[-1], (1, 5, 25, 50, 100))
    assert lines[0].startswith("digits  rollout 7  stepping, step 2 of 5: 5 % to green (bbbbbbbbbbbb), against aaaa")
    assert any(line.startswith("  budget   worst excess ") and " of at most " in line for line in lines)
    (row,) = (line.split() for line in lines if line.startswith(f"  {gate} "))
    assert len(row) == 6
    assert lines[-1] == f"  waits: {history[-1].sentence}"
