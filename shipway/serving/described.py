"""What a model's logs are judged by, kept beside them in the object store for as long as the slot runs."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.record import MANIFEST_FILE, REFERENCE_FILE
from shipway.contract.release import short_digest
from shipway.contract.workers import DESCRIBED, described_bundle
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
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        storage: ObjectStorage,
        every_seconds: float = 15.0,
        again_seconds: float = 86_400.0,
    ) -> None:
        self._files, self._storage = dict(files), storage
        self._every_seconds, self._again_seconds = every_seconds, again_seconds
        self._closing = threading.Event()
        self._written: dict[str, tuple[bytes, float]] = {}
        self._thread = threading.Thread(target=self._run, name="described", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 5) -> None:
        """Stops the thread."""
        self._closing.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            for name, path in self._files.items():
                try:
                    self._put(name, path.read_bytes(), time.monotonic())
                except OSError as error:
                    _LOGGER.error("%s: not put beside the logs (%s)", path, error)
            if self._closing.wait(self._every_seconds):
                return

    def _put(self, name: str, content: bytes, now_seconds: float) -> None:
        written, at_seconds = self._written.get(name, (None, 0.0))
        if content != written or now_seconds - at_seconds >= self._again_seconds:
            self._storage.write(name, content)
            self._written[name] = content, now_seconds


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
    return storage, Described({**files, DESCRIBED: configuration.described}, storage)
