"""Where dead letters go: two files that take turns on disk, or a ring of objects in a store."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from shipway.logs.sinks import send
from shipway.objects.storage import ObjectStorage

__all__ = ["LetterFile", "LetterSink", "StoredLetters"]

# So many objects of one process take turns: each is sent whole as it grows, so that none may be large.
_RING = 16
# A store is paid by the request.
_GATHER_SECONDS = 5.0


class LetterSink(Protocol):
    """Takes letters as lines.

    `largest_bytes` is how large one may be; `gather_seconds` how long letters are gathered before they are written.
    """

    largest_bytes: int
    gather_seconds: float

    @property
    def where(self) -> str:
        """What to call it in a sentence."""
        ...

    def write(self, lines: Sequence[bytes]) -> None:
        """Appends lines, each with its end; raises OSError when they cannot be kept."""
        ...


class LetterFile:
    """The file `path`, and beside it what came before.

    Args:
        path: such as `<folder>/blue.jsonl`.
        most_bytes: how large both may be together.
    """

    gather_seconds = 0.0

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self.largest_bytes = path, most_bytes // 2

    @property
    def where(self) -> str:
        return str(self._path)

    def write(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            self._append(line)

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            there = stream.tell()
        if there + len(line) + 1 > self.largest_bytes:
            self._path.replace(self._path.with_suffix(f".1{self._path.suffix}"))
            there = 0
        torn = there > 0 and not self._ends_a_line()
        with self._path.open("ab", buffering=0) as stream:
            # In one piece: whoever reads meanwhile sees the letter whole or not at all.
            stream.write(b"\n" + line if torn else line)

    def _ends_a_line(self) -> bool:
        # A process that was killed may have left half a letter.
        with self._path.open("rb") as stream:
            stream.seek(-1, 2)
            return stream.read(1) == b"\n"


class StoredLetters:
    """Objects `<name>-00.jsonl` and so on; once there are sixteen the oldest is written anew.

    Args:
        storage: the model's folder of the store.
        name: as no other living process has it.
        most_bytes: how large all of them may be together.
        pause: waits so many seconds between two attempts.
    """

    gather_seconds = _GATHER_SECONDS

    def __init__(
        self, storage: ObjectStorage, name: str, most_bytes: int, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._storage, self._name, self._pause = storage, name, pause
        self.largest_bytes = most_bytes // _RING
        self._number, self._content = 0, b""

    @property
    def where(self) -> str:
        return self._storage.where(self._name)

    def write(self, lines: Sequence[bytes]) -> None:
        number, content = self._number, self._content
        for line in lines:
            if content and len(content) + len(line) > self.largest_bytes:
                self._send(number, content)
                number, content = (number + 1) % _RING, b""
            content += line
        self._send(number, content)

    def _send(self, number: int, content: bytes) -> None:
        send(self._storage, f"{self._name}-{number:02}.jsonl", content, self._pause)
        # Only what was taken is there: after a refusal the next letters follow what is known to lie in the store.
        self._number, self._content = number, content
