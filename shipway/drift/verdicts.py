"""The file of a model's verdicts: one line each, written once and in order, bounded."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from shipway.contract.documents import parse, parse_json
from shipway.contract.drift import DriftVerdict
from shipway.drift.store import Store

__all__ = ["LARGEST_BYTES", "VerdictFile", "parse_lines"]

# Some fifty thousand lines: years of one model.
LARGEST_BYTES = 16 * 1024 * 1024

_TAIL_BYTES = 65_536


class VerdictFile:
    """Verdicts as lines of JSON; the store knows them until they are written here.

    Args:
        path: the file.
        largest_bytes: beyond it the older half is dropped.
    """

    def __init__(self, path: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        self._path, self._largest_bytes = path, largest_bytes

    def follow(self, store: Store) -> int:
        """Appends what the store has and the file lacks, and returns how many lines; a torn last line is cut off."""
        last = self.last()
        new = store.verdicts(last)
        if not new:
            return 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.write("".join(f"{line}\n" for _, line in new).encode())
            stream.flush()
            os.fsync(stream.fileno())
        with store.change():
            store.written(new[-1][0])
        self._bound()
        return len(new)

    def last(self) -> int:
        """Returns the number of the last verdict, 0 for none; a line that was not written whole is cut off."""
        if not self._path.exists():
            return 0
        size = self._path.stat().st_size
        with self._path.open("r+b") as stream:
            stream.seek(max(0, size - _TAIL_BYTES))
            tail = stream.read()
            whole, separator, torn = tail.rpartition(b"\n")
            if torn:
                stream.truncate(size - len(torn))
        if not separator:
            return 0
        line = whole.rpartition(b"\n")[2].decode()
        return parse(DriftVerdict, parse_json(line, self._path), self._path).sequence

    def read(self) -> Iterator[DriftVerdict]:
        """Yields the verdicts in order; none where there is no file.

        Raises:
            SpecError: for a line that is none.
        """
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as stream:
            yield from parse_lines(stream, self._path)

    def _bound(self) -> None:
        if self._path.stat().st_size <= self._largest_bytes:
            return
        content = self._path.read_bytes()
        kept = content[content.index(b"\n", len(content) // 2) + 1 :]
        made = self._path.with_name(f".{self._path.name}.tmp")
        made.write_bytes(kept)
        made.replace(self._path)


def parse_lines(lines: Iterable[str], where: Path | str) -> Iterator[DriftVerdict]:
    """Yields the verdicts that `lines` hold; the last one may still be being written.

    Raises:
        SpecError: for a line that is none.
    """
    for line in lines:
        if line.endswith("\n"):
            yield parse(DriftVerdict, parse_json(line, where), where)
