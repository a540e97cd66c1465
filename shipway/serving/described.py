"""What a model's logs are judged by, kept beside them in the object store for as long as the slot runs."""

import logging
import threading
from pathlib import Path

from shipway.contract.workers import DESCRIBED
from shipway.objects.storage import ObjectStorage
from shipway.serving.configuration import SlotConfiguration

__all__ = ["Described", "store_of"]

_LOGGER = logging.getLogger("shipway.serving")


class Described:
    """Puts a file beside the logs, at the start and whenever it has changed, in a thread that nothing waits for.

    Args:
        path: the file; a cluster changes it under a running slot.
        storage: the model's folder of the store.
        every_seconds: how often it is looked at, and what could not be written is tried again.
    """

    def __init__(self, path: Path, storage: ObjectStorage, every_seconds: float = 30.0) -> None:
        self._path, self._storage, self._every_seconds = path, storage, every_seconds
        self._closing = threading.Event()
        self._written: bytes | None = None
        self._thread = threading.Thread(target=self._run, name="described", daemon=True)
        self._thread.start()

    def close(self, timeout_seconds: float = 5) -> None:
        """Stops the thread."""
        self._closing.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while True:
            try:
                content = self._path.read_bytes()
                if content != self._written:
                    self._storage.write(DESCRIBED, content)
                    self._written = content
            except OSError as error:
                _LOGGER.error("%s: not put beside the logs (%s)", self._path, error)
            if self._closing.wait(self._every_seconds):
                return


def store_of(configuration: SlotConfiguration) -> tuple[ObjectStorage | None, Described | None]:
    """Returns where a slot's logs go and what is kept beside them; None of both where they stay on its disk."""
    if configuration.store is None:
        return None, None
    storage = ObjectStorage(configuration.store)
    return storage, Described(configuration.described, storage) if configuration.described else None
