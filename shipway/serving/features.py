"""Feature reads that cannot hang or lie: a bounded wait, an age against the event's own time, a counted default."""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shipway.contract.errors import EntityError
from shipway.contract.serving import FeatureRead, FeaturesSpec
from shipway.serving.circuit import Circuit, CircuitState, RetryBudget

__all__ = [
    "FeatureReader",
    "FeatureStatus",
    "FeatureStore",
    "ReadCounts",
    "ReadOutcome",
    "ServedFeature",
    "StoredValue",
    "described",
    "joined",
]

_LOGGER = logging.getLogger("shipway.serving")

# A value may be stamped this much after the event before it counts as knowledge of the future: clocks differ.
_CLOCK_SKEW_SECONDS = 5.0

# Below this much time left a second try would only time out as well.
_LEAST_RETRY_SECONDS = 0.01


class FeatureStatus(StrEnum):
    """Where a served value came from; anything but `fresh` is the declared default."""

    FRESH = "fresh"
    MISSING = "missing"
    STALE = "stale"
    FUTURE = "future"
    UNAVAILABLE = "unavailable"


class ReadOutcome(StrEnum):
    """How one try to read the store ended.

    `bad_key` is a request that names no entity, which says nothing of the store; `busy` and `circuit_open` are tries
    that never reached it.
    """

    OK = "ok"
    ERROR = "error"
    TIMEOUT = "timeout"
    BAD_KEY = "bad_key"
    BUSY = "busy"
    CIRCUIT_OPEN = "circuit_open"


class StoredValue(Protocol):
    """What the store knows about one feature."""

    @property
    def value(self) -> float | None: ...

    @property
    def timestamp(self) -> datetime | None: ...


class FeatureStore(Protocol):
    """The online store as serving needs it; `shipway.features.OnlineStore` is one."""

    def read_many(
        self, reads: Sequence[str], entities: Sequence[Mapping[str, object]]
    ) -> Sequence[Mapping[str, StoredValue]]:
        """Returns `view:feature` -> value for each set of keys; may block and may raise FeatureError."""
        ...


class ReadCounts(Protocol):
    """Who is told how reads go; `shipway.serving.read_measures.ReadMeasures` is one."""

    def timed(self, seconds: float) -> None:
        """Times all that a request spent on the store."""
        ...

    def tried(self, outcome: ReadOutcome) -> None:
        """Counts one try."""
        ...

    def retried(self, made: bool) -> None:
        """Counts a read that failed and was tried once more, or for which there was no budget."""
        ...

    def circuit(self, state: CircuitState) -> None:
        """Shows the circuit's new state."""
        ...


@dataclass(frozen=True)
class ServedFeature:
    """One feature value as it went into the model."""

    name: str
    value: float
    status: FeatureStatus
    timestamp: datetime | None = None
    age_seconds: float | None = None

    def record(self) -> dict[str, Any]:
        """Returns the value as it stands in the prediction log."""
        return {
            "name": self.name,
            "value": self.value,
            "status": str(self.status),
            "timestamp": self.timestamp,
            "age_seconds": self.age_seconds,
        }


