"""How requests come to the model: each in a thread of its own, or those that wait together in one call."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shipway.serving.requests import MAX_ROWS

__all__ = ["BatchedCalls", "ModelCalls", "SingleCalls"]

Rows = Sequence[Mapping[str, Any]]
Predict = Callable[[Rows], object]

# How long a request waits for the call before it: past that, the call is slow and the next one begins beside it.
_PATIENCE_SECONDS = 0.02
# How long a request waits for as many others as the last call had: clients that were answered together come back one
# after the other within this time. One that comes alone after one that came alone waits for nobody.
_LINGER_SECONDS = 0.001


class ModelCalls(Protocol):
    """Calls a model off the event loop."""

    def submit(self, rows: Rows) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`, or what it raised; done when the call has ended."""
        ...

    def close(self) -> None:
        """Begins no call any more; one that hangs is not waited for."""
        ...


class SingleCalls:
    """One call a request, each in a thread.

    Args:
        predict: the model.
        threads: so many at once.
    """

    def __init__(self, predict: Predict, threads: int) -> None:
        self._predict = predict
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="model")

    def submit(self, rows: Rows) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self._predict, rows)

    def close(self) -> None:
        """Lets go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class BatchedCalls:
    """One call for all requests that came while the last one ran; nobody waits when the model is idle.

    A request shares only success: when the joint call raises or answers anything but a finite number a row, each of
    its requests is called alone, so that one caller's row is never another's error.

    Args:
        predict: the model.
        threads: so many calls at once; a second one begins only when the first is slow.
        max_rows: of one call.
    """

    def __init__(self, predict: Predict, threads: int, max_rows: int = MAX_ROWS) -> None:
        self._predict, self._max_rows = predict, max_rows
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._waiting: list[tuple[Rows, asyncio.Future[Any]]] = []
        self._running, self._expected = 0, 1

    def submit(self, rows: Rows) -> "asyncio.Future[Any]":
        """Returns what will be the model's answer for `rows`."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((rows, future))
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
        if not self._waiting or (patient is not None and self._waiting[0][1] is not patient):
            return
        batch, count = list[tuple[Rows, asyncio.Future[Any]]](), 0
        while self._waiting and (not batch or count + len(self._waiting[0][0]) <= self._max_rows):
            batch.append(self._waiting.pop(0))
            count += len(batch[-1][0])
        self._running += 1
        self._expected = len(batch)
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._call, [rows for rows, _ in batch])
        work.add_done_callback(lambda done: _on(loop, self._end, [future for _, future in batch], done))
        if self._waiting:
            loop.call_later(_PATIENCE_SECONDS, self._begin, self._waiting[0][1])

    def _call(self, batch: list[Rows]) -> list[object]:
        if len(batch) == 1:
            return [_attempt(self._predict, batch[0])]
        rows = [row for one in batch for row in one]
        values = _numbers(_attempt(self._predict, rows), len(rows))
        if values is None:
            return [_attempt(self._predict, one) for one in batch]
        return list(np.split(values, np.cumsum([len(one) for one in batch[:-1]])))

    def _end(self, futures: list["asyncio.Future[Any]"], done: "Future[list[object]]") -> None:
        self._running -= 1
        if done.cancelled():
            for future in futures:
                future.cancel()
            return
        # What ends a process, raised by a model: nobody of the batch has an answer.
        ended = done.exception()
        answers = [_Raised(ended)] * len(futures) if ended else done.result()
        for future, answer in zip(futures, answers, strict=True):
            if future.cancelled():
                continue
            if isinstance(answer, _Raised):
                future.set_exception(answer.error)
            else:
                future.set_result(answer)
        if len(self._waiting) >= self._expected:
            self._begin()
        elif self._waiting:
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self._begin, self._waiting[0][1])


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


def _on(loop: asyncio.AbstractEventLoop, end: Callable[..., None], *arguments: object) -> None:
    # A loop that has ended meanwhile has nobody left who waits.
    if not loop.is_closed():
        loop.call_soon_threadsafe(end, *arguments)
