"""The next rate to try: upward until the objective is missed, then closer in between; pure, and bounded."""

import math
from collections.abc import Sequence

from shipway.contract.loadtest import StageResult

__all__ = ["MOST_STEPS", "found_rates", "next_rate"]

_GROWTH = 1.5
# So often the step of one and a half between what is stood and what is missed is halved: a twentieth is left.
_REFINEMENTS = 3
_CLOSE = 1.1
MOST_STEPS = 24


def next_rate(stages: Sequence[StageResult], most_per_second: float) -> float | None:
    """Returns the rate of the next step, None when the search is over.

    Args:
        stages: all judged stages and steps so far, in order; the search starts from the highest rate of them.
        most_per_second: no rate goes beyond.
    """
    steps = [stage for stage in stages if stage.searched]
    if not stages or len(steps) >= MOST_STEPS or stages[-1].objective_met is None:
        return None
    best, missed = found_rates(stages)
    if missed is None:
        last = max(stage.requests_per_second for stage in stages)
        return None if last >= most_per_second else min(last * _GROWTH, most_per_second)
    if best is None:
        return missed / _GROWTH
    enclosed = next(number for number in range(len(stages)) if None not in found_rates(stages[: number + 1]))
    if len(stages) - enclosed > _REFINEMENTS or missed / best <= _CLOSE:
        return None
    return math.sqrt(best * missed)


def found_rates(stages: Sequence[StageResult]) -> tuple[float | None, float | None]:
    """Returns the highest rate that met the objective below the lowest that missed it, and that lowest; None for none.

    A rate that did well above one that did badly was lucky.
    """
    missed = min((one.requests_per_second for one in stages if one.objective_met is False), default=None)
    below = math.inf if missed is None else missed
    met = (one.requests_per_second for one in stages if one.objective_met and one.requests_per_second < below)
    return max(met, default=None), missed
