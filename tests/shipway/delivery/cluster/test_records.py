"""Records by a thread of their own: all that happened, once, and never a wait for the store."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.contract.errors import Fatal, Retryable
from shipway.contract.metrics import Slot
from shipway.contract.rollout import Look, Move
from shipway.contract.route import RolloutState
from shipway.delivery.cluster.client import history
from shipway.delivery.cluster.client import ledger as kept_ledger
from shipway.delivery.cluster.records import ObjectRecords
from shipway.delivery.ledger import Ledger
from shipway.delivery.records import append
from shipway.delivery.served import Change, ServedModel
from shipway.delivery.storage import FolderStorage
from shipway.objects.storage import ObjectStorage
from tests.shipway.delivery.cluster.objects import A, B, declared
from tests.shipway.delivery.stack import wait_until
from tests.standins.object_store import ObjectStore

URL = "s3://bucket/production"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipway.delivery.cluster.records.RETRY_SECONDS", 0.1)


@pytest.fixture
def records(store: ObjectStore) -> Iterator[ObjectRecords]:
    made = started(store)
    with made.running():
        yield made


def started(store: ObjectStore) -> ObjectRecords:
    """Returns the records of a new process."""
    storage = ObjectStorage(f"{URL}/ledger")
    return ObjectRecords(Ledger(storage), ObjectStorage(f"{URL}/history"), storage.check)


def change(number: int, action: str = "advanced", **more: object) -> Change:
    values = {"actor": "delivery", "reason": "why", "generation": number, "digests": {"live": A, "candidate": B}}
    return Change(time=f"2026-11-27T10:00:{number:02}.000+00:00", action=action, **(values | more))


def served(*changes: Change) -> dict[str, ServedModel]:
    return {"digits": ServedModel(declared(A, B), RolloutState(live=Slot.BLUE), changes[-1], changes[:-1])}


def look(second: int, move: Move = Move.HOLD) -> Look:
    return Look(
        time=f"2026-11-27T10:{second // 60:02}:{second % 60:02}.000+00:00",
        model="digits",
        rollout=3,
        phase="stepping",
        candidate=Slot.GREEN,
        candidate_digest=B,
        live_digest=A,
        step_index=0,
        weight_percent=1,
        step_elapsed_seconds=0.0,
        move=move,
        sentence="counted",
    )


def generations() -> list[int | None]:
    return [entry.generation for entry in kept_ledger(URL).entries()]


def test_every_change_is_entered_once(store: ObjectStore, records: ObjectRecords) -> None:
    """Those that a person's commands left on the route come before the last one; asked again, nothing is added."""
    for _ in range(3):
        records.record(served(change(1), change(2), change(3)))
    wait_until(lambda: records.entered("digits", change(3)), "all are entered")
    assert records.record(served(change(3))) == {}
    assert generations() == [1, 2, 3]


def test_what_another_process_entered_is_not_entered_again(store: ObjectStore, records: ObjectRecords) -> None:
    """The next holder finds the last changes on the routes and in the ledger."""
    earlier = kept_ledger(URL)
    for number in (1, 2):
        append(earlier, "digits", change(number))
    append(earlier, "flights", change(3))
    records.record(served(change(2), change(3)))
    wait_until(lambda: records.entered("digits", change(3)), "the missing one is entered")
    assert [(entry.model, entry.generation) for entry in earlier.entries()] == [
        ("digits", 1),
        ("digits", 2),
        ("flights", 3),
        ("digits", 3),
    ]


def test_a_store_that_is_down_holds_up_nobody(store: ObjectStore) -> None:
    """Handing over takes no time while the store hangs; the entries wait, the problem is told, and both end."""
    store.answers, store.silent_seconds = False, 0.3
    records = started(store)
    with records.running():
        before = time.monotonic()
        for number in range(1, 6):
            records.record(served(change(number)))
            records.look(look(number, Move.ADVANCE))
        assert time.monotonic() - before < 0.1
        wait_until(lambda: records.record({}), "the problem is told")
        assert records.record({})["ledger"].startswith(
            "5 entries wait: the object store answered SlowDown (s3://bucket/"
        )
        store.answers, store.silent_seconds = True, 0.0
        wait_until(lambda: records.entered("digits", change(5)), "all are entered")
        wait_until(lambda: not records.record({}), "the problem is gone")
    assert generations() == [1, 2, 3, 4, 5]
    assert [one.time for one in history(URL, "digits", 3)] == [look(number).time for number in range(1, 6)]


def test_looks_are_kept_in_order_and_few_objects(store: ObjectStore) -> None:
    """A quiet step writes nothing until its move, or the end."""
    clock = iter(range(10_000))
    storage = ObjectStorage(f"{URL}/ledger")
    records = ObjectRecords(
        Ledger(storage), ObjectStorage(f"{URL}/history"), storage.check, clock=lambda: float(next(clock))
    )
    records._flushed_at_seconds = 0.0
    for second in range(20):
        records.look(look(second))
    with records.running():
        records.look(look(20, Move.ADVANCE))
        wait_until(lambda: len(history(URL, "digits", 3)) == 21, "the step is written")
        records.look(look(21))
    assert [one.time for one in history(URL, "digits", 3)] == [look(second).time for second in range(22)]
    assert len([name for name in store.objects if "/history/" in name]) == 2


