"""What a replay counted."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Summary", "percentile_ms"]


@dataclass
class Summary:
    """Counts of one replay, filled while it runs; `ok` are answers with status 200, everything else has failed."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    labels_sent: int = 0
    by_slot: Counter[str] = field(default_factory=Counter[str])
    by_version: Counter[str] = field(default_factory=Counter[str])
    failures: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])

    def answered(self, slot: str, version: str, seconds: float) -> None:
        """Counts an answer of a slot."""
        self.ok += 1
        self.by_slot[slot] += 1
        self.by_version[version] += 1
        self.seconds.append(seconds)

    def refused(self, reason: str) -> None:
        """Counts a request that got no prediction."""
        self.failed += 1
        self.failures[reason] += 1

    def to_json(self) -> dict[str, Any]:
        """Returns the summary as the command prints it; percentiles are null before the first answer."""
        return {
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "failures": dict(self.failures),
            "by_slot": dict(self.by_slot),
            "by_version": dict(self.by_version),
            "p50_ms": percentile_ms(self.seconds, 0.50),
            "p95_ms": percentile_ms(self.seconds, 0.95),
            "p99_ms": percentile_ms(self.seconds, 0.99),
            "labels_sent": self.labels_sent,
        }


def percentile_ms(seconds: list[float], quantile: float) -> float | None:
    """Returns the smallest observed time that at least `quantile` of all do not exceed, in milliseconds.

    >>> percentile_ms([0.004, 0.001, 0.002, 0.003], 0.5)
    2.0
    """
    if not seconds:
        return None
    rank = max(0, -int(-quantile * len(seconds) // 1) - 1)
    return round(sorted(seconds)[rank] * 1000, 3)
