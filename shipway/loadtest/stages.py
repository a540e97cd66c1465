"""From what was sent to what a stage says: percentiles from the intended arrival, failures, and the objective."""
# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy.special import gammainccinv

from shipway.contract.loadtest import LatencySeconds, StageResult
from shipway.contract.model import SloSpec

__all__ = ["Planned", "Sent", "enough_seconds", "latency_of", "least_requests", "percentile", "stage_result"]

# A sender that is later than this share of the objective cannot say who was slow.
_LAG_SHARE = 0.25
# A test that nobody waits for is not made.
_MOST_ENOUGH_SECONDS = 600.0
# How often a stage of that length has too few requests all the same.
_TOO_FEW_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Planned:
    """One stage or step of a search, at its rate.

    Args:
        requests_per_second, seconds: of the arrivals.
        judged: whether the objective has to be met.
        searched: whether it is a step of the search.
    """

    requests_per_second: float
    seconds: float
    judged: bool = True
    searched: bool = False


@dataclass(frozen=True)
class Sent:
    """What the sender saw of one stage.

    Args:
        latencies_seconds: of the answered requests, from the moment each was meant to arrive.
        lags_seconds: of all requests, by how much later than meant each was begun.
        failed_by: why -> how many were not answered.
        versions: which versions answered.
        seconds: from the start to the last answer.
    """

    latencies_seconds: Sequence[float] = ()
    lags_seconds: Sequence[float] = ()
    failed_by: Counter[str] = field(default_factory=Counter[str])
    versions: frozenset[str] = frozenset()
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """How many were not answered."""
        return self.failed_by.total()

    @property
    def requests(self) -> int:
        """How many arrived."""
        return len(self.latencies_seconds) + self.failures


def least_requests(slo: SloSpec) -> int:
    """Returns how many requests a stage needs to say anything about the quantile: one may be slow among so many.

    >>> least_requests(SloSpec(latency_seconds=0.1, latency_quantile=0.95, error_ratio=0.01))
    20
    """
    return math.ceil(1 / (1 - slo.latency_quantile) - 1e-9)


def enough_seconds(requests_per_second: float, least: int) -> float:
    """Returns how long a stage has to last for `least` requests, at most ten minutes.

    Arrivals are a Poisson process, of which fewer than `k` come with the probability Q(k, mean), the regularised upper
    incomplete gamma function; its inverse is the mean at which that is as rare as it may be.
    """
    mean = float(gammainccinv(least, _TOO_FEW_PROBABILITY))
    return min(_MOST_ENOUGH_SECONDS, mean / requests_per_second)


def percentile(ordered: Sequence[float], quantile: float) -> float:
    """Returns the smallest of the ordered values that at least `quantile` of all do not exceed (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    # 0.95 * 20 is 19 and a little in floats; that little is no rank of its own.
    return ordered[max(0, math.ceil(quantile * len(ordered) - 1e-9) - 1)]


def latency_of(latencies_seconds: Sequence[float]) -> LatencySeconds | None:
    """Returns the percentiles, None of nothing."""
    if not latencies_seconds:
        return None
    ordered = sorted(latencies_seconds)
    p50, p90, p95, p99, p999 = (percentile(ordered, quantile) for quantile in (0.5, 0.9, 0.95, 0.99, 0.999))
    return LatencySeconds(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999)


def stage_result(planned: Planned, sent: Sent, slo: SloSpec) -> StageResult:
    """Returns what a stage says about the objective `slo`."""
    slow = sum(1 for seconds in sent.latencies_seconds if seconds > slo.latency_seconds)
    lag = percentile(sorted(sent.lags_seconds), 0.99) if sent.lags_seconds else 0.0
    return StageResult(
        requests_per_second=planned.requests_per_second,
        seconds=planned.seconds,
        judged=planned.judged,
        searched=planned.searched,
        requests=sent.requests,
        failures=sent.failures,
        slow=slow,
        objective_met=_objective_met(sent, slow, lag, slo),
        latency=latency_of(sent.latencies_seconds),
        lag_p99_seconds=max(0.0, lag),
    )


def _objective_met(sent: Sent, slow: int, lag_seconds: float, slo: SloSpec) -> bool | None:
    """Returns whether the objective is met; None when that cannot be said: too few requests, or the sender was late."""
    answered = len(sent.latencies_seconds)
    failing = sent.failures > slo.error_ratio * sent.requests + 1e-9
    slowly = slow > (1 - slo.latency_quantile) * answered + 1e-9
    if failing:
        return False
    if sent.requests < least_requests(slo):
        return None
    if slowly:
        # Latency is counted from the intended arrival, so the sender's own delay is in it.
        return None if lag_seconds > _LAG_SHARE * slo.latency_seconds else False
    return True
