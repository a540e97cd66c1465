"""Requests that wait together share a call of the model, and nothing else."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from shipway.serving.calls import BatchedCalls, Deadlines, SingleCalls, _Effort

Rows = Sequence[Mapping[str, Any]]


class Slow:
    """Answers each row's number once it is told to; remembers how many rows each call had."""

    def __init__(self, does: Callable[[Rows], object] | None = None) -> None:
        self.calls: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self._does = does or (lambda rows: np.array([row["n"] for row in rows], dtype=float))

    def __call__(self, rows: Rows) -> object:
        self.calls.append(len(rows))
        self.begun.set()
        assert self.go.wait(10)
        return self._does(rows)


def rows(*numbers: float) -> list[dict[str, float]]:
    return [{"n": number} for number in numbers]


async def submit_while_busy(calls: BatchedCalls, model: Slow, *asked: Rows) -> list[Any]:
    """Submits while a first call runs, then lets all go; returns what each of `asked` got."""
    first = calls.submit(rows(-1))
    assert await asyncio.to_thread(model.begun.wait, 10)
    futures = [calls.submit(one) for one in asked]
    model.go.set()
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert list(await first) == [-1]
    return found


def test_what_waits_is_one_call_and_each_gets_its_own() -> None:
    """Three requests that came while the model was busy are one call; the rows go back to whom they belong."""

    async def run() -> None:
        model = Slow()
        calls = BatchedCalls(model, 4, hangs_seconds=60)
        found = await submit_while_busy(calls, model, rows(1), rows(2, 3), rows(4))
        assert [list(one) for one in found] == [[1], [2, 3], [4]]
        assert model.calls == [1, 4]
        calls.close()

    asyncio.run(run())


def test_a_batch_has_a_limit_and_a_large_request_comes_alone() -> None:
    """No call has more rows than the limit, unless a single request has."""

    async def run() -> None:
        model = Slow()
        calls = BatchedCalls(model, 4, max_rows=3, hangs_seconds=60)
        found = await submit_while_busy(calls, model, rows(1, 2), rows(3, 4), rows(5, 6, 7, 8), rows(9))
        assert [list(one) for one in found] == [[1, 2], [3, 4], [5, 6, 7, 8], [9]]
        assert sorted(model.calls) == [1, 1, 2, 2, 4]
        calls.close()

    asyncio.run(run())


def poisoned(raw: object) -> Callable[[Rows], object]:
    """Returns a model that answers `raw`, or raises it, as soon as a row is 13."""

    def answer(rows: Rows) -> object:
        numbers = np.array([row["n"] for row in rows], dtype=float)
        if 13 not in numbers:
            return numbers
        if isinstance(raw, Exception):
            raise raw
        return raw

    return answer


@pytest.mark.parametrize("raw", [ValueError("13"), np.array([np.nan]), np.array([[1.0]]), "text", None])
def test_one_callers_row_is_nobody_elses_error(raw: object) -> None:
    """When the joint call fails, each request is called alone: only the one with the bad row fails."""

    async def run() -> None:
        model = Slow(poisoned(raw))
        calls = BatchedCalls(model, 4, hangs_seconds=60)
        found = await submit_while_busy(calls, model, rows(1), rows(13), rows(2))
        assert [list(found[0]), list(found[2])] == [[1], [2]]
        assert found[1] is raw
        assert model.calls == [1, 3, 1, 1, 1]
        calls.close()

    asyncio.run(run())


def test_a_slow_call_does_not_hold_the_next_one_up() -> None:
    """Past its patience a request is called beside the one that hangs."""

    async def run() -> None:
        hang = threading.Event()

        def model(asked: Rows) -> object:
            if asked[0]["n"] == 0:
                assert hang.wait(10)
            return np.array([row["n"] for row in asked], dtype=float)

        calls = BatchedCalls(model, 4, hangs_seconds=60)
        stuck = calls.submit(rows(0))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert list(await calls.submit(rows(1))) == [1]
            assert list(await calls.submit(rows(2))) == [2]
        assert not stuck.done()
        hang.set()
        assert list(await stuck) == [0]
        calls.close()

    asyncio.run(run())


