"""What the ledger remembers: a stack that comes up anew serves what was live last, and nothing that failed."""

from pathlib import Path

from shipway.contract.ledger import Entry
from shipway.contract.metrics import Slot
from shipway.contract.route import Phase
from shipway.delivery.ledger import Ledger
from shipway.delivery.memory import remembered
from tests.shipway.delivery.test_controller import A, B, World

C = "sha256:" + "c" * 64


def test_nothing_is_remembered_of_a_new_model(tmp_path: Path) -> None:
    """An empty ledger gives an empty state."""
    state = remembered(Ledger(tmp_path).entries("digits"))
    assert (state.live_digest, state.previous_digest, state.rejected_digests, state.generation) == ("", "", (), 0)


def test_a_stack_that_comes_up_anew_serves_what_was_live_last(tmp_path: Path) -> None:
    """The slot of the promoted version is first, and the version before it is where a rollback goes, no candidate."""
    world = World(tmp_path)
    controller = world.controller()
    for slots in ((A,), (A, B)):
        world.declare(*slots)
        controller.tick()
    controller.promote("digits", "ada", "looked at it")
    (world.layout.served_routes).unlink()
    anew = world.controller()
    anew.tick()
    state = anew.served["digits"].state
    assert (state.live, state.live_digest, state.previous_digest) == (Slot.GREEN, B, A)
    anew.tick()
    assert anew.served["digits"].state.candidate is None
    assert anew.rollback("digits", "bob", "pages").state.live is Slot.BLUE


def test_what_failed_is_remembered(tmp_path: Path) -> None:
    """A digest that was rolled back takes no traffic after the stack came up anew; one that was retried may."""
    world = World(tmp_path)
    controller = world.controller()
    for slots in ((A,), (A, B)):
        world.declare(*slots)
        controller.tick()
    controller.rollback("digits", "ada", "no good")
    (world.layout.served_routes).unlink()
    anew = world.controller()
    for _ in range(3):
        anew.tick()
    state = anew.served["digits"].state
    assert (state.live, state.candidate_digest, state.phase) == (Slot.BLUE, B, Phase.ROLLED_BACK)
    anew.retry("digits", B, "ada", "it was the network")
    assert remembered(Ledger(world.layout.ledger).entries("digits")).rejected_digests == ()


def test_a_retry_forgives_the_digest_it_names_and_no_other(tmp_path: Path) -> None:
    """Of two that were rolled back, the one that is still in its slot was not asked for, and stays so."""
    world = World(tmp_path)
    controller = world.controller()
    world.declare(A)
    controller.tick()
    for digest in (B, C):
        world.declare(A, digest)
        controller.tick()
        controller.rollback("digits", "ada", "no good")
    controller.retry("digits", B, "ada", "it was the network")
    assert controller.served["digits"].state.rejected_digests == (C,)
    entries = Ledger(world.layout.ledger).entries("digits")
    assert entries[-1].digests == {"live": A, "candidate": C, "retried": B}
    assert remembered(entries).rejected_digests == (C,)
    (world.layout.served_routes).unlink()
    anew = world.controller()
    for _ in range(3):
        anew.tick()
    state = anew.served["digits"].state
    assert (state.candidate_digest, state.phase) == (C, Phase.ROLLED_BACK)


def test_an_old_retry_names_its_digest_as_the_candidate() -> None:
    """Entries that were written before a retry named its digest mean the candidate."""
    rest = {"previous": "0" * 64, "time": "2026-11-26T14:00:00+00:00", "actor": "ada", "model": "digits", "reason": ""}
    rejected = Entry(number=1, action="rolled_back", digests={"live": A, "candidate": B}, generation=1, **rest)
    retried = Entry(number=2, action="retried", digests={"live": A, "candidate": B}, generation=2, **rest)
    assert remembered([rejected]).rejected_digests == (B,)
    assert remembered([rejected, retried]).rejected_digests == ()
