"""How requests come to the model: each in a thread of its own, or those that wait together in one call."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from statistics import median
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shipway.serving.requests import MAX_ROWS

__all__ = ["BatchedCalls", "Deadlines", "ModelCalls", "SingleCalls", "usual_seconds"]

Rows = Sequence[Mapping[str, Any]]
Predict = Callable[[Rows], object]
Ended = Callable[[], None]

# How long a request waits for the call before it: past that, the call is slow and the next one begins beside it.
_PATIENCE_SECONDS = 0.02
# How long a request waits for as many others as the last call had: clients that were answered together come back one
# after the other within this time. One that comes alone after one that came alone waits for nobody.
_LINGER_SECONDS = 0.001
# A call that computes for less than this share of its time waits for something. It is far below what a call gets on a
# busy machine or below a pod's limit: to compute that again would only add to the load.
_IDLE_RATIO = 0.05
# A call that has computed so many times what so many rows usually take has a row that does not belong with the others.
# By the processor's time, which a busy machine does not lengthen.
_RUNAWAY_TIMES = 10
# What is usual follows from so many calls at most, and is not known before so many.
_MOST_CALLS, _LEAST_CALLS = 32, 8
# Of all that is computed, the part that may be computed twice because of such rows.
_TWICE_RATIO = 0.1


def _nobody() -> None:
    """Is told that a call has ended, where nobody wants to know."""


class _Request:
    """One request that waits for a call: its rows, what its caller waits for, and who is told of its end, once."""

    __slots__ = ("_ended", "future", "rows")

    def __init__(self, rows: Rows, future: "asyncio.Future[Any]", ended: Ended) -> None:
        self.rows, self.future, self._ended = rows, future, ended

    def end(self) -> None:
        ended, self._ended = self._ended, _nobody
        ended()


class _Effort:
    """How much of a call's time is computing, by the clock of the thread in which it runs: a block of that thread.

    Args:
        rows: of the call.
    """

    def __init__(self, rows: int = 1) -> None:
        self.rows = rows
        # Of a call that has ended.
        self.computed_seconds = 0.0
        # What looks at the call while it runs.
        self.timer: asyncio.TimerHandle | None = None
        self._began: tuple[int, float, float] | None = None

    def __enter__(self) -> None:
        self._began = threading.get_ident(), time.monotonic(), time.thread_time()

    def __exit__(self, *error: object) -> None:
        # Of a thread that is gone nobody may ask the clock.
        began, self._began = self._began, None
        if began:
            self.computed_seconds = time.thread_time() - began[2]

    def is_idle(self) -> bool:
        """Returns whether a call that runs has only waited so far; not so before and after it runs."""
        wall_seconds, computed_seconds = self._so_far()
        return computed_seconds < _IDLE_RATIO * wall_seconds

    def is_beyond(self, seconds: float) -> bool:
        """Returns whether a call that runs has computed for longer; not so before and after it runs."""
        return self._so_far()[1] > seconds

    def _so_far(self) -> tuple[float, float]:
        """Returns for how long it runs and how much of that it computes, nothing before and after."""
        if self._began is None:
            return 0.0, 0.0
        thread, wall_seconds, cpu_seconds = self._began
        computed_seconds = time.clock_gettime(time.pthread_getcpuclockid(thread)) - cpu_seconds
        return time.monotonic() - wall_seconds, computed_seconds


class ModelCalls(Protocol):
    """Calls a model off the event loop."""

    def submit(self, rows: Rows, ended: Ended = _nobody) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`, or what it raised.

        It is the caller's own: who waits no longer may cancel it or set it, and the call goes on.

        Args:
            rows: of one request.
            ended: called in the event loop when the call has ended, whether somebody still waited for it or not.
        """
        ...

    def close(self) -> None:
        """Begins no call any more; one that hangs is not waited for."""
        ...


