"""Feature reads that cannot hang or lie: a bounded wait, an age against the event's own time, a counted default."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shipway.contract.serving import FeatureRead, FeaturesSpec

__all__ = ["FeatureReader", "FeatureStatus", "FeatureStore", "ServedFeature", "StoredValue"]

_LOGGER = logging.getLogger("shipway.serving")

# Reads of the store at the same time; when all hang, later requests get defaults at once instead of waiting.
_MAX_READS = 4

# A value may be stamped this much after the event before it counts as knowledge of the future: clocks differ.
_CLOCK_SKEW_SECONDS = 5.0


class FeatureStatus(StrEnum):
    """Where a served value came from; anything but `fresh` is the declared default."""

    FRESH = "fresh"
    MISSING = "missing"
    STALE = "stale"
    FUTURE = "future"
    UNAVAILABLE = "unavailable"


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
    """Reads what a model declared, for the rows of one request.

    Args:
        spec: the reads with their defaults and ttls, and the time a request may wait.
        store: the online store.
        timed: called with the seconds of each read, successful or not.
    """

    def __init__(self, spec: FeaturesSpec, store: FeatureStore, timed: Callable[[float], None]) -> None:
        self._spec, self._store, self._timed = spec, store, timed
        self._names = [read.name for read in spec.reads]
        self._threads = ThreadPoolExecutor(_MAX_READS, thread_name_prefix="features")
        self._hanging = 0

    async def read(
        self, entities: Sequence[Mapping[str, object]], event_time: datetime
    ) -> list[tuple[ServedFeature, ...]]:
        """Returns the features of each row, in the order of model.yaml; never raises and never waits past the limit."""
        started = time.perf_counter()
        found = await self._found(entities)
        self._timed(time.perf_counter() - started)
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

    async def _found(self, entities: Sequence[Mapping[str, object]]) -> Sequence[Mapping[str, StoredValue]] | None:
        if self._hanging >= _MAX_READS:
            return None
        work = self._threads.submit(self._store.read_many, self._names, entities)
        future = asyncio.wrap_future(work)
        future.add_done_callback(_looked_at)
        try:
            # A burst waits for a thread within the same limit: only a store that hangs costs the later ones nothing.
            return await asyncio.wait_for(asyncio.shield(future), self._spec.timeout_seconds)
        except TimeoutError:
            if not work.cancel():
                self._hanging += 1
                future.add_done_callback(self._hangs_no_more)
            return None
        except Exception as error:  # noqa: BLE001 - whatever the store raises, the request gets defaults, counted
            _LOGGER.error("the feature store raised %s: %s", type(error).__name__, error)
            return None

    def _hangs_no_more(self, _: "asyncio.Future[Any]") -> None:
        self._hanging -= 1


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
