"""E-processes: evidence against "the candidate is no worse" that may be looked at as often as one likes.

One formula serves all tests here. Of `trials` events, `hits` fell on the side that is watched; under the null each
does so with a probability of at most `null_ratio` = p. An alternative multiplies the odds by rho. With 64 values of
rho and equal weights at the start,

    E = sum_j w_j prod_i  rho_j^hits_i / (1 + p_i (rho_j - 1))^trials_i ,

which is the likelihood ratio of the binomial with odds rho_j p / (1 - p) against the one with p. E is a non-negative
supermartingale that starts at 1, so it ever reaches 1 / alpha with a probability of at most alpha (Ville).

- Candidate against live: hits = k_c, trials = k_c + k_l, p = q(r0) = r0 n_c / (r0 n_c + n_l). Each increment conditions
  on its own totals, so neither a moving baseline nor a changing weight can fool it (Lindon & Malek, NeurIPS 2022,
  arXiv 2011.03567). For Bernoulli requests it stays a supermartingale at every base rate, because log(1 + x) <= x.
- One slot against its objective: hits = bad requests, trials = requests, p = the objective.
- Units against the weight: hits = candidate units, trials = units, p = the weight; rho on both sides of 1.

Requests are taken to be independent. Callers whose requests fail together break that: measured by the simulator with
guardrail_alpha = 0.01, few very busy callers among 5,000 and a fifth of them failing 25 times as often as the rest, 4 %
of healthy versions are rolled back; where 2 % of the callers cause four fifths of all errors, 26 % are.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["GREATER", "START", "UNEQUAL", "forget", "log_e_value", "relative_null", "update"]

_POINTS = 64
_LARGEST_RATIO = 1e4
_LARGEST_UNIT_RATIO = 10.0

# Log of the odds ratios of "greater": equal steps in log(rho) on (1, 1e4].
GREATER: tuple[float, ...] = tuple(math.log(_LARGEST_RATIO) * (j + 1) / _POINTS for j in range(_POINTS))
# Log of the odds ratios of "unequal": 32 equal steps in log(rho) on each side of 1, as far as a tenth and tenfold.
UNEQUAL: tuple[float, ...] = tuple(
    math.log(_LARGEST_UNIT_RATIO) * j / (_POINTS // 2) for j in range(-_POINTS // 2, _POINTS // 2 + 1) if j
)
# The state before any evidence: equal weights.
START: tuple[float, ...] = (-math.log(_POINTS),) * _POINTS

# rho - 1 for each grid.
_EXCESS = {grid: tuple(math.expm1(log_ratio) for log_ratio in grid) for grid in (GREATER, UNEQUAL)}


def relative_null(candidate_requests: int, live_requests: int, margin_ratio: float) -> float:
    """Returns q(r0), the candidate's share of the bad events when its rate is r0 = 1 + `margin_ratio` times live's.

    >>> round(relative_null(10, 990, 0.0), 12)
    0.01
    >>> round(relative_null(50, 50, 0.1), 6)
    0.52381
    """
    weighted = (1 + margin_ratio) * candidate_requests
    total = weighted + live_requests
    return weighted / total if total else 0.0


def update(
    log_weights: Sequence[float], hits: int, trials: int, null_ratio: float, grid: tuple[float, ...] = GREATER
) -> tuple[float, ...]:
    """Returns the log weights after an increment; without trials they stay as they are.

    >>> state = update(START, hits=1, trials=1, null_ratio=0.01)
    >>> round(math.exp(log_e_value(state)), 4)
    50.8727

    Args:
        log_weights: 64 log weights, `START` at first.
        hits: events on the watched side.
        trials: all events.
        null_ratio: the greatest probability of a hit under the null, given what was known before the increment.
        grid: the alternatives, `GREATER` or `UNEQUAL`.
    """
    if not 0 <= hits <= trials or not 0 <= null_ratio <= 1:
        raise ValueError(
            f"hits ({hits}) of trials ({trials}) at null_ratio ({null_ratio}): expected 0 <= hits <= "
            "trials and a ratio from 0 to 1"
        )
    if not trials:
        return tuple(log_weights)
    costs = _costs(null_ratio, grid)
    if not hits:
        return tuple([weight - trials * cost for weight, cost in zip(log_weights, costs, strict=True)])
    return tuple(
        [
            weight + hits * log_ratio - trials * cost
            for weight, log_ratio, cost in zip(log_weights, grid, costs, strict=True)
        ]
    )


# The guardrails of one look share their null, and an objective never changes.
@lru_cache(maxsize=64)
def _costs(null_ratio: float, grid: tuple[float, ...]) -> list[float]:
    return [math.log1p(null_ratio * excess) for excess in _EXCESS[grid]]


def forget(log_weights: Sequence[float]) -> tuple[float, ...]:
    """Returns the log weights with all evidence *for* the null dropped: what counts is the worst recent stretch.

    A plain e-process lets a long good past excuse a bad present. Called before every update this makes it a detector
    of change instead (an e-detector of the CUSUM kind: Shin, Ramdas & Rinaldo, arXiv 2203.03532): it is wrong once in
    1 / alpha looks on average, which is enough to judge where a rollback may go, and too weak to cause one.
    """
    return tuple(map(max, log_weights, START))


def log_e_value(log_weights: Sequence[float]) -> float:
    """Returns log E, the logarithm of the sum of the weights; 0 before any evidence.

    >>> round(log_e_value(START), 12) + 0.0
    0.0
    """
    largest = max(log_weights)
    exp = math.exp
    return largest + math.log(sum([exp(weight - largest) for weight in log_weights]))