class Deadlines:
    """Ends a wait that took too long, with TimeoutError; one timer for all who wait, instead of one each.

    Args:
        seconds: how long each may wait.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # In the order of their ends, because all wait equally long.
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._armed: asyncio.AbstractEventLoop | None = None

    def watch(self, future: "asyncio.Future[Any]") -> None:
        """Gives a future its time, from now on."""
        loop, waiting = future.get_loop(), self._waiting
        self._forget()
        waiting.append((loop.time() + self._seconds, future))
        if self._armed is not loop:
            self._armed = loop
            loop.call_later(self._seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._forget()
        while self._waiting and self._waiting[0][0] <= now:
            self._waiting.popleft()[1].set_exception(TimeoutError())
            self._forget()
        if self._waiting:
            loop.call_at(self._waiting[0][0], self._look, loop)
        else:
            self._armed = None

    def _forget(self) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()


class SingleCalls:
    """One call a request, each in a thread.

    Args:
        predict: the model.
        threads: so many at once.
    """

    def __init__(self, predict: Predict, threads: int) -> None:
        self._predict = predict
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="model")

    def submit(self, rows: Rows, ended: Ended = _nobody) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        work = self._threads.submit(self._call, rows)
        work.add_done_callback(partial(_on, loop, _settle, [_Request(rows, future, ended)]))
        return future

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, rows: Rows) -> list[object]:
        return [_attempt(self._predict, rows)]


class BatchedCalls:
    """One call for all requests that came while the last one ran; nobody waits when the model is idle.

    A request shares only success: when the joint call raises or answers anything but a finite number a row, each of
    its requests is called alone, and so is each of one that hangs, beside it: one caller's row is never another's
    error. A call that is long because it computes is let be, and with it those that share it, unless it has computed
    far beyond what so many rows usually take: then one of them is to blame, and the others are called alone too. Which
    one is not known, so that one is computed twice: of one call at a time, and of a tenth of all that is computed.

    Args:
        predict: the model.
        threads: so many requests at once; a second call begins only when the first is slow.
        max_rows: of one call.
        hangs_seconds: a joint call that takes longer is looked at, now and again: one that does not compute hangs.
    """

    def __init__(self, predict: Predict, threads: int, max_rows: int = MAX_ROWS, *, hangs_seconds: float) -> None:
        self._predict, self._max_rows, self._hangs_seconds = predict, max_rows, hangs_seconds
        # A request of a call that hangs may have two threads: of that call, and of its own.
        self._threads = ThreadPoolExecutor(2 * threads, thread_name_prefix="model")
        self._waiting: list[_Request] = []
        self._running, self._expected = 0, 1
        # Rows and computing seconds of the newest calls.
        self._calls = deque[tuple[int, float]](maxlen=_MOST_CALLS)
        # Requests that are called a second time although the first computes, and what of that is not made up for yet.
        self._again, self._owed_seconds = 0, 0.0

    def submit(self, rows: Rows, ended: Ended = _nobody) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append(_Request(rows, future, ended))
        if self._running:
            if len(self._waiting) == 1:
                loop.call_later(_PATIENCE_SECONDS, self._begin, future)
        elif len(self._waiting) >= self._expected:
            # After the other requests that arrived in this turn of the loop.
            loop.call_soon(self._begin)
        elif len(self._waiting) == 1:
            loop.call_later(_LINGER_SECONDS, self._begin, future)
        return future

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, patient: "asyncio.Future[Any] | None" = None) -> None:
        # A timer whose request has long been taken along has nothing to begin.
        if not self._waiting or (patient is not None and self._waiting[0].future is not patient):
            return
        taken, count = 0, 0
        for one in self._waiting:
            if taken and count + len(one.rows) > self._max_rows:
                break
            taken += 1
            count += len(one.rows)
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._running += 1
        self._expected = taken
        loop = asyncio.get_running_loop()
        effort = _Effort(count)
        work = self._threads.submit(self._call, [one.rows for one in batch], effort)
        if taken > 1:
            effort.timer = loop.call_later(self._hangs_seconds, self._part, loop, batch, effort)
        work.add_done_callback(partial(_on, loop, self._end, batch, effort))
        if self._waiting:
            loop.call_later(_PATIENCE_SECONDS, self._begin, self._waiting[0].future)

    def _part(self, loop: asyncio.AbstractEventLoop, batch: list[_Request], effort: _Effort) -> None:
        """Calls each request of a call that hangs or runs away alone; whichever call ends first has its answer."""
        late = [one for one in batch if not one.future.done()]
        if effort.is_idle():
            for one in late:
                alone = self._threads.submit(self._call, [one.rows], _Effort())
                alone.add_done_callback(partial(_on, loop, _settle, [one]))
        elif self._runs_away(effort):
            self._again += len(late)
            for one in late:
                again = _Effort(len(one.rows))
                alone = self._threads.submit(self._alone, one, again)
                alone.add_done_callback(partial(_on, loop, self._end_alone, one, again))
        elif late:
            effort.timer = loop.call_later(self._hangs_seconds, self._part, loop, batch, effort)

    def _runs_away(self, effort: _Effort) -> bool:
        """Returns whether a call has computed far too long, and its requests may be computed again beside it."""
        if self._again or self._owed_seconds or len(self._calls) < _LEAST_CALLS:
            return False
        return effort.is_beyond(_RUNAWAY_TIMES * usual_seconds(self._calls, effort.rows))

    def _alone(self, one: _Request, effort: _Effort) -> list[object]:
        # Its joint call may have ended while this one waited for a thread.
        return [None] if one.future.done() else self._call([one.rows], effort)

    def _end_alone(self, one: _Request, effort: _Effort, done: "Future[list[object]]") -> None:
        self._again -= 1
        self._owed_seconds += effort.computed_seconds
        _settle([one], done)

    def _call(self, batch: list[Rows], effort: _Effort) -> list[object]:
        with effort:
            return self._answers(batch)

    def _answers(self, batch: list[Rows]) -> list[object]:
        if len(batch) == 1:
            return [_attempt(self._predict, batch[0])]
        rows = [row for one in batch for row in one]
        values = _numbers(_attempt(self._predict, rows), len(rows))
        if values is None:
            return [_attempt(self._predict, one) for one in batch]
        ends = list(accumulate(len(one) for one in batch))
        return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def _end(self, told: Sequence[_Request], effort: _Effort, done: "Future[list[object]]") -> None:
        self._running -= 1
        # A timer keeps the rows until its time has come.
        if effort.timer:
            effort.timer.cancel()
        _settle(told, done)
        if done.cancelled():
            return
        self._calls.append((effort.rows, effort.computed_seconds))
        if self._owed_seconds:
            self._owed_seconds = max(0.0, self._owed_seconds - _TWICE_RATIO * effort.computed_seconds)
        if len(self._waiting) >= self._expected:
            self._begin()
        elif self._waiting:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._begin, self._waiting[0].future)


def usual_seconds(calls: Iterable[tuple[int, float]], rows: int) -> float:
    """Returns what a call of so many rows takes at most, by the median of what `calls` (rows, seconds) say.

    A call takes some time of its own and some for each row: one of fewer rows takes no longer, and one of more rows no
    longer for each of them.

    >>> usual_seconds([(1, 0.25), (2, 0.25), (4, 90.0)], 4)
    1.0
    """
    return median(seconds * max(1.0, rows / of) for of, seconds in calls)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _attempt(predict: Predict, rows: Rows) -> object:
    try:
        return predict(rows)
    except Exception as error:  # noqa: BLE001 - whatever a model raises goes to its own request
        return _Raised(error)


def _numbers(raw: object, count: int) -> NDArray[np.float64] | None:
    try:
        values = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return values if values.shape == (count,) and np.isfinite(values).all() else None


def _settle(told: Sequence[_Request], done: "Future[list[object]]") -> None:
    """Gives each request its part of a call that has ended; nothing to one that waits no longer."""
    if done.cancelled():
        for one in told:
            one.end()
            one.future.cancel()
        return
    # What ends a process, raised by a model: nobody of the batch has an answer.
    fatal = done.exception()
    answers = [_Raised(fatal)] * len(told) if fatal else done.result()
    for one, answer in zip(told, answers, strict=True):
        one.end()
        if one.future.done():
            continue
        if isinstance(answer, _Raised):
            one.future.set_exception(answer.error)
        else:
            one.future.set_result(answer)


def _on(loop: asyncio.AbstractEventLoop, end: Callable[..., None], *arguments: object) -> None:
    # A loop that has ended meanwhile has nobody left who waits.
    if not loop.is_closed():
        loop.call_soon_threadsafe(end, *arguments)
