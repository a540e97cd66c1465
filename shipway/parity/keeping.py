"""What outlives the process that looks, as bytes under a name: files of a local stack, or objects of a store."""

from pathlib import Path
from typing import Protocol

from shipway.contract.documents import write_atomic

__all__ = ["Kept", "KeptFile"]


class Kept(Protocol):
    """One thing that is kept; `shipway.objects.kept.KeptObject` is it in an object store."""

    @property
    def where(self) -> str:
        """What to call it in a sentence."""
        ...

    def fetch(self) -> bytes:
        """Returns what is kept, nothing where nothing is yet; raises OSError when it cannot be had now."""
        ...

    def keep(self, content: bytes) -> None:
        """Writes `content`, whole or not at all.

        Raises:
            FileExistsError: when another process has written it since it was fetched.
            OSError: when it cannot be written now.
        """
        ...


class KeptFile:
    """A file, which one process alone writes: the supervisor of a local stack starts no second one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def where(self) -> str:
        return str(self._path)

    def fetch(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def keep(self, content: bytes) -> None:
        write_atomic(self._path, content)
