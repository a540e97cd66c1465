"""Writing to the online store from a process of its own, so that a request never waits behind the store's client."""

import asyncio
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from shipway.contract.errors import FeatureError
from shipway.traffic.events import Publish

__all__ = ["ProcessPublisher", "Publisher"]


class Publisher(Protocol):
    """Where a replay's feature values go."""

    async def publish(self, values: Sequence[Publish]) -> None:
        """Returns when all of `values` can be read; they are in the order of their time."""
        ...


class ProcessPublisher:
    """Publishes into the feature repository in `folder`; use it as a context manager.

    One process and one call at a time, so the order is kept.
    """

    def __init__(self, folder: Path) -> None:
        # Not forked: the parent has threads, and Feast's import is better paid once, in the child.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_open, initargs=(folder,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def publish(self, values: Sequence[Publish]) -> None:
        """Returns when all of `values` are in the store.

        Raises:
            FeatureError: when the store refuses a value or its process ended.
        """
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for value in values:
            rows.setdefault(value.view, []).append(value.row)
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, _publish, rows)
        except BrokenProcessPool:
            raise FeatureError("the process that writes to the feature store ended; its last words are above") from None


_store: Any = None


def _open(folder: Path) -> None:
    from shipway.features.online import OnlineStore

    global _store
    _store = OnlineStore(folder)


def _publish(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for view, values in rows.items():
        _store.publish(view, values)
