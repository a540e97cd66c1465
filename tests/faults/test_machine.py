"""The model finds what must not be in a run, and nothing in a run that is as it must be."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState
from tests.faults.machine import AFTER, GENESIS, NOTES, TERMINAL, Entry, judge_run, read_ledger
from tests.faults.recorder import Observed
from tests.shipway.delivery.stack import digest

STEPS = (5, 25, 100)
ROAD = (
    *(("first_live", 0), ("settled", 0), ("candidate", 0), ("stepping", 5), ("advanced", 25)),
    *(("promoted", 0), ("settled", 0)),
)


def entries(*road: tuple[str, int]) -> list[Entry]:
    """Returns a ledger of the given actions and weights."""
    made: list[Entry] = []
    for number, (action, weight) in enumerate(road, start=1):
        live, candidate = ("b", "") if action == "promoted" else ("a", "b" if number > 2 else "")
        digests = {"live": digest(live)} | ({"candidate": digest(candidate)} if candidate else {})
        made.append(Entry(number, action, number, int(number > 2), weight, digests, "why"))
    return made


def observed(*states: RolloutState) -> list[Observed]:
    """Returns the states as the recorder would have seen them, one a second."""
    return [Observed(float(place), state) for place, state in enumerate(states)]


def stepping(generation: int, weight_percent: int, phase: Phase = Phase.STEPPING) -> RolloutState:
    """Returns a state in which green is the candidate."""
    return RolloutState(
        live=Slot.BLUE,
        live_digest=digest("a"),
        candidate=Slot.GREEN,
        candidate_digest=digest("b"),
        phase=phase,
        weight_percent=weight_percent,
        generation=generation,
    )


def test_the_road_of_a_good_candidate() -> None:
    """Step by step to a promotion that settles is as it must be."""
    states = (stepping(3, 0, Phase.PREPARING), stepping(4, 5), stepping(5, 25))
    assert judge_run(observed(*states), entries(*ROAD), STEPS) == []


@pytest.mark.parametrize(
    ("road", "problem"),
    [
        ((*ROAD[:3], ("advanced", 25)), "entry 4 (advanced): may not follow candidate"),
        ((*ROAD[:4], ("advanced", 100)), "entry 5 (advanced): 100 %, expected 25 %"),
        ((*ROAD[:4], ("promoted", 0)), "entry 5 (promoted): skips [25] %"),
        ((*ROAD[:5], ("advanced", 25)), "entry 6 (advanced): 25 %, expected 100 %"),
        ((*ROAD, ("rolled_back", 0)), "entry 8 (rolled_back): rollout 1 had ended before (settled, rolled_back)"),
        ((*ROAD[:4], ("rolled_back", 0), *ROAD[2:4]), "entry 7 (stepping): bbbbbb was rejected before"),
        ((*ROAD[:3], ("vanished", 0)), "entry 4 (vanished): nobody knows this action"),
    ],
)
def test_a_road_that_must_not_be(road: tuple[tuple[str, int], ...], problem: str) -> None:
    """A step that is skipped, repeated, out of order or taken by a rejected digest is named."""
    assert problem in judge_run([], entries(*road), STEPS)


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        ((stepping(1, 7),), "generation 1: 7 % is no declared step"),
        ((stepping(1, 5, Phase.FAILED),), "generation 1: failed with 5 % of the traffic"),
        ((stepping(2, 5), stepping(1, 5)), "generation 2 -> 1: falls"),
        ((stepping(2, 5), stepping(2, 25)), "generation 2 -> 2: stepping 5 % -> stepping under one number"),
        ((stepping(2, 5), stepping(3, 0, Phase.FAILED)), "generation 2 -> 3: stepping -> failed"),
        ((stepping(90, 5), stepping(91, 25)), "generation 91: stepping 5 % -> stepping 25 % is not in the ledger"),
    ],
)
def test_a_state_that_must_not_be(states: tuple[RolloutState, ...], problem: str) -> None:
    """A weight, a phase or a number that cannot be, and a change nobody told, are named."""
    assert problem in judge_run(observed(*states), [], STEPS)


def test_the_table_is_closed() -> None:
    """Whatever may follow an action is an action of the table, and no note is one."""
    assert {after for allowed in AFTER.values() for after in allowed} <= AFTER.keys()
    assert not NOTES & AFTER.keys()
    assert AFTER.keys() >= TERMINAL


def test_a_broken_chain_is_found(tmp_path: Path) -> None:
    """An entry that was edited no longer fits the one after it."""
    previous = GENESIS
    for number in (1, 2):
        entry: dict[str, Any] = {
            "number": number,
            "previous": previous,
            "model": "digits",
            "action": "waiting",
            "digests": {},
            "reason": "r",
        }
        content = json.dumps(entry).encode()
        (tmp_path / f"{number:08}.json").write_bytes(content)
        previous = hashlib.sha256(content).hexdigest()
    assert read_ledger(tmp_path, "digits")[1] == []
    first = tmp_path / "00000001.json"
    first.write_text(first.read_text().replace('"r"', '"another"'))
    assert read_ledger(tmp_path, "digits")[1] == ["00000002.json: does not follow the entry before it"]
