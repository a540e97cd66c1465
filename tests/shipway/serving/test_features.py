"""A store that fails is asked less, never more; a request gets its defaults in time and is told apart in the counts."""

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shipway.contract.errors import EntityError, FeatureError
from shipway.contract.serving import CircuitSpec, FeatureRead, FeaturesSpec
from shipway.serving.circuit import CircuitState
from shipway.serving.features import FeatureReader, FeatureStatus, ReadOutcome, ServedFeature, described
from tests.shipway.serving.doubles import READ, Harness, Stored, StubStore
from tests.shipway.serving.test_last_answers import Clock
from tests.shipway.serving.test_runtime import asked

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
FRESH = {READ.name: Stored(3.5, NOW)}
CIRCUIT = CircuitSpec(consecutive_failures=3, window_reads=10, open_seconds=5)


class Counts:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.tries: list[ReadOutcome] = []
        self.retries: list[bool] = []
        self.states: list[CircuitState] = []

    def timed(self, seconds: float) -> None:
        assert seconds >= 0

    def tried(self, outcome: ReadOutcome) -> None:
        self.tries.append(outcome)

    def retried(self, made: bool) -> None:
        self.retries.append(made)

    def circuit(self, state: CircuitState) -> None:
        self.states.append(state)


class Flaky:
    """A store whose next calls fail as `plan` says: an error to raise, None for an answer."""

    def __init__(self, plan: list[Exception | None]) -> None:
        self.plan, self.asked = plan, 0

    def __call__(self) -> None:
        self.asked += 1
        error = self.plan.pop(0) if self.plan else None
        if error is not None:
            raise error


def reader(
    does: Callable[[], None], counts: Counts, clock: Callable[[], float] = time.monotonic, **spec: Any
) -> FeatureReader:
    # Long enough for a thread that has to wait for a busy machine; who tests the deadline itself says another.
    made = FeaturesSpec(reads=(READ,), **({"timeout_seconds": 10, "circuit": CIRCUIT} | spec))
    return FeatureReader(made, StubStore(FRESH, does), counts, clock)


async def statuses(one: FeatureReader, times: int) -> list[FeatureStatus]:
    return [(await one.read([{}], NOW))[0][0].status for _ in range(times)]


def test_a_read_that_failed_is_tried_once_more_within_the_budget() -> None:
    """One bad answer costs nothing but the second question; a store that is down gets a tenth more than requests."""
    counts, store = Counts(), Flaky([FeatureError("once")])
    one = reader(store, counts)
    assert asyncio.run(statuses(one, 1)) == [FeatureStatus.FRESH]
    assert (counts.tries, counts.retries) == ([ReadOutcome.ERROR, ReadOutcome.OK], [True])
    counts, store = Counts(), Flaky([FeatureError("down")] * 1000)
    never_opens = CircuitSpec(consecutive_failures=1000, window_reads=1000, failure_ratio=1)
    one = reader(store, counts, retry_ratio=0.1, circuit=never_opens)
    assert set(asyncio.run(statuses(one, 100))) == {FeatureStatus.UNAVAILABLE}
    assert 100 < store.asked <= 111
    assert counts.retries.count(True) == store.asked - 100
    assert len(counts.retries) == 100


def test_no_budget_is_no_retry() -> None:
    """0 means never."""
    counts, store = Counts(), Flaky([FeatureError("once")])
    assert asyncio.run(statuses(reader(store, counts, retry_ratio=0), 1)) == [FeatureStatus.UNAVAILABLE]
    assert (store.asked, counts.retries) == (1, [False])


def test_an_open_circuit_spares_the_store_and_one_read_closes_it() -> None:
    """While it is open nothing is asked; then one read tries; a second failure keeps it open as long again."""
    counts, clock = Counts(), Clock()
    store = Flaky([sqlite3.OperationalError("down")] * 4)
    one = reader(store, counts, clock, retry_ratio=0)
    steps: list[tuple[float, int, FeatureStatus]] = [
        (0, 3, FeatureStatus.UNAVAILABLE),
        (4.9, 3, FeatureStatus.UNAVAILABLE),
        (5, 4, FeatureStatus.UNAVAILABLE),
        (9.9, 4, FeatureStatus.UNAVAILABLE),
        (10, 7, FeatureStatus.FRESH),
        (10, 10, FeatureStatus.FRESH),
    ]

    async def walk() -> None:
        for at, questions, last in steps:
            clock.now_seconds = 1000 + at
            found = await statuses(one, 3)
            assert (at, store.asked, found[-1]) == (at, questions, last)

    asyncio.run(walk())
    opened, tried, closed = CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED
    assert counts.states == [opened, tried, opened, tried, closed]
    assert counts.tries.count(ReadOutcome.CIRCUIT_OPEN) == 8


def test_a_request_without_a_key_says_nothing_of_the_store() -> None:
    """Or a caller could close the store to all others."""
    counts, store = Counts(), Flaky([EntityError("got no value for entity key 'shop'")] * 50)
    assert set(asyncio.run(statuses(reader(store, counts), 50))) == {FeatureStatus.UNAVAILABLE}
    assert (store.asked, counts.states, counts.retries) == (50, [], [])
    assert set(counts.tries) == {ReadOutcome.BAD_KEY}


def test_a_request_without_a_key_does_not_close_the_circuit() -> None:
    """A store that is down stays left alone until somebody has reached it."""
    down, nobody = FeatureError("down"), EntityError("got no value for entity key 'shop'")
    counts, store, clock = Counts(), Flaky([down, down, down, nobody, None]), Clock()
    one = reader(store, counts, clock, retry_ratio=0)
    asyncio.run(statuses(one, 3))
    clock.now_seconds += 6
    asyncio.run(statuses(one, 1))
    assert counts.states == [CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.OPEN]
    assert asyncio.run(statuses(one, 1)) == [FeatureStatus.FRESH]
    assert counts.states[3:] == [CircuitState.HALF_OPEN, CircuitState.CLOSED]


