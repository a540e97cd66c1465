"""One object in which one process keeps what has to outlive it."""

import hashlib

from shipway.objects.storage import Entry, ObjectStorage

__all__ = ["KeptObject"]


class KeptObject:
    """An object that is written over what was read or written last, and over nothing else.

    Of two processes that keep the same one, as two pods do when a node is lost, the second one to write notices.

    Args:
        storage: the folder.
        name: the object's.
    """

    def __init__(self, storage: ObjectStorage, name: str) -> None:
        self._storage, self._entry = storage, Entry(name, "")
        self._sha256 = ""

    @property
    def where(self) -> str:
        """The object's address."""
        return self._storage.where(self._entry.name)

    def fetch(self) -> bytes:
        """Returns what is kept, nothing where there is no such object yet."""
        name = self._entry.name
        # Who may list one folder of a bucket alone is told of a missing object that it must not be read.
        if name not in {entry.name for entry in self._storage.entries(name)}:
            self._entry, self._sha256 = Entry(name, ""), ""
            return b""
        content, self._entry = self._storage.read_entry(name)
        self._sha256 = _sha256(content)
        return content

    def keep(self, content: bytes) -> None:
        """Writes `content`, if it is not what is kept already.

        Raises:
            FileExistsError: when another process has written it since; `fetch` says what.
        """
        if (sha256 := _sha256(content)) == self._sha256:
            return
        try:
            self._entry = self._storage.replace(self._entry, content)
        except FileExistsError:
            raise FileExistsError(0, "another process keeps it too", self.where) from None
        self._sha256 = sha256


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
