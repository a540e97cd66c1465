"""What is live, by the ledger of a cluster."""

import pytest

from shipway.contract.errors import SpecError
from shipway.delivery.ledger import Ledger
from shipway.objects.live import LiveVersions
from shipway.objects.storage import ObjectStorage
from tests.standins.object_store import ObjectStore

URL = "s3://bucket/records/ledger"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def enter(model: str, generation: int | None, **digests: str) -> None:
    Ledger(ObjectStorage(URL)).append(
        time="t", actor="ada", action="promoted", model=model, digests=digests, reason="", generation=generation
    )


def test_the_newest_state_of_each_route_counts(store: ObjectStore) -> None:
    """A release that waits changes nothing; a model that was taken out is not live; each entry is read once."""
    live = LiveVersions(ObjectStorage(URL))
    assert live.refresh() == {}
    enter("digits", 1, live=ONE)
    enter("flight-delay", 1, candidate=ONE)
    enter("digits", None, released=TWO)
    assert live.refresh() == {"digits": ONE}
    read = set(store.objects)
    enter("flight-delay", 2, live=TWO)
    enter("digits", 2, previous=ONE)
    store.refused |= read
    assert live.refresh() == {"flight-delay": TWO}


def test_a_damaged_entry_is_told_and_not_passed_over(store: ObjectStore) -> None:
    """What comes after it is read once it is whole: until then nobody is told half."""
    enter("digits", 1, live=ONE)
    enter("digits", 2, live=TWO)
    key = "records/ledger/00000001.json"
    whole, store.objects[key] = store.objects[key], b"{"
    live = LiveVersions(ObjectStorage(URL))
    with pytest.raises(SpecError, match=r"00000001\.json"):
        live.refresh()
    store.objects[key] = whole
    assert live.refresh() == {"digits": TWO}