def test_a_store_that_hangs_opens_the_circuit_and_costs_later_requests_nothing() -> None:
    """The bulkhead of the store is its own: as many threads hang as model.yaml allows, no more."""
    release, counts = threading.Event(), Counts()
    one = reader(lambda: release.wait(10) and None, counts, timeout_seconds=0.05, max_concurrency=2)

    async def walk() -> float:
        began = time.monotonic()
        assert set(await statuses(one, 20)) == {FeatureStatus.UNAVAILABLE}
        return time.monotonic() - began

    assert asyncio.run(walk()) < 2
    release.set()
    assert counts.tries[:2] == [ReadOutcome.TIMEOUT] * 2
    assert ReadOutcome.OK not in counts.tries
    assert counts.states[0] is CircuitState.OPEN
    one.close()


def test_a_read_that_is_given_up_frees_the_circuit() -> None:
    """The one call of a half-open circuit may be cancelled with its request; the next one tries again."""
    counts, clock, release = Counts(), Clock(), threading.Event()
    plan: list[Any] = [FeatureError("down")] * 3

    def does() -> None:
        if plan:
            raise plan.pop()
        release.wait(5)

    one = reader(does, counts, clock, retry_ratio=0, timeout_seconds=10)

    async def walk() -> None:
        await statuses(one, 3)
        clock.now_seconds += 5
        tries = asyncio.create_task(one.read([{}], NOW))
        while CircuitState.HALF_OPEN not in counts.states:
            await asyncio.sleep(0.001)
        tries.cancel()
        with pytest.raises(asyncio.CancelledError):
            await tries
        release.set()
        assert counts.states[-1] is CircuitState.OPEN
        clock.now_seconds += 5
        assert await statuses(one, 1) == [FeatureStatus.FRESH]

    asyncio.run(walk())
    assert counts.states[-1] is CircuitState.CLOSED


def test_an_error_of_the_store_is_logged_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """A driver quotes keys; type, cause and place are enough to find it."""
    error = FeatureError("cannot read Ada Lovelace")
    error.__cause__ = sqlite3.OperationalError("no such shop: Ada Lovelace")
    assert described(error) == "FeatureError from OperationalError"
    asyncio.run(statuses(reader(Flaky([error]), Counts()), 1))
    assert "the feature store raised FeatureError from OperationalError at" in caplog.text
    assert "Lovelace" not in caplog.text


def test_everything_about_reads_is_on_the_page_from_the_start(harness: Callable[..., Harness]) -> None:
    """And moves with what happens: tries, retries, the circuit and how often it opened."""
    store = StubStore(FRESH, Flaky([FeatureError("down")] * 50))
    one = harness(store=store)
    for outcome in ReadOutcome:
        assert one.value("shipway_feature_reads_total", outcome=str(outcome)) == 0
    assert one.value("shipway_feature_circuit_opened_total") == 0
    assert [one.value("shipway_feature_circuit_state", state=str(state)) for state in CircuitState] == [1, 0, 0]
    for _ in range(6):
        asyncio.run(one.runtime.answer(asked()))
    assert one.value("shipway_feature_reads_total", outcome="error") == 5
    assert one.value("shipway_feature_reads_total", outcome="circuit_open") == 2
    assert one.value("shipway_feature_retries_total", outcome="made") == 1
    assert one.value("shipway_feature_circuit_opened_total") == 1
    assert [one.value("shipway_feature_circuit_state", state=str(state)) for state in CircuitState] == [0, 1, 0]
    assert one.value("shipway_feature_seconds_count") == 6


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_a_fresh_value_is_ever_served_as_fresh(seed: int) -> None:
    """F24, without a process: whatever the store does, each feature is fresh within its ttl or its own default."""
    chance = random.Random(seed)
    reads = tuple(
        FeatureRead(name=f"view_v1:f{number}", default=-1.0 - number, ttl_seconds=chance.choice([1.0, 60.0, 3600.0]))
        for number in range(4)
    )
    stored: dict[str, Any] = {}
    failures = [FeatureError("down"), sqlite3.OperationalError("gone"), KeyError("schema"), None, None, None, None]
    clock = Clock()

    def does() -> None:
        error = chance.choice(failures)
        if error is not None:
            raise error

    spec = FeaturesSpec(reads=reads, timeout_seconds=0.1, circuit=CircuitSpec(open_seconds=0.001))
    one = FeatureReader(spec, StubStore(stored, does), Counts(), clock)

    async def walk() -> list[tuple[dict[str, Any], tuple[ServedFeature, ...]]]:
        seen: list[tuple[dict[str, Any], tuple[ServedFeature, ...]]] = []
        for _ in range(100):
            for read in reads:
                age = chance.choice([-60.0, 0.0, 0.5, 30.0, 1800.0, 1e6])
                value = chance.choice([None, float("nan"), 5.0, 6.0])
                found = Stored(value, chance.choice([None, NOW - timedelta(seconds=age)]))
                stored.pop(read.name, None)
                if chance.random() < 0.8:
                    stored[read.name] = found
            clock.now_seconds += 0.01
            seen.append((dict(stored), (await one.read([{}], NOW))[0]))
        return seen

    fresh = 0
    for there, served in asyncio.run(walk()):
        for read, feature in zip(reads, served, strict=True):
            if feature.status is not FeatureStatus.FRESH:
                assert feature.value == read.default
                continue
            fresh += 1
            known = there[read.name]
            assert feature.value == known.value
            assert 0 <= (NOW - known.timestamp).total_seconds() <= read.ttl_seconds
    assert fresh
