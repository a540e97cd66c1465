"""A dead man's switch: whether what must come again and again still comes."""

from collections.abc import Callable
from typing import Literal

__all__ = ["Change", "Watchdog"]

Change = Literal["firing", "resolved"]


class Watchdog:
    """Remembers when it last heard, and tells once when that is too long ago and once when it hears again.

    Args:
        objective_seconds: how long the silence may be; what never came is counted from the start.
        elapsed: seconds on a clock that nobody sets back.
        now: seconds since the epoch.
    """

    def __init__(self, objective_seconds: float, elapsed: Callable[[], float], now: Callable[[], float]) -> None:
        self._objective_seconds, self._elapsed, self._now = objective_seconds, elapsed, now
        self._heard_at = elapsed()
        self._ended = self._silent = False
        self.last_seconds: float | None = None

    def heard(self, *, firing: bool) -> None:
        """Takes one notification; one that is resolved says that Prometheus has fallen silent."""
        self._ended = not firing
        if firing:
            self._heard_at, self.last_seconds = self._elapsed(), self._now()

    def look(self) -> Change | None:
        """Returns what has changed since it was last asked, None for nothing."""
        silent = self._ended or self._elapsed() - self._heard_at > self._objective_seconds
        if silent == self._silent:
            return None
        self._silent = silent
        return "firing" if silent else "resolved"
