"""The rules of other tools, as their public documentation describes them, on the same traffic.

Each is a schedule of weights, an interval, and what one measurement of the candidate leads to. A measurement is the
ratio of good requests in the interval, or None when the metrics backend has no value for it (no series, 0 / 0, no
answer). Numbers are those of the documentation's own examples.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shipway.delivery.evidence.steps import Move
from shipway.delivery.simulate.rollout import End
from shipway.delivery.simulate.scenarios import FAULT_BEGINS_WITHIN_SECONDS, Fault, Scenario
from shipway.delivery.simulate.traffic import SlotTraffic, Traffic

__all__ = ["PEERS", "Interval", "Peer", "run_peer"]

_INTERVAL_SECONDS = 60.0
_BLIND = frozenset(
    {
        Fault.CANDIDATE_IDLE,
        Fault.CANDIDATE_UNSCRAPED,
        Fault.NO_ANSWER,
        Fault.NOT_A_NUMBER,
        Fault.FROZEN,
        Fault.OLDER,
        Fault.WRONG_LABEL,
    }
)


@dataclass(frozen=True)
class Interval:
    """What is known after one interval; the counts are those of the whole rollout so far."""

    success_ratio: float | None
    candidate_requests: int
    candidate_bad: int
    live_requests: int
    live_bad: int


# Takes what is known and how many measurements failed before; returns whether this one failed, None for an error.
Judge = Callable[[Interval], bool | None]


@dataclass(frozen=True)
class Peer:
    """One rule.

    Args:
        name: for the table.
        weights_percent: the candidate's share, one after the other.
        intervals_each: how many intervals each weight lasts.
        judge: whether a measurement failed; None when there was nothing to measure.
        failures_allowed: one more than these, and it rolls back.
        errors_allowed: the same for measurements in a row that had nothing to measure; None when they do not matter.
        failure_holds: whether a measurement that failed keeps the weight for another interval.
    """

    name: str
    weights_percent: tuple[int, ...]
    intervals_each: int
    judge: Judge
    failures_allowed: int
    errors_allowed: int | None
    failure_holds: bool = False


def _below(threshold: float) -> Judge:
    def judge(seen: Interval) -> bool | None:
        return None if seen.success_ratio is None else seen.success_ratio < threshold

    return judge


def _missing_fails(judge: Judge) -> Judge:
    return lambda seen: judge(seen) is not False


def _z_test(seen: Interval) -> bool | None:
    """Two proportions, pooled, one-sided at 5 %: valid for one look at a number of requests fixed before."""
    n, m = seen.candidate_requests, seen.live_requests
    if not n or not m:
        return None
    pooled = (seen.candidate_bad + seen.live_bad) / (n + m)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return spread > 0 and (seen.candidate_bad / n - seen.live_bad / m) / spread > 1.6449


PEERS: tuple[Peer, ...] = (
    # docs.flagger.app "How it works" and "Metrics analysis": interval 1m, threshold 5, request-success-rate min 99. A
    # failed check halts the advancement and counts; a check without values is a failed one.
    Peer("flagger", (1, 5, 25, 50), 1, _missing_fails(_below(0.99)), 4, None, failure_holds=True),
    # argo-rollouts.readthedocs.io "Analysis": successCondition >= 0.95, failureLimit 3, in the background while pauses
    # of two intervals pass; consecutiveErrorLimit is 4 by default.
    Peer("argo rollouts", (1, 5, 25, 50), 2, _below(0.95), 3, 4),
    # The test of a textbook, looked at after each of 60 intervals, as a dashboard invites to.
    Peer("z-test, 60 looks", (1, 5, 25, 50), 15, _z_test, 0, None),
    # docs.aws.amazon.com/sagemaker "Auto-rollback configuration": a canary, a bake of ten minutes, an alarm on one
    # period; the example treats missing data as not breaching. 5 % because the example's threshold of 1 is the mean
    # of zeros and ones and could never be exceeded.
    Peer("sagemaker canary", (10,), 10, _below(0.95), 0, None),
)


def run_peer(peer: Peer, scenario: Scenario, chance: np.random.Generator) -> End:
    """Returns how one rollout of `scenario` ends under a peer's rule."""
    population = scenario.traffic.population(chance)
    begins = chance.uniform(0, FAULT_BEGINS_WITHIN_SECONDS)
    seconds, requests, harm, live_requests, live_harm, failures, errors = 0.0, 0, 0, 0, 0, 0, 0
    step = passed = 0
    ahead: deque[tuple[SlotTraffic, SlotTraffic]] = deque()
    drawn: tuple[Traffic, float] | None = None
    while step < len(peer.weights_percent):
        blind = scenario.fault in _BLIND and seconds + _INTERVAL_SECONDS > begins
        share = 0.0 if blind and scenario.fault is Fault.CANDIDATE_IDLE else peer.weights_percent[step] / 100
        traffic = scenario.at(seconds, begins)
        if not ahead or drawn != (traffic, share):
            drawn, number = (traffic, share), peer.intervals_each - passed
            ahead = deque(traffic.draw_many(chance, population, seconds, _INTERVAL_SECONDS, share, number))
        candidate, live = ahead.popleft()
        seconds += _INTERVAL_SECONDS
        requests, harm = requests + candidate.requests, harm + candidate.harm
        live_requests, live_harm = live_requests + live.requests, live_harm + live.harm
        measured = None if blind or not candidate.requests else 1 - candidate.harm / candidate.requests
        failed = peer.judge(
            Interval(measured, 0 if blind else requests, 0 if blind else harm, live_requests, live_harm)
        )
        errors = errors + 1 if failed is None else 0
        failures += bool(failed)
        if failures > peer.failures_allowed or (peer.errors_allowed is not None and errors > peer.errors_allowed):
            return End(Move.ROLL_BACK, seconds, requests, harm)
        if not (failed and peer.failure_holds):
            passed += 1
        if passed == peer.intervals_each:
            step, passed = step + 1, 0
    return End(Move.PROMOTE, seconds, requests, harm)