def test_everybody_is_answered_whatever_the_order() -> None:
    """A thousand requests of one to five rows by forty callers: each gets its own numbers."""

    async def run() -> None:
        calls = BatchedCalls(lambda asked: np.array([row["n"] for row in asked], dtype=float), 4, hangs_seconds=60)

        async def caller(number: int) -> None:
            for turn in range(25):
                mine = [number * 1000 + turn * 10 + row for row in range(1 + (number + turn) % 5)]
                assert list(await calls.submit(rows(*mine))) == mine
                await asyncio.sleep(0.0005 * (number % 3))

        async with asyncio.timeout(30):
            await asyncio.gather(*map(caller, range(40)))
        calls.close()

    asyncio.run(run())


def _hangs(go: threading.Event) -> Callable[[Rows], object]:
    """Returns a model that waits until `go` when a row is below 0."""

    def predict(asked: Rows) -> object:
        if any(row["n"] < 0 for row in asked):
            assert go.wait(10)
        return np.array([row["n"] for row in asked], dtype=float)

    return predict


def test_a_row_that_hangs_keeps_nobody_else_waiting() -> None:
    """Those that share its call are called alone beside it; each is told of its end once, and it has its own answer."""

    async def run() -> None:
        go, ended = threading.Event(), list[int]()
        # As many hang as can, one for each request but one: of each the joint call and its own.
        calls = BatchedCalls(_hangs(go), 4, hangs_seconds=0.05)
        numbers = [-1, -2, -3, 1]
        futures = [calls.submit(rows(number), partial(ended.append, number)) for number in numbers]
        async with asyncio.timeout(10):
            assert list(await futures[3]) == [1]
            assert ended == [1]
            assert not any(future.done() for future in futures[:3])
            go.set()
            assert [list(await future) for future in futures[:3]] == [[-1], [-2], [-3]]
            # The joint call ends too, and has nothing more to say.
            while calls._running:
                await asyncio.sleep(0.001)
        assert sorted(ended) == [-3, -2, -1, 1]
        calls.close()

    asyncio.run(run())


def test_a_call_that_computes_for_long_is_let_be() -> None:
    """To compute it again beside it would take as long again."""
    asked: list[int] = []

    def predict(given: Rows) -> object:
        asked.append(len(given))
        ends = time.thread_time() + 0.3
        while time.thread_time() < ends:
            pass
        return np.array([row["n"] for row in given], dtype=float)

    async def run() -> None:
        calls = BatchedCalls(predict, 4, hangs_seconds=0.05)
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(calls.submit(rows(number)) for number in range(3)))
        assert [list(one) for one in answers] == [[0], [1], [2]]
        calls.close()

    asyncio.run(run())
    assert asked == [3]


def _computes(asked: list[int]) -> Callable[[Rows], object]:
    """Returns a model that computes for so many seconds a row as the row says."""

    def predict(given: Rows) -> object:
        asked.append(len(given))
        ends = time.thread_time() + sum(row["n"] for row in given)
        while time.thread_time() < ends:
            pass
        return np.array([row["n"] for row in given], dtype=float)

    return predict


async def _known(calls: BatchedCalls, seconds: float) -> None:
    """Lets the model answer as often as what is usual needs."""
    for _ in range(8):
        await calls.submit(rows(seconds))


def test_a_row_that_computes_without_end_keeps_nobody_else_waiting() -> None:
    """Far beyond what its rows usually take a call has one to blame: the others are called alone, beside it."""

    async def run() -> None:
        calls = BatchedCalls(_computes(asked := []), 4, hangs_seconds=0.05)
        await _known(calls, 0.001)
        async with asyncio.timeout(20):
            long, *others = [calls.submit(rows(seconds)) for seconds in (1.0, 0.001, 0.002)]
            assert [list(one) for one in await asyncio.gather(*others)] == [[0.001], [0.002]]
            assert not long.done()
            assert list(await long) == [1.0]
        assert asked == [*[1] * 8, 3, *[1] * 3]
        calls.close()

    asyncio.run(run())


