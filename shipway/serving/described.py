"""What a model's logs are judged by, kept beside them in the object store for as long as the slot runs."""

import logging
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.contract.documents import parse, read_json
from shipway.contract.record import MANIFEST_FILE, REFERENCE_FILE
from shipway.contract.release import short_digest
from shipway.contract.workers import DESCRIBED, LARGEST_BESIDE_BYTES, described_bundle, described_file
from shipway.objects.storage import ObjectStorage
from shipway.serving.configuration import SlotConfiguration

__all__ = ["Described", "store_of"]

_LOGGER = logging.getLogger("shipway.serving")


class Described:
    """Puts files beside the logs: at the start, whenever they have changed, and once a day, in a thread of its own.

    Once a day because a bucket may let go of what is old, of the logs and of what lies beside them.

    Args:
        files: name beside the logs -> file; a cluster changes some of them under a running slot.
        storage: the model's folder of the store.
        every_seconds: how often they are looked at, and what could not be written is tried again.
        again_seconds: how old what was written may get.
        bundle: name beside the logs -> file of the slot's bundle, which never changes and is not looked at.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        storage: ObjectStorage,
        every_seconds: float = 15.0,
        again_seconds: float = 86_400.0,
        bundle: Mapping[str, Path] | None = None,
    ) -> None:
        self._files, self._storage, self._bundle = dict(files), storage, dict(bundle or {})
        self._every_seconds, self._again_seconds = every_seconds, again_seconds
        self._closing = threading.Event()
        self._written: dict[str, tuple[bytes, float]] = {}
        self._sent: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="described", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 5) -> None:
        """Stops the thread."""
        self._closing.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            for name, path in {**self._files, **self._bundle}.items():
                try:
                    if name in self._files:
                        self._put(name, path.read_bytes(), time.monotonic())
                    else:
                        self._send(name, path, time.monotonic())
                except OSError as error:
                    _LOGGER.error("%s: not put beside the logs (%s)", path, error)
                if self._closing.is_set():
                    return
            if self._closing.wait(self._every_seconds):
                return

    def _put(self, name: str, content: bytes, now_seconds: float) -> None:
        written, at_seconds = self._written.get(name, (None, 0.0))
        if content != written or now_seconds - at_seconds >= self._again_seconds:
            self._storage.write(name, content)
            self._written[name] = content, now_seconds

    def _send(self, name: str, path: Path, now_seconds: float) -> None:
        if now_seconds - self._sent.get(name, -math.inf) >= self._again_seconds:
            self._storage.write(name, path.read_bytes())
            self._sent[name] = now_seconds


def store_of(configuration: SlotConfiguration) -> tuple[ObjectStorage | None, Described | None]:
    """Returns where a slot's logs go and what is kept beside them; None of both where they stay on its disk."""
    if configuration.store is None:
        return None, None
    storage = ObjectStorage(configuration.store)
    if configuration.described is None:
        return storage, None
    # By its reference a version's drift is judged, and by its manifest the reference is known to be the version's.
    bundle, version = configuration.bundle, short_digest(configuration.digest)
    beside = {MANIFEST_FILE: bundle / MANIFEST_FILE, REFERENCE_FILE: bundle / "files" / REFERENCE_FILE}
    files = {described_bundle(version, name): path for name, path in beside.items() if path.is_file()}
    # Before model.yaml: whoever finds that may count, and wants to know how.
    described = {**files, DESCRIBED: configuration.described}
    return storage, Described(described, storage, bundle=_whole(bundle, version))


def _whole(bundle: Path, version: str) -> Mapping[str, Path]:
    """Returns name beside the logs -> file of all that a bundle's manifest covers, none of a bundle that is too large.

    By it parity is compared: with the version's own code, and with its own model.
    """
    manifest = parse(Manifest, read_json(bundle / MANIFEST_FILE), bundle / MANIFEST_FILE)
    if sum(one.size_bytes for one in manifest.files) > LARGEST_BESIDE_BYTES:
        return {}
    return {described_file(version, one.path): bundle / "files" / one.path for one in manifest.files}
