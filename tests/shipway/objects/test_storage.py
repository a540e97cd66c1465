"""Records in an object store, over boto3."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from shipway.contract.errors import Fatal, SpecError
from shipway.delivery.ledger import Ledger
from shipway.objects.storage import ObjectStorage
from tests.standins.object_store import ObjectStore

URL = "s3://bucket/production/ledger"


def add(ledger: Ledger, reason: str = "because") -> None:
    ledger.append(time="t", actor="ada", action="released", model="digits", digests={}, reason=reason)


def test_a_record_is_made_once(store: ObjectStore) -> None:
    """The second one of a name is refused and changes nothing; names come back without their folder, page by page."""
    storage = ObjectStorage(URL)
    assert storage.names() == []
    assert storage.create("00000001.json", b"one")
    assert not storage.create("00000001.json", b"two")
    for number in range(2, 8):
        storage.create(f"0000000{number}.json", b"more")
    assert storage.read("00000001.json") == b"one"
    assert storage.names() == [f"0000000{number}.json" for number in range(1, 8)]
    assert set(store.objects) == {f"production/ledger/{name}" for name in storage.names()}
    assert storage.where("00000001.json") == f"{URL}/00000001.json"


def test_the_ledger_is_one_chain_for_writers_at_once(store: ObjectStore) -> None:
    """Of two writers of one number, one takes the number after."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add(Ledger(ObjectStorage(URL)), str(number)), range(12)))
    ledger = Ledger(ObjectStorage(URL))
    assert [entry.number for entry in ledger.entries()] == list(range(1, 13))
    assert {entry.reason for entry in ledger.entries()} == {str(number) for number in range(12)}
    assert ledger.verify() == []
    assert [entry.number for entry in ledger.newest_first()][:2] == [12, 11]


def test_an_edited_object_is_found(store: ObjectStore) -> None:
    """Whoever may write to the bucket can change an entry, but not unseen."""
    ledger = Ledger(ObjectStorage(URL))
    for _ in range(3):
        add(ledger)
    key = "production/ledger/00000002.json"
    store.objects[key] = store.objects[key].replace(b"ada", b"eve")
    (damage,) = ledger.verify()
    assert damage.startswith(f"{URL}/00000003.json: follows an entry with sha256 ")


def test_a_store_that_does_not_answer_is_an_error_of_the_system(store: ObjectStore) -> None:
    """Named with the object, after one try: who waits decides how long."""
    storage = ObjectStorage(URL)
    store.answers = False
    with pytest.raises(OSError, match=r"the object store answered SlowDown: 's3://bucket/production/ledger/x'"):
        storage.create("x", b"")
    store.answers = True
    with pytest.raises(FileNotFoundError, match="production/ledger/absent"):
        storage.read("absent")


def test_a_store_without_conditional_writes_is_no_place_for_a_ledger(store: ObjectStore) -> None:
    """Two writers could overwrite each other's entries, and nobody would know."""
    ObjectStorage(URL).check()
    ObjectStorage(URL).check()
    store.conditional = False
    with pytest.raises(Fatal, match="the object store ignores If-None-Match, so entries could be overwritten"):
        ObjectStorage(URL).check()


@pytest.mark.parametrize("url", ["/ledger", "https://bucket/ledger", "s3://"])
def test_a_place_that_is_no_bucket_is_refused(url: str) -> None:
    """Before anything is asked."""
    with pytest.raises(SpecError, match=r"expected s3://BUCKET/FOLDER"):
        ObjectStorage(url)


def test_a_segment_may_be_written_again(store: ObjectStore) -> None:
    """Its tag changes with its bytes; what lies beside it and above it is another folder's."""
    storage = ObjectStorage(URL)
    storage.write("predictions/2013-05-01T03/a.parquet", b"one")
    first = storage.entries("predictions/")
    storage.write("predictions/2013-05-01T03/a.parquet", b"one and two")
    (second,) = storage.entries("predictions/")
    assert [entry.name for entry in first] == [second.name] == ["predictions/2013-05-01T03/a.parquet"]
    assert first[0].tag != second.tag
    storage.write("labels/2013-05-01T03/a.parquet", b"l")
    storage.write("digits/described.json", b"{}")
    assert storage.folders() == ["digits", "labels", "predictions"]
    assert storage.entries("predictions/", after="predictions/2013-05-02T00") == []
    assert len(storage.entries("predictions/", after="predictions/2013-05-01T02")) == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "nobodys", r"got 'The config profile \(nobodys\) could not be found', expected settings"),
        ("AWS_ENDPOINT_URL_S3", "minio", r"got 'Invalid endpoint: minio', expected settings of AWS"),
    ],
)
def test_settings_of_the_machine_that_lead_nowhere_are_wrong_input(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    """A profile of another laptop is one sentence with what to look at."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SpecError, match=rf"the object store: {URL}: {said}"):
        ObjectStorage(URL)
