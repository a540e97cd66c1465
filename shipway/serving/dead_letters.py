"""Requests that nobody could answer, kept beside the prediction log: what was asked, when, and why there was nothing.

One JSON object a line: on disk in `<folder>/dead-letters/<slot>.jsonl`, and in `<slot>.1.jsonl` what came before it; in
an object store in the objects of each process below `dead-letters/`. Personal values are hashed as in the prediction
log. What one writer keeps stays below the size that model.yaml allows.
"""

import contextlib
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from shipway.contract.schema import Schema
from shipway.objects.storage import ObjectStorage
from shipway.serving.features import ServedFeature
from shipway.serving.letter_sinks import LetterFile, LetterSink, StoredLetters
from shipway.serving.personal import Redaction, hash_key
from shipway.serving.segments import writer_name

__all__ = ["FOLDER", "DeadLetter", "DeadLetterLog", "read_dead_letters", "read_stored_dead_letters"]

_LOGGER = logging.getLogger("shipway.serving")

FOLDER = "dead-letters"

# Rows that may wait for the disk; with a slow one the next letter is lost, and counted as such.
_QUEUE_ROWS = 10_000


@dataclass(frozen=True)
class DeadLetter:
    """One request without an answer.

    Args:
        request_id: what the caller was told.
        time: when it came.
        event_time: when its event happened.
        unit_id: whom it was about.
        outcome: how the model did.
        cause: why the model gave nothing.
        chain: fallback source -> why it gave nothing either.
        rows, features: what the model was asked.
    """

    request_id: str
    time: datetime
    event_time: datetime
    unit_id: str
    outcome: str
    cause: str
    chain: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    features: Sequence[Sequence[ServedFeature]]


class DeadLetterLog:
    """One slot's writer of dead letters; a thread of its own writes them, so that the next request does not wait.

    Args:
        folder: the model's folder of predictions.
        schema: says what is personal.
        version, slot: who did not answer.
        most_bytes: how large all that is kept may be.
        count: called with (written, dropped) after each letter.
        store: the model's folder in an object store, where the letters go instead; `folder` then holds the secret of
            the hash alone.
    """

    def __init__(
        self,
        folder: Path,
        schema: Schema,
        version: str,
        slot: str,
        most_bytes: int,
        count: Callable[[int, int], None],
        store: ObjectStorage | None = None,
    ) -> None:
        self._redaction = Redaction(schema, hash_key(folder))
        self._version, self._slot, self._count = version, slot, count
        self._sink: LetterSink = (
            LetterFile(folder / FOLDER / f"{slot}.jsonl", most_bytes)
            if store is None
            else StoredLetters(store, f"{FOLDER}/{writer_name(version, slot, os.getpid())}", most_bytes)
        )
        self._queue: queue.Queue[DeadLetter | None] = queue.Queue()
        self._waiting_rows = 0
        self._closed = False
        self._lock = threading.Lock()
        # A series that begins with the first letter lost has not grown by it.
        count(0, 0)
        self._thread = threading.Thread(target=self._run, name="dead-letters", daemon=True)
        self._thread.start()

    def append(self, letter: DeadLetter) -> None:
        """Queues a letter; drops and counts it where too much waits already. Never blocks."""
        with self._lock:
            room = not self._closed and self._waiting_rows + len(letter.rows) <= _QUEUE_ROWS
            if room:
                self._waiting_rows += len(letter.rows)
                self._queue.put(letter)
        if not room:
            self._count(0, 1)

    def close(self, timeout_seconds: float = 10) -> None:
        """Writes what waits; letters that come afterwards are dropped."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while letters := self._gathered():
            try:
                self._sink.write([self._line(letter) for letter in letters])
                written = True
            except OSError as error:
                _LOGGER.error("%s: a dead letter is lost (%s)", self._sink.where, error.strerror)
                written = False
            for letter in letters:
                self._count(*((1, 0) if written else (0, 1)))
                with self._lock:
                    self._waiting_rows -= len(letter.rows)

    def _gathered(self) -> list[DeadLetter]:
        """Waits for a letter, and returns it with those that come soon after; none once the log is closed."""
        first = self._queue.get()
        if first is None:
            return []
        found, end = [first], time.monotonic() + self._sink.gather_seconds
        with contextlib.suppress(queue.Empty):
            while (left := end - time.monotonic()) > 0:
                if (letter := self._queue.get(timeout=left)) is None:
                    # The next call is to meet the end again.
                    self._queue.put(None)
                    break
                found.append(letter)
        return found

    def _line(self, letter: DeadLetter) -> bytes:
        line = self._encoded(letter, without_rows=False)
        return line if len(line) <= self._sink.largest_bytes else self._encoded(letter, without_rows=True)

    def _encoded(self, letter: DeadLetter, *, without_rows: bool) -> bytes:
        redaction = self._redaction
        hashed = [redaction.values(row) for row in letter.rows]
        # A unit id may repeat the personal value of any row.
        every = {value: text for one in hashed for value, text in one.items()}
        rows = [] if without_rows else list(zip(letter.rows, hashed, letter.features, strict=True))
        content = {
            "request_id": letter.request_id,
            "time": letter.time.isoformat(),
            "event_time": letter.event_time.isoformat(),
            "unit_id": redaction.shown(letter.unit_id, every),
            "version": self._version,
            "slot": self._slot,
            "outcome": letter.outcome,
            "cause": letter.cause,
            "chain": dict(letter.chain),
            "rows": [redaction.fields(row, values) for row, values, _ in rows],
            "features": [[feature.record() for feature in served] for _, _, served in rows],
            "rows_left_out": len(letter.rows) - len(rows),
        }
        return json.dumps(content, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"


def read_dead_letters(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Returns the dead letters of all slots below a model's folder of predictions in the order of their time, and how
    many lines were torn by a process that was killed.
    """
    return _letters(line for path in sorted((folder / FOLDER).glob("*.jsonl")) for line in _lines(path))


def read_stored_dead_letters(storage: ObjectStorage) -> tuple[list[dict[str, Any]], int]:
    """Returns what `read_dead_letters` does of a model's folder in an object store; raises OSError when it is down."""
    names = [entry.name for entry in storage.entries(f"{FOLDER}/")]
    return _letters(line for name in names for line in storage.read(name).splitlines())


def _letters(lines: Iterable[bytes]) -> tuple[list[dict[str, Any]], int]:
    letters, torn = list[dict[str, Any]](), 0
    for line in lines:
        try:
            letters.append(cast(dict[str, Any], json.loads(line)))
        except ValueError:
            torn += 1
    return sorted(letters, key=lambda letter: str(letter["time"])), torn


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            yield from stream
    except FileNotFoundError:
        # It became the older file a moment ago, and what was older is gone.
        return
