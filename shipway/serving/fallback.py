"""Who answers when the model cannot: the sources of model.yaml, one after the other, each marked and counted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.contract.serving import FallbackSource, ServingSpec
from shipway.serving.features import ServedFeature
from shipway.serving.last_answers import LastAnswers
from shipway.serving.measures import Measures
from shipway.serving.previous import Previous
from shipway.serving.requests import Asked

__all__ = ["Exhausted", "FallbackChain", "Replacement"]


class Exhausted(Exception):
    """No source had an answer.

    Args:
        chain: source -> why it had none, in the order in which they were asked.
    """

    def __init__(self, chain: dict[str, str]) -> None:
        super().__init__("; ".join(f"{source}: {why}" for source, why in chain.items()))
        self.chain = chain


@dataclass(frozen=True)
class Replacement:
    """What is answered in the model's place.

    Args:
        values: one number a row.
        source: where they came from.
        age_seconds: how old the oldest of them is; None for what has no age.
    """

    values: NDArray[np.float64]
    source: FallbackSource
    age_seconds: float | None = None


class FallbackChain:
    """The chain of one slot.

    Args:
        spec: the sources in their order, and their limits.
        measures: the slot's counters.
        previous: the version before; None for a chain without it.
        clock: seconds on a clock that only grows.
    """

    def __init__(
        self,
        spec: ServingSpec,
        measures: Measures,
        previous: Previous | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec, self._measures, self._previous = spec, measures, previous
        self._last: LastAnswers | None = None
        if spec.cached_max_age_seconds is not None:
            self._last = LastAnswers(spec.cached_by, spec.cached_max_entries, spec.cached_max_age_seconds, clock)
        self._show()

    def keep(self, asked: Asked, values: NDArray[np.float64]) -> None:
        """Remembers the model's own answer, where the chain may have to repeat it."""
        if self._last is None:
            return
        first = not self._last
        self._last.keep(asked, values)
        if first:
            self._show()

    async def answer(self, asked: Asked, features: Sequence[Sequence[ServedFeature]]) -> Replacement:
        """Returns what the first source that can answer says, counted.

        Raises:
            Exhausted: when none can.
        """
        skipped: dict[str, str] = {}
        for source in self._spec.fallback:
            found = await self._ask(source, asked, features)
            if isinstance(found, Replacement):
                self._measures.fallback(source)
                return found
            skipped[str(source)] = found
        raise Exhausted(skipped)

    async def follow(self) -> None:
        """Loads the version before this one where it is another than last time; serving goes on meanwhile."""
        if self._previous is not None:
            await asyncio.to_thread(self._previous.follow)
            self._show()

    def close(self) -> None:
        """Lets go of the version before."""
        if self._previous is not None:
            self._previous.close()

    async def _ask(
        self, source: FallbackSource, asked: Asked, features: Sequence[Sequence[ServedFeature]]
    ) -> Replacement | str:
        match source:
            case FallbackSource.PREVIOUS:
                if self._previous is None:
                    return "this slot was given none"
                values = await self._previous.answer(asked.rows, features)
                return values if isinstance(values, str) else Replacement(values, source)
            case FallbackSource.CACHED:
                found = self._last.find(asked) if self._last is not None else "nothing is remembered"
                return found if isinstance(found, str) else Replacement(found[0], source, found[1])
            case FallbackSource.CONSTANT:
                constant = self._spec.fallback_constant
                return Replacement(np.full(len(asked.rows), constant, dtype=np.float64), source)

    def _show(self) -> None:
        ready = {
            FallbackSource.PREVIOUS: self._previous is not None and self._previous.ready,
            FallbackSource.CACHED: bool(self._last),
            FallbackSource.CONSTANT: True,
        }
        for source in self._spec.fallback:
            self._measures.fallback_ready(source, ready[source])
