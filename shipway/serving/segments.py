"""An append-only log of records in Parquet segments by hour, written by its own thread so that serving never waits."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import contextlib
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from shipway.logs.schemas import HOUR_FORMAT
from shipway.logs.sinks import FolderSink, Sink

__all__ = ["SegmentLog", "writer_name"]

_LOGGER = logging.getLogger("shipway.serving")

# A segment is rewritten whole at each flush until it holds this many records: few files, and at most a few
# milliseconds of work a flush.
_SEGMENT_RECORDS = 5000
_NO_TIME, _HOUR = timedelta(0), timedelta(hours=1)


@dataclass
class _Segment:
    name: str
    # As Arrow tables: the records of a full segment would be twenty times as large as Python objects.
    tables: list[pa.Table] = field(default_factory=list[pa.Table])

    @property
    def records(self) -> int:
        return sum(table.num_rows for table in self.tables)


class SegmentLog:
    """Appends records to segments `<hour>/<writer>-<number>.parquet`; the hour is that of the record's event time.

    A record is written within `flush_seconds`, or at `close`. What a full queue or a full disk refuses is dropped and
    counted, never waited for.

    Args:
        sink: where the segments go: a folder, or a sink of another kind; several writers may share it.
        schema: the Arrow schema of a record; it has a column `event_time`.
        writer: a name no other living writer in the folder has.
        count: called with (written, dropped) after each flush.
        queue_records: how many records may wait.
        flush_seconds: how often the queue is written out.
    """

    def __init__(
        self,
        sink: Path | Sink,
        schema: pa.Schema,
        writer: str,
        count: Callable[[int, int], None],
        *,
        queue_records: int = 10_000,
        flush_seconds: float = 2.0,
    ) -> None:
        self._sink = FolderSink(sink) if isinstance(sink, Path) else sink
        self._schema, self._writer, self._count = schema, writer, count
        self._flush_seconds = flush_seconds
        self._queue: deque[Sequence[dict[str, Any]]] = deque()
        self._queue_records = queue_records
        self._waiting = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._closing, self._due = threading.Event(), threading.Event()
        self._open: dict[str, _Segment] = {}
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[dict[str, Any]]) -> bool:
        """Queues `records` together and returns whether there was room for them; never blocks."""
        with self._lock:
            if self._waiting + len(records) > self._queue_records or self._closing.is_set():
                self._dropped += len(records)
                return False
            self._waiting += len(records)
            self._queue.append(records)
            if self._waiting > self._queue_records // 2:
                self._due.set()
        return True

    def close(self, timeout_seconds: float = 10) -> None:
        """Writes what waits and stops the thread; records appended afterwards are dropped."""
        with self._lock:
            self._closing.set()
            self._due.set()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._closing.is_set():
            # Earlier when the queue fills: a fast slot would lose what comes until the time is over.
            self._due.wait(self._flush_seconds)
            self._due.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        batch: list[dict[str, Any]] = []
        with contextlib.suppress(IndexError):
            while True:
                batch.extend(self._queue.popleft())
        with self._lock:
            self._waiting -= len(batch)
            dropped, self._dropped = self._dropped, 0
        written = 0
        for hour, records in _by_hour(batch):
            try:
                self._write(hour, records)
                written += len(records)
            except (OSError, pa.ArrowException) as error:
                # Serving goes on without its log; the counter is what raises the alarm.
                _LOGGER.error("%s: %d records lost (%s)", self._sink.where(hour), len(records), error)
                dropped += len(records)
                # It may be there all the same, as after an answer that did not come in time: what follows must not take
                # the place of records that somebody has read.
                self._open.pop(hour, None)
        self._count(written, dropped)

    def _write(self, hour: str, records: list[dict[str, Any]]) -> None:
        segment = self._open.get(hour)
        if segment is None or segment.records + len(records) > _SEGMENT_RECORDS:
            self._number += 1
            segment = _Segment(f"{self._writer}-{self._number:06d}.parquet")
        # By column: Arrow takes fifty times as long to look each key up in each record itself.
        columns = {name: [record[name] for record in records] for name in self._schema.names}
        tables = [*segment.tables, pa.Table.from_pydict(columns, schema=self._schema)]
        self._sink.write(hour, segment.name, pa.concat_tables(tables))
        segment.tables = tables
        self._open.pop(hour, None)
        self._open[hour] = segment
        # Only the hours written to last stay in memory; a late record of an older one begins a new segment.
        while len(self._open) > 2:
            del self._open[next(iter(self._open))]


def _by_hour(records: Iterable[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    hours: dict[datetime, list[dict[str, Any]]] = {}
    begins: datetime | None = None
    found: list[dict[str, Any]] = []
    for record in records:
        stamp: datetime = record["event_time"]
        # Most are of the hour of the one before: to compare takes a tenth of the time that making the hour takes.
        if begins is None or not _NO_TIME <= stamp - begins < _HOUR:
            begins = stamp.replace(minute=0, second=0, microsecond=0)
            found = hours.setdefault(begins, [])
        found.append(record)
    return [(hour.strftime(HOUR_FORMAT), records) for hour, records in sorted(hours.items())]


def writer_name(version: str, slot: str, pid: int) -> str:
    """Returns a writer's name that neither a restart of the same slot nor another pod of it has."""
    return f"{version}-{slot}-{int(time.time())}-{pid}-{secrets.token_hex(4)}"
