"""Confidence intervals of rates, of their ratio and of their difference; pure."""

import math
from statistics import NormalDist

__all__ = ["difference_interval", "ratio_interval", "wilson_interval", "z_value"]


def z_value(alpha: float, comparisons: int) -> float:
    """Returns how many standard errors a two-sided interval reaches when `comparisons` share `alpha` (Bonferroni).

    >>> round(z_value(0.05, 1), 3)
    1.96
    """
    return NormalDist().inv_cdf(1 - alpha / max(1, comparisons) / 2)


def wilson_interval(events: int, trials: int, z: float) -> tuple[float, float]:
    """Returns the interval of a rate, without dimension (Wilson 1927); 0 to 1 without trials.

    >>> [round(bound, 4) for bound in wilson_interval(5, 10, 1.96)]
    [0.2366, 0.7634]
    """
    if trials == 0:
        return 0.0, 1.0
    ratio, square = events / trials, z * z
    middle = (ratio + square / (2 * trials)) / (1 + square / trials)
    half = z * math.sqrt(ratio * (1 - ratio) / trials + square / (4 * trials**2)) / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(events: int, trials: int, others: int, of: int, z: float) -> tuple[float, float]:
    """Returns the interval of a rate less another one (Newcombe 1998, method 10: from both Wilson intervals).

    >>> [round(bound, 3) for bound in difference_interval(56, 70, 48, 80, 1.96)]
    [0.052, 0.334]
    """
    first, second = events / trials, others / of
    (low, high), (low_other, high_other) = wilson_interval(events, trials, z), wilson_interval(others, of, z)
    apart = first - second
    below = math.hypot(first - low, high_other - second)
    above = math.hypot(high - first, second - low_other)
    return apart - below, apart + above


def ratio_interval(events: int, trials: int, others: int, of: int, z: float) -> tuple[float, float]:
    """Returns the interval of a rate over another one, from the logarithm of the ratio.

    Half an event is added to each side (Walter 1975; Katz et al. 1978), so that no event at all is a wide interval and
    not none.

    >>> [round(bound, 2) for bound in ratio_interval(40, 100, 80, 100, 1.96)]
    [0.39, 0.65]
    """
    first, second = (events + 0.5) / (trials + 0.5), (others + 0.5) / (of + 0.5)
    spread = math.sqrt(1 / (events + 0.5) - 1 / (trials + 0.5) + 1 / (others + 0.5) - 1 / (of + 0.5))
    middle = math.log(first / second)
    return math.exp(middle - z * spread), math.exp(middle + z * spread)
