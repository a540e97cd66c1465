"""The target files of rollouts: there while two slots are compared, gone afterwards."""

import json
from pathlib import Path

from shipway.contract.metrics import Slot
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.targets import RolloutTargets, scraped_often

A, B = ("sha256:" + letter * 64 for letter in "ab")
SPEC = RouteSpec(
    model="digits",
    owner="vision",
    blue=SlotEndpoint(port=2000, digest=A),
    green=SlotEndpoint(port=2001, digest=B),
    timeout_seconds=1.0,
    max_body_bytes=1,
)


def state(phase: Phase) -> RolloutState:
    """Returns blue live and green a candidate in `phase`."""
    return RolloutState(live=Slot.BLUE, live_digest=A, candidate=Slot.GREEN, candidate_digest=B, phase=phase)


def test_both_slots_are_targets_while_they_are_compared(tmp_path: Path) -> None:
    """Model and slot are labels of the target, as in the ordinary job; a rollback takes the file away."""
    targets = RolloutTargets(tmp_path, "test")
    targets.show({"digits": (SPEC, state(Phase.STEPPING))})
    [blue, green] = json.loads((tmp_path / "digits.json").read_text())
    assert blue == {"targets": ["127.0.0.1:2000"], "labels": {"env": "test", "model": "digits", "slot": "blue"}}
    assert green["targets"] == ["127.0.0.1:2001"]
    targets.show({"digits": (SPEC, state(Phase.ROLLED_BACK))})
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_process_before_are_removed(tmp_path: Path) -> None:
    """A rollout that ended while nobody looked leaves no target behind."""
    (tmp_path / "gone.json").write_text("[]")
    RolloutTargets(tmp_path, "test").show({})
    assert list(tmp_path.iterdir()) == []


def test_which_phases_are_scraped_often() -> None:
    """From the moment a candidate waits until it is judged; a promoted version is watched at the ordinary rate."""
    often = {phase for phase in Phase if scraped_often(state(phase))}
    assert often == {Phase.PREPARING, Phase.STEPPING, Phase.PAUSED}
    assert not scraped_often(RolloutState(live=Slot.GREEN, live_digest=B, phase=Phase.GUARDING))
