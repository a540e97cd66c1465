"""The circuit breaker and the budget of retries, as pure state machines: time and outcomes go in, a state comes out."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from shipway.contract.serving import CircuitSpec

__all__ = ["Circuit", "CircuitState", "RetryBudget"]

# A budget that was saved up for hours would be spent within one bad second.
_MOST_RETRIES_SAVED = 10.0


class CircuitState(StrEnum):
    """Whether a dependency is asked: always, never, or by one call that tries it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Circuit:
    """What is known of a dependency; every change is another circuit.

    Args:
        spec: when it opens, and for how long.
        state: whether calls pass.
        era: grows with each change of state; a call that began in another era says nothing of this one.
        failed: how the last calls ended while it was closed, the newest last.
        opened_at_seconds: when it last opened, on the caller's clock.
    """

    spec: CircuitSpec
    state: CircuitState = CircuitState.CLOSED
    era: int = 0
    failed: tuple[bool, ...] = ()
    opened_at_seconds: float = 0.0

    def admit(self, now_seconds: float) -> tuple[Self, int | None]:
        """Returns the circuit with a call under way, and the call's era; None for a call that must not be made.

        The caller says with `ended` how each admitted call ended: a half-open circuit waits for its one call.
        """
        if self.state is CircuitState.CLOSED:
            return self, self.era
        if self.state is CircuitState.OPEN and now_seconds - self.opened_at_seconds >= self.spec.open_seconds:
            tried = replace(self, state=CircuitState.HALF_OPEN, era=self.era + 1)
            return tried, tried.era
        return self, None

    def ended(self, era: int, failed: bool, now_seconds: float) -> Self:
        """Returns the circuit after a call of `era` ended."""
        if era != self.era:
            return self
        if self.state is CircuitState.HALF_OPEN:
            return self._open(now_seconds) if failed else self._close()
        known = (*self.failed, failed)[-self.spec.window_reads :]
        if failed and self._broken(known):
            return self._open(now_seconds)
        # On a healthy dependency nothing changes from call to call, and nothing is made anew.
        return self if known == self.failed else replace(self, failed=known)

    def unasked(self, era: int) -> Self:
        """Returns the circuit after a call of `era` that never reached the dependency: it says nothing of it."""
        if era != self.era or self.state is not CircuitState.HALF_OPEN:
            return self
        # The next one may try at once.
        return replace(self, state=CircuitState.OPEN, era=self.era + 1)

    def _broken(self, failed: tuple[bool, ...]) -> bool:
        spec = self.spec
        in_a_row = failed[-spec.consecutive_failures :]
        if len(in_a_row) == spec.consecutive_failures and all(in_a_row):
            return True
        return len(failed) == spec.window_reads and sum(failed) >= spec.failure_ratio * spec.window_reads

    def _open(self, now_seconds: float) -> Self:
        return replace(self, state=CircuitState.OPEN, era=self.era + 1, failed=(), opened_at_seconds=now_seconds)

    def _close(self) -> Self:
        return replace(self, state=CircuitState.CLOSED, era=self.era + 1, failed=())


class RetryBudget:
    """How many retries are left: each request earns a share of one, each retry spends one.

    Args:
        ratio: the share; 0 allows none.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        # One is there from the start, or a slot's first failure would find nothing.
        self._saved = 1.0 if ratio else 0.0

    def earn(self) -> None:
        """Counts one request."""
        self._saved = min(self._saved + self._ratio, _MOST_RETRIES_SAVED)

    def spend(self) -> bool:
        """Returns whether a retry may be made, and takes it."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