class FeatureReader:
    """Reads what a model declared, for the rows of one request; used by one event loop.

    Args:
        spec: the reads with their defaults and ttls, and what a request may cost.
        store: the online store.
        counts: who is told.
        clock: seconds on a clock that only grows.
    """

    def __init__(
        self,
        spec: FeaturesSpec,
        store: FeatureStore,
        counts: ReadCounts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec, self._store, self._counts, self._clock = spec, store, counts, clock
        self._names = [read.name for read in spec.reads]
        self._threads = ThreadPoolExecutor(spec.max_concurrency, thread_name_prefix="features")
        self._hanging = 0
        self._circuit = Circuit(spec.circuit)
        self._retries = RetryBudget(spec.retry_ratio)

    async def read(
        self, entities: Sequence[Mapping[str, object]], event_time: datetime
    ) -> list[tuple[ServedFeature, ...]]:
        """Returns the features of each row, in the order of model.yaml; never raises and never waits past the limit."""
        started = self._clock()
        found = await self._found(entities, started + self._spec.timeout_seconds)
        self._counts.timed(self._clock() - started)
        if found is None:
            return [tuple(_default(read, FeatureStatus.UNAVAILABLE) for read in self._spec.reads)] * len(entities)
        return [tuple(_served(read, row.get(read.name), event_time) for read in self._spec.reads) for row in found]

    def warm_up(self, entities: Mapping[str, object]) -> dict[str, float]:
        """Reads once, in this thread and without a limit, and returns the declared defaults.

        Raises:
            FeatureError: when the store cannot answer.
        """
        self._store.read_many(self._names, [entities])
        return {read.name: read.default for read in self._spec.reads}

    def close(self) -> None:
        """Lets go of the threads; one that hangs in the store is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _found(
        self, entities: Sequence[Mapping[str, object]], deadline_seconds: float
    ) -> Sequence[Mapping[str, StoredValue]] | None:
        self._retries.earn()
        outcome, found = await self._try(entities, deadline_seconds)
        # A timeout has used up the wait; only an error leaves time for another try.
        if outcome is not ReadOutcome.ERROR or deadline_seconds - self._clock() < _LEAST_RETRY_SECONDS:
            return found
        made = self._retries.spend()
        self._counts.retried(made)
        return (await self._try(entities, deadline_seconds))[1] if made else None

    async def _try(
        self, entities: Sequence[Mapping[str, object]], deadline_seconds: float
    ) -> tuple[ReadOutcome, Sequence[Mapping[str, StoredValue]] | None]:
        found: Sequence[Mapping[str, StoredValue]] | None = None
        era = self._admit()
        if era is None:
            outcome = ReadOutcome.CIRCUIT_OPEN
        else:
            # Whatever happens in between, the circuit hears of an end: it may be waiting for this very call.
            outcome = ReadOutcome.TIMEOUT
            try:
                outcome, found = await self._ask(entities, deadline_seconds - self._clock())
            finally:
                self._ended(era, outcome)
        self._counts.tried(outcome)
        return outcome, found

    async def _ask(
        self, entities: Sequence[Mapping[str, object]], seconds: float
    ) -> tuple[ReadOutcome, Sequence[Mapping[str, StoredValue]] | None]:
        if self._hanging >= self._spec.max_concurrency:
            return ReadOutcome.BUSY, None
        work = self._threads.submit(self._store.read_many, self._names, entities)
        future = asyncio.wrap_future(work)
        future.add_done_callback(_looked_at)
        try:
            # A burst waits for a thread within the same limit: only a store that hangs costs the later ones nothing.
            return ReadOutcome.OK, await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            if not work.cancel():
                self._hanging += 1
                future.add_done_callback(self._hangs_no_more)
            return ReadOutcome.TIMEOUT, None
        except EntityError:
            return ReadOutcome.BAD_KEY, None
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the request gets defaults, counted
            # Its text may quote a key, and a key may be a person.
            _LOGGER.error("the feature store raised %s", described(error))
            return ReadOutcome.ERROR, None

    def _admit(self) -> int | None:
        before = self._circuit.state
        self._circuit, era = self._circuit.admit(self._clock())
        self._show(before)
        return era

    def _ended(self, era: int, outcome: ReadOutcome) -> None:
        before = self._circuit.state
        failed = outcome in (ReadOutcome.ERROR, ReadOutcome.TIMEOUT, ReadOutcome.BUSY)
        if outcome is ReadOutcome.BAD_KEY:
            self._circuit = self._circuit.unasked(era)
        else:
            self._circuit = self._circuit.ended(era, failed, self._clock())
        self._show(before)

    def _show(self, before: CircuitState) -> None:
        if self._circuit.state is before:
            return
        self._counts.circuit(self._circuit.state)
        if self._circuit.state is not CircuitState.HALF_OPEN:
            _LOGGER.warning("the circuit of the feature store is %s", self._circuit.state)

    def _hangs_no_more(self, _: "asyncio.Future[Any]") -> None:
        self._hanging -= 1


def described(error: BaseException) -> str:
    """Returns type, cause and place of an error; never its text, which may quote what a caller sent.

    >>> described(ValueError("Ada Lovelace"))
    'ValueError'
    """
    cause = f" from {type(error.__cause__).__name__}" if error.__cause__ else ""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}{cause}" + (f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else "")


def joined(rows: Sequence[Mapping[str, Any]], features: Sequence[Sequence[ServedFeature]]) -> list[dict[str, Any]]:
    """Returns each row with its features, by the names of model.yaml."""
    return [
        {**row, **{feature.name: feature.value for feature in served}} if served else dict(row)
        for row, served in zip(rows, features, strict=True)
    ]


def _looked_at(future: "asyncio.Future[Any]") -> None:
    # An exception that nobody waits for any more is not asyncio's to complain about.
    if not future.cancelled():
        future.exception()


def _served(read: FeatureRead, stored: StoredValue | None, event_time: datetime) -> ServedFeature:
    if stored is None or stored.value is None or stored.timestamp is None or stored.value != stored.value:
        return _default(read, FeatureStatus.MISSING)
    age = (event_time - stored.timestamp).total_seconds()
    if age > read.ttl_seconds:
        return _default(read, FeatureStatus.STALE, stored.timestamp, age)
    if age < -_CLOCK_SKEW_SECONDS:
        return _default(read, FeatureStatus.FUTURE, stored.timestamp, age)
    return ServedFeature(read.name, float(stored.value), FeatureStatus.FRESH, stored.timestamp, max(age, 0.0))


def _default(
    read: FeatureRead, status: FeatureStatus, timestamp: datetime | None = None, age: float | None = None
) -> ServedFeature:
    return ServedFeature(read.name, read.default, status, timestamp, age)