def test_a_model_without_a_route_waits_until_the_ledger_was_read(store: ObjectStore, records: ObjectRecords) -> None:
    """Then its rejected digests are known; once it has a route, the next reading is a new one."""
    append(kept_ledger(URL), "digits", change(1, "first_live", digests={"live": A}))
    append(kept_ledger(URL), "digits", change(2, "rolled_back"))

    def known() -> RolloutState | None:
        try:
            return records.remembered("digits")
        except Retryable:
            return None

    with pytest.raises(Retryable, match="what the ledger remembers of digits is not known yet: it is being read"):
        records.remembered("digits")
    wait_until(known, "it is known")
    found = records.remembered("digits")
    assert (found.live_digest, found.rejected_digests) == (A, (B,))
    records.record(served(change(3)))
    assert known() is None


def test_a_damaged_ledger_is_said_so(store: ObjectStore, records: ObjectRecords) -> None:
    """A new model goes on without a memory, as it does locally; nothing is chained to a damaged entry."""
    append(kept_ledger(URL), "digits", change(1))
    store.objects["production/ledger/00000001.json"] = b"{"

    def damaged() -> bool:
        try:
            records.remembered("digits")
        except Retryable:
            return False
        return True

    with pytest.raises(Fatal, match=r"the ledger is damaged; s3://bucket/production/ledger/00000001\.json"):
        wait_until(damaged, "it is read")
    records.record(served(change(2)))
    wait_until(lambda: "ledger" in records.record({}), "it is told")
    assert len([name for name in store.objects if name.endswith(".json")]) == 1


def test_the_end_writes_what_is_left(store: ObjectStore) -> None:
    """Whoever ends cleanly leaves no look and no entry behind."""
    with (made := started(store)).running():
        made.record(served(change(1)))
        made.look(look(1))
    assert generations() == [1]
    assert len(history(URL, "digits", 3)) == 1


def test_a_store_that_is_not_fit_is_told_and_nothing_is_written(store: ObjectStore) -> None:
    """Entries wait for a store that keeps them."""
    store.conditional = False
    with (made := started(store)).running():
        made.record(served(change(1)))
        wait_until(lambda: "ledger" in made.record({}), "it is told")
        assert "ignores If-None-Match" in made.record({})["ledger"]
    assert not [name for name in store.objects if name.endswith("00000001.json")]


def test_a_folder_keeps_the_same_records(tmp_path: Path) -> None:
    """The storage is a seam: the ledger's rules are the same behind it."""
    ledger = Ledger(FolderStorage(tmp_path))
    append(ledger, "digits", change(1))
    assert ledger.verify() == []
    assert Ledger(tmp_path).entries() == ledger.entries()


def test_a_store_that_comes_back_holds_up_nobody_either(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written after an outage is thousands of looks: none is compared with another while the loop waits."""
    records = started(store)
    for second in range(600):
        records.look(look(second, Move.ADVANCE))

    def compared(one: Look, other: object) -> bool:
        raise AssertionError(f"{one.time} was compared")

    with monkeypatch.context() as without:
        without.setattr(Look, "__eq__", compared)
        records._work(stopping=True)
    assert records._looks == []
    assert len(history(URL, "digits", 3)) == 600


def test_a_first_change_after_a_quiet_time_reads_no_old_entry(store: ObjectStore) -> None:
    """Each is a request to the store, and a ledger of years has many thousands."""
    earlier = kept_ledger(URL)
    for number in range(1, 30):
        append(earlier, "digits", change(number))
    records = started(store)
    late = change(40).model_copy(update={"time": "2026-12-27T10:00:00.000+00:00"})
    records.record(served(late))
    read: list[str] = []
    answer = ObjectStorage.read

    def counted(storage: ObjectStorage, name: str) -> bytes:
        read.append(name)
        return answer(storage, name)

    with pytest.MonkeyPatch.context() as counting:
        counting.setattr(ObjectStorage, "read", counted)
        records._work(stopping=False)
    assert set(read) == {"00000029.json"}
    assert records.entered("digits", late)


@pytest.mark.parametrize("time", ["yesterday", "2026-11-27T10:00:30"])
def test_an_entry_whose_time_is_none_stops_no_other(store: ObjectStore, records: ObjectRecords, time: str) -> None:
    """Whoever reads it goes on; what happened since is entered behind it."""
    append(kept_ledger(URL), "digits", change(1).model_copy(update={"time": time}))
    records.record(served(change(2)))
    wait_until(lambda: records.entered("digits", change(2)), "the change is entered")
    assert generations() == [1, 2]


class Lossy(ObjectStorage):
    """A store that keeps the first object and whose answer to it is lost."""

    lost = False

    def create(self, name: str, content: bytes) -> bool:
        made = super().create(name, content)
        if not self.lost:
            self.lost = True
            raise OSError(0, "the object store does not answer", name)
        return made


def test_looks_that_came_after_a_lost_answer_are_written_too(store: ObjectStore) -> None:
    """The object is there already, with fewer looks than wait: those it lacks get one of their own."""
    storage = ObjectStorage(f"{URL}/ledger")
    records = ObjectRecords(Ledger(storage), Lossy(f"{URL}/history"), storage.check)
    records.look(look(1, Move.ADVANCE))
    assert "history" in records._work(stopping=False)
    records.look(look(2, Move.PAUSE))
    for _ in range(2):
        assert records._work(stopping=False) == {}
    assert [one.time for one in history(URL, "digits", 3)] == [look(1).time, look(2).time]
    assert records._looks == []
