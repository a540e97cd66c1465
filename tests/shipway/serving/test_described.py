"""What a slot puts beside its logs in the object store."""

import time
from collections.abc import Callable
from pathlib import Path

from shipway.bundle.manifest import CoveredFile, Manifest
from shipway.contract.workers import DESCRIBED, LARGEST_BESIDE_BYTES, described_file
from shipway.objects.storage import ObjectStorage
from shipway.serving.described import Described, _whole
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


def test_a_bundles_files_are_put_there_once_and_again_in_time(store: ObjectStore, tmp_path: Path) -> None:
    """After an outage at the start too; between two times nobody reads them: a bundle never changes."""
    path, model = tmp_path / "described.json", tmp_path / "model.skops"
    path.write_bytes(b"one")
    model.write_bytes(b"weights")
    key = "logs/digits/bundles/0123456789ab/files/model/model.skops"
    store.answers = False
    described = Described(
        {DESCRIBED: path},
        ObjectStorage("s3://bucket/logs/digits"),
        every_seconds=0.02,
        again_seconds=1.0,
        bundle={described_file("0123456789ab", "model/model.skops"): model},
    )
    try:
        time.sleep(0.1)
        store.answers = True
        assert wait_for(lambda: store.objects.get(key) == b"weights")
        assert wait_for(lambda: KEY in store.objects)
        model.write_bytes(b"others")
        path.write_bytes(b"two")
        assert wait_for(lambda: store.objects.get(KEY) == b"two")
        assert store.objects[key] == b"weights"
        del store.objects[key]
        assert wait_for(lambda: key in store.objects)
    finally:
        described.close()


def test_a_bundle_that_is_too_large_is_not_put_there(tmp_path: Path) -> None:
    """All that its manifest covers, or nothing of it: what lies there is whole."""
    covered = [("model/model.skops", LARGEST_BESIDE_BYTES - 1), ("model.json", 1)]
    for more, expected in ((0, 2), (1, 0)):
        files = tuple(
            CoveredFile(path=path, sha256="0" * 64, size_bytes=size + more) for path, size in reversed(covered)
        )
        manifest = Manifest(model="toy", service="toy.service:Toy", files=files)
        (tmp_path / "manifest.json").write_bytes(manifest.canonical_bytes())
        found = _whole(tmp_path, "0123456789ab")
        assert len(found) == expected
        assert all(path.is_relative_to(tmp_path / "files") for path in found.values())
