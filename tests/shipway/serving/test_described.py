"""What a slot puts beside its logs in the object store."""

import time
from collections.abc import Callable
from pathlib import Path

from shipway.contract.workers import DESCRIBED
from shipway.objects.storage import ObjectStorage
from shipway.serving.described import Described
from tests.standins.object_store import ObjectStore

KEY = "logs/digits/described.json"


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_changed_description_follows(store: ObjectStore, tmp_path: Path) -> None:
    """At the start, after each change, and after an outage; a file that is gone changes nothing."""
    path = tmp_path / "described.json"
    path.write_bytes(b"one")
    described = Described({DESCRIBED: path}, ObjectStorage("s3://bucket/logs/digits"), every_seconds=0.02)
    try:
        assert wait_for(lambda: store.objects.get(KEY) == b"one")
        store.answers = False
        path.write_bytes(b"two")
        time.sleep(0.1)
        assert store.objects[KEY] == b"one"
        store.answers = True
        assert wait_for(lambda: store.objects.get(KEY) == b"two")
        path.unlink()
        time.sleep(0.05)
        assert store.objects[KEY] == b"two"
    finally:
        described.close()


def test_what_a_bucket_has_let_go_of_is_there_again_in_time(store: ObjectStore, tmp_path: Path) -> None:
    """Also when it has not changed: a lifecycle rule knows age alone."""
    path = tmp_path / "described.json"
    path.write_bytes(b"one")
    storage = ObjectStorage("s3://bucket/logs/digits")
    described = Described({DESCRIBED: path}, storage, every_seconds=0.02, again_seconds=0.1)
    try:
        assert wait_for(lambda: KEY in store.objects)
        del store.objects[KEY]
        assert wait_for(lambda: store.objects.get(KEY) == b"one")
    finally:
        described.close()
