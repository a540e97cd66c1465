"""What was counted, on disk: hourly counts, how far the logs are read and what was said of it, changed together or not.

One SQLite file a model. Counts and the place up to which the log was read are written in one transaction, so a process
that dies anywhere goes on where it stood, and counts nothing twice and nothing not at all.
"""

import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self, cast

import numpy as np

from shipway.drift.tally import Group, Vector, Waiting
from shipway.logs.schemas import Kind

__all__ = ["EARLY_LABELS", "HOURS_KEPT", "WAITING_PREDICTIONS", "Store"]

# Longer than a year: the same month of the year before can be looked at.
HOURS_KEPT = 400 * 24

# Of predictions without a label and labels without a prediction, the newest stay: 120 MiB and 12 MiB at most.
WAITING_PREDICTIONS, EARLY_LABELS = 1_000_000, 200_000

# Later than any hour.
_NO_HOUR = 2**62

# Fewer than SQLite's limit on the variables of one statement.
_KEYS_AT_ONCE = 500

_SCHEMA = """
CREATE TABLE IF NOT EXISTS places (kind TEXT, hour TEXT, name TEXT, records INTEGER, PRIMARY KEY (kind, hour, name))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (version TEXT, segment TEXT, hour INTEGER, vector BLOB,
    PRIMARY KEY (version, segment, hour));
CREATE TABLE IF NOT EXISTS waiting (key INTEGER PRIMARY KEY, hour INTEGER, version TEXT, prediction REAL,
    segments TEXT);
CREATE INDEX IF NOT EXISTS waiting_by_hour ON waiting (hour);
CREATE TABLE IF NOT EXISTS early (number INTEGER PRIMARY KEY, key INTEGER UNIQUE, label REAL);
CREATE TABLE IF NOT EXISTS verdicts (sequence INTEGER PRIMARY KEY, line TEXT);
CREATE TABLE IF NOT EXISTS judged (version TEXT, kind TEXT, window TEXT, segment TEXT, start INTEGER, history TEXT,
    PRIMARY KEY (version, kind, window, segment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""

# Raised whenever a vector means something else than before: what was counted is counted anew from the logs then.
_FORMAT = 1

_SEPARATOR = "\x1f"


class Store:
    """One model's counts.

    Args:
        connection: to the file, or to a copy of it in memory.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> Self:
        """Returns the store in the file `path`, made where there is none; one of another format is begun anew."""
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connected(str(path))
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, _FORMAT):
            connection.close()
            for ending in ("", "-wal", "-shm"):
                path.with_name(path.name + ending).unlink(missing_ok=True)
            connection = _connected(str(path))
        connection.executescript(f"PRAGMA journal_mode = WAL; {_SCHEMA} PRAGMA user_version = {_FORMAT};")
        return cls(connection)

    @classmethod
    def copy(cls, path: Path) -> Self:
        """Returns a store in memory that begins with what the file `path` holds; the file stays as it is."""
        connection = _connected(":memory:")
        if path.exists():
            source = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            try:
                if source.execute("PRAGMA user_version").fetchone() == (_FORMAT,):
                    source.backup(connection)
            finally:
                source.close()
        connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_FORMAT};")
        return cls(connection)

    @property
    def changes(self) -> int:
        """How many rows were changed since it was opened."""
        return self._connection.total_changes

    def serialized(self) -> bytes:
        """Returns the content of a file that `open` takes, as small as it gets."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "copy"
            self._connection.execute("VACUUM INTO ?", (str(path),))
            return path.read_bytes()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    @contextmanager
    def change(self) -> Generator[None]:
        """All that is changed in the block is kept when it ends, and nothing of it when it raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def places(self) -> dict[tuple[Kind, str, str], int]:
        """Returns (kind, hour, segment of the log) -> how many of its records were counted."""
        rows = self._connection.execute("SELECT kind, hour, name, records FROM places")
        return {(cast(Kind, kind), hour, name): records for kind, hour, name, records in rows}

    def move(self, place: tuple[Kind, str, str], records: int) -> None:
        """Says that this many records of a segment are counted."""
        self._connection.execute("REPLACE INTO places VALUES (?, ?, ?, ?)", (*place, records))

    def forget_places(self, gone: Iterable[tuple[Kind, str, str]]) -> None:
        """Forgets segments that retention has removed from the log."""
        self._connection.executemany("DELETE FROM places WHERE kind = ? AND hour = ? AND name = ?", list(gone))

    def add(self, counts: Mapping[Group, Vector]) -> None:
        """Adds to what is counted of each group."""
        for group, vector in counts.items():
            key = (group.version, group.segment, group.hour)
            sql = "SELECT vector FROM counts WHERE version = ? AND segment = ? AND hour = ?"
            before = self._connection.execute(sql, key).fetchone()
            total = vector if before is None else vector + _vector(before[0], len(vector))
            self._connection.execute("REPLACE INTO counts VALUES (?, ?, ?, ?)", (*key, _blob(total)))

    def hours(self, version: str, segment: str, start: int, end: int, size: int) -> dict[int, Vector]:
        """Returns hour -> counts of the hours with start <= hour < end in which there were rows.

        Args:
            version, segment: whose.
            start, end: hours since the epoch.
            size: of the version's vector.
        """
        sql = "SELECT hour, vector FROM counts WHERE version = ? AND segment = ? AND hour >= ? AND hour < ?"
        rows = self._connection.execute(sql, (version, segment, start, end))
        return {hour: _vector(blob, size) for hour, blob in rows}

    def any_rows(self, version: str, segment: str, start: int, end: int) -> bool:
        """Returns whether there were rows in the hours with start <= hour < end."""
        sql = "SELECT 1 FROM counts WHERE version = ? AND segment = ? AND hour >= ? AND hour < ? LIMIT 1"
        return self._connection.execute(sql, (version, segment, start, end)).fetchone() is not None

    def extent(self, version: str, until: int = _NO_HOUR) -> tuple[int, int] | None:
        """Returns the first and the last hour, `until` at most, in which `version` had rows; None for none."""
        sql = "SELECT min(hour), max(hour) FROM counts WHERE version = ? AND segment = '' AND hour <= ?"
        first, last = self._connection.execute(sql, (version, until)).fetchone()
        return None if first is None else (first, last)

    def versions(self) -> list[str]:
        """Returns the versions of which anything is counted, sorted."""
        return [one for (one,) in self._connection.execute("SELECT DISTINCT version FROM counts ORDER BY version")]

    def wait(self, waiting: Sequence[Waiting]) -> list[tuple[Waiting, float]]:
        """Remembers predictions until their labels come; returns those whose label was there before, with the label."""
        early = self._early([one.key for one in waiting])
        rows = (
            (one.key, one.hour, one.version, one.prediction, _SEPARATOR.join(one.segments))
            for one in waiting
            if one.key not in early
        )
        self._connection.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
        return [(one, early[one.key]) for one in waiting if one.key in early]

    def label(self, labels: Mapping[int, float]) -> list[tuple[Waiting, float]]:
        """Returns the predictions that `labels` (key -> label) judge, each once; the other labels wait for theirs."""
        found: list[tuple[Waiting, float]] = []
        for keys in _pieces(list(labels)):
            marks = ",".join("?" * len(keys))
            sql = f"DELETE FROM waiting WHERE key IN ({marks}) RETURNING key, hour, version, prediction, segments"  # noqa: S608 - marks alone
            for key, hour, version, prediction, segments in self._connection.execute(sql, keys):
                held = tuple(segments.split(_SEPARATOR)) if segments else ()
                found.append((Waiting(key, hour, version, prediction, held), labels[key]))
        judged = {one.key for one, _ in found}
        rest = ((key, label) for key, label in labels.items() if key not in judged)
        self._connection.executemany("INSERT OR IGNORE INTO early (key, label) VALUES (?, ?)", rest)
        return found

    def _early(self, keys: Sequence[int]) -> dict[int, float]:
        found: dict[int, float] = {}
        if self._connection.execute("SELECT 1 FROM early LIMIT 1").fetchone():
            for piece in _pieces(keys):
                marks = ",".join("?" * len(piece))
                sql = f"DELETE FROM early WHERE key IN ({marks}) RETURNING key, label"  # noqa: S608 - marks alone
                found |= dict(self._connection.execute(sql, piece).fetchall())
        return found

    def prune(self, newest_hour: int) -> int:
        """Drops what is too old or too much; returns how many predictions were dropped without a label."""
        execute = self._connection.execute
        execute("DELETE FROM counts WHERE hour < ?", (newest_hour - HOURS_KEPT,))
        dropped = execute("DELETE FROM waiting WHERE hour < ?", (newest_hour - HOURS_KEPT,)).rowcount
        (waiting,) = execute("SELECT count(*) FROM waiting").fetchone()
        if waiting > WAITING_PREDICTIONS:
            # An eighth more than need be, so that it is not done again at once.
            many = waiting - WAITING_PREDICTIONS * 7 // 8
            sql = "DELETE FROM waiting WHERE key IN (SELECT key FROM waiting ORDER BY hour LIMIT ?)"
            dropped += execute(sql, (many,)).rowcount
        execute("DELETE FROM early WHERE number <= (SELECT max(number) FROM early) - ?", (EARLY_LABELS,))
        return dropped

    def fact(self, name: str) -> str | None:
        """Returns what is remembered under `name`."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, name: str, value: str) -> None:
        """Remembers one thing."""
        self._connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))

    def judged(self, version: str, kind: str, window: str, segment: str) -> tuple[int, str] | None:
        """Returns the first hour of the last window that was judged, and the history it left; None before the first."""
        sql = "SELECT start, history FROM judged WHERE version = ? AND kind = ? AND window = ? AND segment = ?"
        row = self._connection.execute(sql, (version, kind, window, segment)).fetchone()
        return None if row is None else (int(row[0]), str(row[1]))

    def forget_judged(self, after: int) -> None:
        """Forgets that windows were judged which begin after the hour `after`."""
        self._connection.execute("DELETE FROM judged WHERE start > ?", (after,))

    def judge(
        self, which: tuple[str, str, str, str], start: int, history: str, lines: Callable[[int], Sequence[str]]
    ) -> None:
        """Keeps the verdicts of one window, and that it was judged.

        Args:
            which: version, kind, window and segment.
            start: the window's first hour.
            history: what the next window of its kind is judged with.
            lines: the number of the first verdict -> their lines.
        """
        (last,) = self._connection.execute("SELECT ifnull(max(sequence), 0) FROM verdicts").fetchone()
        written = [(last + 1 + number, line) for number, line in enumerate(lines(last + 1))]
        self._connection.executemany("INSERT INTO verdicts VALUES (?, ?)", written)
        self._connection.execute("REPLACE INTO judged VALUES (?, ?, ?, ?, ?, ?)", (*which, start, history))

    def verdicts(self, after: int) -> list[tuple[int, str]]:
        """Returns number and line of the verdicts after number `after`."""
        return self._connection.execute(
            "SELECT sequence, line FROM verdicts WHERE sequence > ? AND line != '' ORDER BY sequence", (after,)
        ).fetchall()

    def number_after(self, sequence: int) -> None:
        """Numbers the verdicts of a store that has counted nothing yet after those that the file holds."""
        if sequence and not self.places():
            self._connection.execute("INSERT OR IGNORE INTO verdicts VALUES (?, '')", (sequence,))

    def written(self, upto: int) -> None:
        """Forgets the verdicts that the file holds, but the last: their numbers go on."""
        self._connection.execute("DELETE FROM verdicts WHERE sequence < ?", (upto,))


def _connected(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, isolation_level=None, timeout=30)
    # A power cut may cost the newest transactions, which the logs bring again; it never tears the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _pieces(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[start : start + _KEYS_AT_ONCE] for start in range(0, len(keys), _KEYS_AT_ONCE))


def _blob(vector: Vector) -> bytes:
    """Returns the places and values that are not zero, compressed: an hour fills few bins, with small numbers."""
    places = np.flatnonzero(vector)
    plain = places.astype("<u4").tobytes() + vector[places].astype("<f8").tobytes()
    return zlib.compress(plain, 1)


def _vector(blob: bytes, size: int) -> Vector:
    plain = zlib.decompress(blob)
    many = len(plain) // 12
    vector = np.zeros(size)
    vector[np.frombuffer(plain, "<u4", many)] = np.frombuffer(plain, "<f8", many, 4 * many)
    return vector
