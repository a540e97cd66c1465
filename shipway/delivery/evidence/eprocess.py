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
- Units against the weight: hits = candidate units, trials = units, p = the weight; rho on both sides of 1. Each step
  begins anew, at its share of alpha: a unit keeps its place as the weight grows, and no step draws it a second time.

Requests are taken to be independent. Callers whose requests fail together break that: measured by the simulator with
guardrail_alpha = 0.01, few very busy callers among 5,000 and a fifth of them failing 25 times as often as the rest, 4 %
of healthy versions are rolled back; where 2 % of the callers cause four fifths of all errors, 22 % are.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import add, sub

__all__ = ["GREATER", "START", "UNEQUAL", "begin_share", "forget", "log_e_value", "reaches", "relative_null", "update"]

_POINTS = 64
_LOG_POINTS = math.log(_POINTS)
_LARGEST_RATIO = 1e4
_LARGEST_UNIT_RATIO = 10.0

# Log of the odds ratios of "greater": equal steps in log(rho) on (1, 1e4].
GREATER: tuple[float, ...] = tuple(math.log(_LARGEST_RATIO) * (j + 1) / _POINTS for j in range(_POINTS))
# Log of the odds ratios of "unequal": 32 equal steps in log(rho) on each side of 1, as far as a tenth and tenfold.
UNEQUAL: tuple[float, ...] = tuple(
    math.log(_LARGEST_UNIT_RATIO) * j / (_POINTS // 2) for j in range(-_POINTS // 2, _POINTS // 2 + 1) if j
)
_START_WEIGHT = -_LOG_POINTS
# The state before any evidence: equal weights.
START: tuple[float, ...] = (_START_WEIGHT,) * _POINTS

# rho - 1 for each grid.
_EXCESS = {grid: tuple(math.expm1(log_ratio) for log_ratio in grid) for grid in (GREATER, UNEQUAL)}


def relative_null(candidate_requests: float, live_requests: float, margin_ratio: float) -> float:
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
    log_weights: tuple[float, ...],
    hits: float,
    trials: float,
    null_ratio: float,
    grid: tuple[float, ...] = GREATER,
) -> tuple[float, ...]:
    """Returns the log weights after an increment; without trials they stay as they are.

    >>> state = update(START, hits=1, trials=1, null_ratio=0.01)
    >>> round(math.exp(log_e_value(state)), 4)
    50.8727

    Args:
        log_weights: 64 log weights, `START` at first.
        hits: events on the watched side; a fraction is allowed, for planning with expected counts.
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
        return log_weights
    unequal = grid is UNEQUAL
    paid = map(sub, log_weights, _costs(trials, null_ratio, unequal))
    return tuple(map(add, paid, _gains(hits, unequal)) if hits else paid)


# An objective never changes, the guardrails of one look share their null, and small counts come again and again.
@lru_cache(maxsize=512)
def _costs(trials: float, null_ratio: float, unequal: bool) -> list[float]:
    return [trials * cost for cost in _costs_of_one(null_ratio, unequal)]


@lru_cache(maxsize=64)
def _costs_of_one(null_ratio: float, unequal: bool) -> list[float]:
    return [math.log1p(null_ratio * excess) for excess in _EXCESS[UNEQUAL if unequal else GREATER]]


@lru_cache(maxsize=512)
def _gains(hits: float, unequal: bool) -> list[float]:
    return [hits * log_ratio for log_ratio in (UNEQUAL if unequal else GREATER)]


def forget(log_weights: tuple[float, ...]) -> tuple[float, ...]:
    """Returns the log weights with all evidence *for* the null dropped: what counts is the worst recent stretch.

    A plain e-process lets a long good past excuse a bad present. Called before every update this makes it a detector
    of change instead (an e-detector of the CUSUM kind: Shin, Ramdas & Rinaldo, arXiv 2203.03532): it is wrong once in
    1 / alpha looks on average, which is enough to judge where a rollback may go, and too weak to cause one.
    """
    return tuple([weight if weight > _START_WEIGHT else _START_WEIGHT for weight in log_weights])


def begin_share(log_weights: tuple[float, ...], mass_ratio: float) -> tuple[float, ...]:
    """Returns the log weights after mass that had waited begins to test, evenly over the alternatives.

    Mass that waits neither earns nor loses. When it begins at a time that does not depend on what is seen, E, the sum
    of the weights and of what waits, is a mean of e-processes each of which is 1 until its own start, and so is one.

    >>> half = begin_share(tuple(weight - math.log(4) for weight in START), 0.25)
    >>> round(log_e_value(half, reserve_ratio=0.5), 12) + 0.0
    0.0
    """
    if not mass_ratio:
        return log_weights
    share = math.log(mass_ratio / _POINTS)
    return tuple([_log_sum(weight, share) for weight in log_weights])


def _log_sum(one: float, other: float) -> float:
    return max(one, other) + math.log1p(math.exp(-abs(one - other)))


def log_e_value(log_weights: Sequence[float], reserve_ratio: float = 0.0) -> float:
    """Returns log E, the logarithm of the sum of the weights and of the mass that waits; 0 before any evidence.

    >>> round(log_e_value(START), 12) + 0.0
    0.0

    Args:
        log_weights: 64 log weights.
        reserve_ratio: the mass that has not begun to test.
    """
    largest = max(log_weights)
    exp = math.exp
    log_sum = largest + math.log(sum([exp(weight - largest) for weight in log_weights]))
    return _log_sum(log_sum, math.log(reserve_ratio)) if reserve_ratio else log_sum


def reaches(log_weights: Sequence[float], log_limit: float, reserve_ratio: float = 0.0) -> bool:
    """Returns whether log E is at least `log_limit`; mostly the greatest weight alone can tell.

    >>> reaches(START, 0.0), reaches(START, 0.1), reaches((5.0,) * 64, 5.0)
    (True, False, True)
    """
    largest = max(log_weights)
    if largest >= log_limit:
        return True
    most = largest + _LOG_POINTS
    if (_log_sum(most, math.log(reserve_ratio)) if reserve_ratio else most) < log_limit:
        return False
    return log_e_value(log_weights, reserve_ratio) >= log_limit
