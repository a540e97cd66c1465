"""When requests arrive: a Poisson process at a planned rate, which does not care how fast anybody answers."""

import random

__all__ = ["poisson"]


def poisson(requests_per_second: float, seconds: float, seed: int) -> list[float]:
    """Returns the moments of the arrivals in [0, seconds), in seconds from the start and in order.

    The gaps are exponential with mean 1 / rate, as those of many callers who know nothing of each other; an even beat
    would never send two at once.

    >>> [round(moment, 3) for moment in poisson(2, 2, seed=1)]
    [0.072, 1.013]
    """
    rng = random.Random(seed)  # noqa: S311 - a schedule that can be repeated, no secret
    found: list[float] = []
    moment = rng.expovariate(requests_per_second)
    while moment < seconds:
        found.append(moment)
        moment += rng.expovariate(requests_per_second)
    return found
