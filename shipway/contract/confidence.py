"""Bounds on a ratio that hold at every look at once; pure.

The confidence sequence is {p : M(k, n) / L(p) < 1 / alpha} with the binomial likelihood L(p) = p^k (1 - p)^(n - k) and
its Beta(1/2, 1/2) mixture M = B(k + 1/2, n - k + 1/2) / B(1/2, 1/2). M / L(p) is a martingale under p that starts at 1,
so the true p is ever outside with a probability of at most alpha (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon,
Annals of Statistics 2021, arXiv 1810.08240).
"""

import math

__all__ = ["lower_bound", "upper_bound"]

# Newton needs four or five; rounding may cost a few more.
_ROUNDS = 50
# How near to the root, of the logarithm of the ratio, is near enough.
_NEAR = 1e-13
_LOG_BETA_HALVES = math.log(math.pi)


def upper_bound(events: float, trials: float, alpha: float) -> float:
    """Returns the greatest ratio compatible with `events` of `trials`; 1 without trials.

    >>> round(upper_bound(0, 27, 0.025), 4), round(upper_bound(0, 754, 0.025), 5)
    (0.1967, 0.00999)
    >>> upper_bound(0, 0, 0.025)
    1.0

    Args:
        events: bad requests; a fraction is allowed, for planning with expected counts.
        trials: all requests.
        alpha: the probability with which the true ratio may ever exceed the bound.
    """
    _check(events, trials, alpha)
    return -math.expm1(_log_least(trials - events, events, alpha)) if events < trials else 1.0


def lower_bound(events: float, trials: float, alpha: float) -> float:
    """Returns the least ratio compatible with `events` of `trials`; 0 without trials or without events.

    >>> round(lower_bound(10, 1000, 0.025), 5)
    0.0022
    """
    _check(events, trials, alpha)
    return math.exp(_log_least(events, trials - events, alpha)) if events else 0.0


def _check(events: float, trials: float, alpha: float) -> None:
    if not 0 <= events <= trials or not 0 < alpha < 1:
        raise ValueError(
            f"events ({events}) of trials ({trials}) at alpha ({alpha}): expected 0 <= events <= trials "
            "and alpha between 0 and 1"
        )


def _log_least(ones: float, others: float, alpha: float) -> float:
    """Returns log p of the least p compatible with `ones` of `ones + others`; the greatest is that of the others.

    The log-likelihood f(u) = ones u + others log(1 - exp(u)), u = log p, is concave and grows up to the estimate, so
    Newton's steps from outside never pass the root, and the bound is reported from outside. Both starts are outside:
    one leaves out the second term of f, the other is Pinsker's inequality with the variance p (1 - estimate).
    """
    trials = ones + others
    log_mixture = math.lgamma(ones + 0.5) + math.lgamma(others + 0.5) - math.lgamma(trials + 1.0) - _LOG_BETA_HALVES
    least = log_mixture + math.log(alpha)
    if not others:
        return least / ones
    log, expm1 = math.log, math.expm1
    mean, rest = ones / trials, others / trials
    per_trial = (ones * log(mean) + others * log(rest) - least) / trials
    scale = mean * per_trial
    farthest = rest + scale + math.sqrt(scale * (scale + 2 * rest))
    u = least / ones
    if farthest < 1:
        u = max(u, math.log1p(-farthest))
    outside = least / ones
    for _ in range(_ROUNDS):
        against = -expm1(u)
        value = ones * u + others * log(against) - least
        slope = ones - others * (1 - against) / against
        step = -value / slope
        if value > 0:
            # Rounding, or a start rounded inwards: back to the other side of the root.
            u += 2 * step + u * _NEAR
            continue
        outside = max(outside, u)
        if step <= -u * _NEAR:
            break
        u += step
    return outside
