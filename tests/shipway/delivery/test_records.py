"""What a local stack keeps while its ledger cannot be written: all that happened, until it can."""

import errno
from pathlib import Path

import pytest

from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LEDGER_JOB, Slot
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.ledger import Ledger
from shipway.delivery.records import FileRecords
from shipway.delivery.served import Change, ServedModel
from shipway.delivery.storage import FolderStorage
from tests.shipway.delivery.test_controller import A, B, World


def test_changes_wait_for_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    """A route carries its last change alone; those before it are kept by whoever made them, and entered in order."""
    world = World(tmp_path)
    controller = world.controller()
    for slots in ((A,), (A, B)):
        world.declare(*slots)
        controller.tick()
    last = sorted(world.layout.ledger.glob("*.json"))[-1]
    whole = last.read_bytes()
    last.chmod(0o644)
    last.write_bytes(b"{")
    controller.promote("digits", "ada", "looked at it")
    controller.rollback("digits", "bob", "pages")
    controller.tick()
    assert "the ledger is damaged" in controller.problems[LEDGER_JOB]
    last.write_bytes(whole)
    for _ in range(2):
        controller.tick()
    assert LEDGER_JOB not in controller.problems
    entries = Ledger(world.layout.ledger).entries("digits")
    assert [(entry.actor, entry.action) for entry in entries[-2:]] == [("ada", "override"), ("bob", "rolled_back")]
    assert [entry.generation for entry in entries] == [1, 2, 3, 4]


def test_a_clock_that_was_set_back_enters_nothing_twice(tmp_path: Path) -> None:
    """What waited is entered in the order in which it came, and the last of it is known to be the route's own."""
    kept = FileRecords(LocalLayout(tmp_path, "test"))
    folder = LocalLayout(tmp_path, "test").ledger
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("no folder")
    for number, time in ((1, "t9"), (2, "t1")):
        assert LEDGER_JOB in kept.record(served(number, time))
    folder.unlink()
    for _ in range(3):
        assert kept.record(served(2, "t1")) == {}
    assert [entry.generation for entry in Ledger(folder).entries()] == [1, 2]


@pytest.mark.parametrize("restarted", [False, True])
def test_an_entry_that_was_made_before_it_failed_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    """The entry has its name and the folder cannot be written back: whoever tries again finds it."""
    layout = LocalLayout(tmp_path, "test")
    kept = FileRecords(layout)
    assert kept.record(served(1, "t1")) == {}
    if restarted:
        kept = FileRecords(layout)
        assert kept.record(served(1, "t1")) == {}
    create = FolderStorage.create

    def torn(storage: FolderStorage, name: str, content: bytes) -> bool:
        create(storage, name, content)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(FolderStorage, "create", torn)
        assert "Input/output error" in kept.record(served(2, "t2"))[LEDGER_JOB]
    for _ in range(2):
        assert kept.record(served(2, "t2")) == {}
    assert [entry.generation for entry in Ledger(layout.ledger).entries()] == [1, 2]


def served(number: int, time: str) -> dict[str, ServedModel]:
    """Returns a model whose last change is the one of that number."""
    change = Change(time=time, actor="ada", action="advanced", reason="why", generation=number)
    spec = RouteSpec(
        model="digits",
        owner="vision",
        blue=SlotEndpoint(port=2000),
        green=SlotEndpoint(port=2001),
        timeout_seconds=1.0,
        max_body_bytes=1,
    )
    return {"digits": ServedModel(spec, RolloutState(live=Slot.BLUE), change)}
