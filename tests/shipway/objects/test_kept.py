"""What one process keeps in an object store."""

import pytest

from shipway.contract.errors import Fatal
from shipway.objects.kept import KeptObject
from shipway.objects.storage import ObjectStorage
from tests.standins.object_store import ObjectStore

URL = "s3://bucket/workers/drift"


def kept() -> KeptObject:
    return KeptObject(ObjectStorage(URL), "toy/counts")


def test_what_was_kept_is_fetched_and_written_over(store: ObjectStore) -> None:
    """Nothing is there at first; what is the same already is not sent again."""
    one = kept()
    assert one.fetch() == b""
    one.keep(b"1")
    one.keep(b"2")
    store.answers = False
    one.keep(b"2")
    store.answers = True
    assert (kept().fetch(), one.where) == (b"2", f"{URL}/toy/counts")


def test_the_second_of_two_processes_is_refused(store: ObjectStore) -> None:
    """Whether the object was there before or not; it goes on from what the other has kept."""
    one, two = kept(), kept()
    assert (one.fetch(), two.fetch()) == (b"", b"")
    for ours, theirs in ((b"one", b"two"), (b"three", b"four")):
        one.keep(ours)
        with pytest.raises(FileExistsError, match="another process keeps it too"):
            two.keep(theirs)
        assert two.fetch() == ours
    two.keep(b"five")
    assert store.objects["workers/drift/toy/counts"] == b"five"


def test_an_answer_that_got_lost_is_no_harm(store: ObjectStore) -> None:
    """Written without the writer's knowing, it is refused once and then read."""
    one = kept()
    one.fetch()
    one.keep(b"1")
    store.objects["workers/drift/toy/counts"] = b"2"
    with pytest.raises(FileExistsError):
        one.keep(b"2")
    assert one.fetch() == b"2"


@pytest.mark.parametrize("conditional", [True, False])
def test_a_store_that_ignores_the_condition_is_refused(store: ObjectStore, conditional: bool) -> None:
    """By trying it, and leaving what is there as it is."""
    store.conditional = conditional
    if conditional:
        ObjectStorage(URL).check_replacing()
    else:
        with pytest.raises(Fatal, match="the object store ignores If-Match"):
            ObjectStorage(URL).check_replacing()
    assert store.objects == {"workers/drift/written-once": b""}
