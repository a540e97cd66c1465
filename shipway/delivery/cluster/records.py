"""What delivery on a cluster keeps, in an object store, by a thread of its own: the loop never waits for the store."""

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shipway.contract.errors import Fatal, Retryable
from shipway.contract.ledger import Entry
from shipway.contract.rollout import Look, Move
from shipway.contract.route import RolloutState
from shipway.delivery.history import Thinning
from shipway.delivery.ledger import Ledger
from shipway.delivery.memory import remembered
from shipway.delivery.records import append
from shipway.delivery.served import Change, ServedModel
from shipway.delivery.storage import Storage

__all__ = ["ObjectRecords", "RouteRecords"]

RETRY_SECONDS = 5.0
# A line of the history is an object only together with others: a store is no place for one a second.
FLUSH_SECONDS = 30.0
# While the store is down, so many looks are kept; then the oldest go.
KEPT_LOOKS = 10_000
# Clocks of two machines may differ: entries are searched so far before the time of a change that may be among them.
_SKEW = timedelta(hours=1)
_AGAIN_SECONDS = 1.0

_Key = tuple[str, str, int | None]


class RouteRecords:
    """What a person's one step keeps: nothing but what rides on the route, until the process enters it."""

    def remembered(self, model: str) -> RolloutState:
        """Raises Retryable: the ledger is the process's, and it reads it when it takes up a new route."""
        raise Retryable(f"delivery has not taken up the route of {model} yet", _AGAIN_SECONDS)

    def record(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Does nothing: the change is on the route."""
        return {}

    def tell(self, model: str, change: Change) -> Mapping[str, str]:
        """Does nothing: a person's step makes no looks."""
        return {}

    def look(self, look: Look) -> Mapping[str, str]:
        """Does nothing: a person's step makes no looks."""
        return {}


@dataclass
class ObjectRecords:
    """The ledger and the history in an object store.

    Args:
        ledger: the ledger in it.
        history: where looks are kept: `<model>/<rollout>/<time of the first look>.jsonl`.
        check: makes sure that the store is fit for a ledger; raises Fatal when it is not, OSError when it is down.
        clock: seconds on a clock that only grows.
    """

    ledger: Ledger
    history: Storage
    check: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _changes: list[tuple[str, Change]] = field(default_factory=list[tuple[str, Change]])
    _taken: set[_Key] = field(default_factory=set[_Key])
    _entered: set[_Key] = field(default_factory=set[_Key])
    _known: dict[int, _Key] = field(default_factory=dict[int, _Key])
    _newest: int = 0
    _read_from: datetime = field(default_factory=lambda: datetime.max.replace(tzinfo=UTC))
    _asked: list[str] = field(default_factory=list[str])
    _memories: dict[str, RolloutState | Fatal] = field(default_factory=dict[str, RolloutState | Fatal])
    _looks: list[Look] = field(default_factory=list[Look])
    _flushed_at_seconds: float = float("-inf")
    _problems: dict[str, str] = field(default_factory=dict[str, str])
    _thinning: Thinning = field(default_factory=Thinning)
    _checked: bool = False
    _stopping: bool = False

    def remembered(self, model: str) -> RolloutState:
        """Returns what the ledger knows of a model without a route, once it was read."""
        with self._wake:
            found = self._memories.get(model)
            if found is None:
                if model not in self._asked:
                    self._asked.append(model)
                    self._wake.notify()
                why = self._problems.get("ledger", "it is being read")
                raise Retryable(f"what the ledger remembers of {model} is not known yet: {why}", _AGAIN_SECONDS)
        if isinstance(found, Fatal):
            raise found
        return found

    def record(self, served: Mapping[str, ServedModel]) -> Mapping[str, str]:
        """Hands over every change that was not handed over before; returns what keeps earlier ones from the store."""
        with self._wake:
            for model, one in served.items():
                # It has a route from now on: its next one would remember more.
                self._memories.pop(model, None)
                for change in one.changes:
                    self._take(model, change)
            return dict(self._problems)

    def tell(self, model: str, change: Change) -> Mapping[str, str]:
        """Hands over an event that changed no route."""
        with self._wake:
            self._take(model, change)
            return dict(self._problems)

    def look(self, look: Look) -> Mapping[str, str]:
        """Hands over a look, if it is one that is kept."""
        with self._wake:
            if self._thinning.keeps(look, self.clock()):
                self._looks = [*self._looks[-KEPT_LOOKS + 1 :], look]
                if look.move is not Move.HOLD:
                    self._wake.notify()
        return {}

    def entered(self, model: str, change: Change) -> bool:
        """Returns whether the ledger holds a change."""
        with self._wake:
            return _key(model, change) in self._entered

    @contextmanager
    def running(self) -> Generator[None]:
        """Writes while the block runs; at its end, what is left is written once more if the store answers."""
        thread = threading.Thread(target=self._run, name="records", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._wake:
                self._stopping = True
                self._wake.notify()
            thread.join(2 * RETRY_SECONDS)

    def _take(self, model: str, change: Change) -> None:
        if (key := _key(model, change)) not in self._taken:
            self._taken.add(key)
            self._changes.append((model, change))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                # A store that does not answer is asked again after a while, whatever happens until then.
                self._wake.wait_for(lambda: self._stopping or (self._due() and not self._problems), RETRY_SECONDS)
                stopping = self._stopping
            problems = self._work(stopping)
            with self._wake:
                self._problems = problems
            if stopping:
                return

    def _due(self) -> bool:
        moved = any(look.move is not Move.HOLD for look in self._looks)
        late = bool(self._looks) and self.clock() - self._flushed_at_seconds >= FLUSH_SECONDS
        return bool(self._changes or self._asked) or moved or late

    def _work(self, stopping: bool) -> dict[str, str]:
        problems: dict[str, str] = {}
        try:
            if not self._checked:
                self.check()
                self._checked = True
            self._enter()
            self._remember()
        except Fatal as error:
            problems["ledger"] = str(error)
        except OSError as error:
            problems["ledger"] = f"{len(self._changes)} entries wait: {error.strerror} ({error.filename})"
        try:
            with self._wake:
                due = stopping or self._due()
            if due:
                self._flush()
        except OSError as error:
            problems["history"] = f"{len(self._looks)} looks wait: {error.strerror} ({error.filename})"
        return problems

    def _enter(self) -> None:
        with self._wake:
            waiting = sorted(self._changes, key=lambda one: one[1].time)
        if not waiting:
            return
        self._read_since(min(_searched_from(change.time) for _, change in waiting))
        for model, change in waiting:
            key = _key(model, change)
            if key not in self._known.values():
                append(self.ledger, model, change, checked=self._newest)
            with self._wake:
                self._entered.add(key)
                self._changes.remove((model, change))

    def _read_since(self, start: datetime) -> None:
        """Reads the entries since a time, or only those that came after what was read before."""
        found: dict[int, _Key] = {}
        for entry in self.ledger.newest_first():
            # What is older than `start` is none of those that wait, so nobody has to read up to here again.
            self._newest = max(self._newest, entry.number)
            known = entry.number in self._known and start >= self._read_from
            # One whose time is none stops nothing: those before it are read all the same.
            if known or ((made := _moment(entry.time)) is not None and made < start):
                break
            found[entry.number] = _key(entry.model, entry)
        # Whole or not at all: what is known has no gap.
        self._known |= found
        self._read_from = min(start, self._read_from)

    def _remember(self) -> None:
        with self._wake:
            asked = list(self._asked)
        for model in asked:
            try:
                found: RolloutState | Fatal = remembered(self.ledger.entries(model))
            except Fatal as error:
                found = error
            with self._wake:
                self._memories[model] = found
                self._asked.remove(model)

    def _flush(self) -> None:
        with self._wake:
            looks = list(self._looks)
        for (model, rollout), mine in _grouped(looks).items():
            name = f"{model}/{rollout:06d}/{mine[0].time.replace(':', '')}.jsonl"
            lines = [f"{look.model_dump_json()}\n" for look in mine]
            if not self.history.create(name, "".join(lines).encode()):
                # It was written, and the answer got lost: what came since waits for an object of its own.
                there = set(self.history.read(name).decode().splitlines(keepends=True))
                mine = [look for look, line in zip(mine, lines, strict=True) if line in there] or mine[:1]
            # By identity: after an outage thousands wait, and while they are compared nobody can hand over anything.
            written = set(map(id, mine))
            with self._wake:
                self._looks = [look for look in self._looks if id(look) not in written]
        self._flushed_at_seconds = self.clock()


def _moment(time: str) -> datetime | None:
    """Returns when that is, None for what is no time."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _searched_from(time: str) -> datetime:
    """Returns from when on an entry of a change may have been made; of one without a time, any may be."""
    found = _moment(time)
    return datetime.min.replace(tzinfo=UTC) if found is None else found - _SKEW


def _key(model: str, event: Change | Entry) -> _Key:
    return model, event.time, event.generation


def _grouped(looks: list[Look]) -> dict[tuple[str, int], list[Look]]:
    grouped: dict[tuple[str, int], list[Look]] = {}
    for look in looks:
        grouped.setdefault((look.model, look.rollout), []).append(look)
    return grouped
