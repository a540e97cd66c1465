"""Where records lie: names with bytes behind them, each made once and whole, in a folder or an object store."""

import os
import tempfile
from pathlib import Path
from typing import Protocol

from shipway.delivery.failpoints import reach

__all__ = ["FolderStorage", "Storage"]


class Storage(Protocol):
    """A place for records that are never changed and never removed; every method raises OSError when it is down."""

    def names(self) -> list[str]:
        """Returns the names of all records, sorted; none where there are none yet."""
        ...

    def read(self, name: str) -> bytes:
        """Returns a record; raises FileNotFoundError when it is not there."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Writes a record whole or not at all; returns False when one of that name is there already."""
        ...

    def check(self) -> None:
        """Makes sure that a record could be written; leaves none."""
        ...

    def where(self, name: str) -> str:
        """Returns where a record lies, for a person."""
        ...


class FolderStorage:
    """Records as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Returns the names of all files that are whole."""
        return sorted(path.name for path in self._folder.glob("[!.]*")) if self._folder.exists() else []

    def read(self, name: str) -> bytes:
        """Returns a file's bytes."""
        return (self._folder / name).read_bytes()

    def create(self, name: str, content: bytes) -> bool:
        """Writes a file that is complete before it gets its name: a crash tears none, and the link is exclusive."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".entry-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(0o444)
            reach("ledger_before_link")
            os.link(temporary, self._folder / name)
        except FileExistsError:
            return False
        finally:
            Path(temporary).unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        reach("ledger_after_link")
        return True

    def check(self) -> None:
        """Writes a byte into a file without a name in the folder, which is gone with its handle."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder) as probe:
            probe.write(b"1")
            probe.flush()

    def where(self, name: str) -> str:
        """Returns a file's path."""
        return str(self._folder / name)