def test_what_is_usual_is_not_computed_twice() -> None:
    """As many rows as that take so long, however busy the machine."""

    async def run() -> None:
        calls = BatchedCalls(_computes(asked := []), 4, hangs_seconds=0.1)
        await _known(calls, 0.05)
        async with asyncio.timeout(20):
            await asyncio.gather(*(calls.submit(rows(seconds)) for seconds in (0.05, 0.05, 0.3)))
        assert asked == [*[1] * 8, 3]
        calls.close()

    asyncio.run(run())


def test_a_tenth_at_most_is_computed_twice() -> None:
    """Where long rows are many, and so part of the load, most calls that have one are let be."""

    async def run() -> None:
        calls = BatchedCalls(_computes(asked := []), 4, hangs_seconds=0.1)
        await _known(calls, 0.001)
        async with asyncio.timeout(20):
            for _ in range(4):
                await asyncio.gather(*(calls.submit(rows(seconds)) for seconds in (0.001, 0.3)))
                while calls._again or calls._running:
                    await asyncio.sleep(0.001)
        assert asked == [*[1] * 8, 2, *[1] * 2, *[2] * 3]
        calls.close()

    asyncio.run(run())


class Kept(list[Any]):
    """Rows of which can be said whether somebody still holds them."""


def test_what_was_answered_is_let_go() -> None:
    """The timer that looks for calls that hang does not keep the rows of those that have ended."""

    async def run() -> None:
        calls = BatchedCalls(_hangs(threading.Event()), 4, hangs_seconds=60)
        asked = [Kept(rows(number)) for number in range(3)]
        held = [weakref.ref(one) for one in asked]
        async with asyncio.timeout(10):
            await asyncio.gather(*map(calls.submit, asked))
            del asked
            while any(one() is not None for one in held):
                gc.collect()
                await asyncio.sleep(0.001)
        calls.close()

    asyncio.run(run())


def test_of_a_call_that_is_over_nothing_is_said() -> None:
    """It is idle only while it runs: before and after, nobody asks for the clock of a thread that may be gone."""
    effort = _Effort()
    assert not effort.is_idle()
    begun, go = threading.Event(), threading.Event()

    def call() -> None:
        with effort:
            begun.set()
            assert go.wait(10)

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(10)
    deadline = time.monotonic() + 10
    while not effort.is_idle():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    go.set()
    thread.join()
    assert not effort.is_idle()


@pytest.mark.parametrize("make", [partial(BatchedCalls, hangs_seconds=60), SingleCalls])
def test_a_call_is_told_to_have_ended_though_nobody_waits(make: Callable[..., BatchedCalls | SingleCalls]) -> None:
    """Who gives up leaves the call to its end, and only that end makes room for another."""

    async def run() -> None:
        model, ended = Slow(), asyncio.Event()
        calls = make(model, 1)
        given_up = calls.submit(rows(1), ended.set)
        assert await asyncio.to_thread(model.begun.wait, 10)
        given_up.cancel()
        await asyncio.sleep(0)
        assert not ended.is_set()
        model.go.set()
        async with asyncio.timeout(10):
            await ended.wait()
            assert list(await calls.submit(rows(2))) == [2]
        calls.close()

    asyncio.run(run())


def test_a_wait_ends_at_its_own_deadline() -> None:
    """One timer for all, and each has its whole time; what is done is left alone; another loop has its own timer."""
    deadlines = Deadlines(0.05)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        begun: list[float] = []
        waiting: list[asyncio.Future[int]] = []
        for number in range(3):
            waiting.append(loop.create_future())
            deadlines.watch(waiting[-1])
            begun.append(loop.time())
            if number == 1:
                waiting[-1].set_result(7)
            await asyncio.sleep(0.02)
        for number in (0, 2):
            async with asyncio.timeout(10):
                with pytest.raises(TimeoutError):
                    await waiting[number]
            assert loop.time() - begun[number] >= 0.049
        assert await waiting[1] == 7

    for _ in range(2):
        asyncio.run(run())
