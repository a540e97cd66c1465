"""The harm budget, held against bounds on a ratio that hold at every look at once (`contract.confidence`)."""

from shipway.contract.confidence import lower_bound, upper_bound

__all__ = ["fits_budget", "requests_needed", "worst_excess"]

# More than any step will ever wait for; the search must end somewhere.
_MOST_REQUESTS = 100_000_000


def worst_excess(
    candidate_events: float, candidate_trials: float, live_events: float, live_trials: float, alpha: float
) -> float:
    """Returns X = max(0, U - L): by how much the candidate's bad ratio may exceed live's, at worst.

    U is the candidate's upper bound and L is live's lower bound, at alpha / 2 each.

    >>> round(worst_excess(0, 357, 0, 0, 0.05), 5)
    0.01997
    """
    upper = upper_bound(candidate_events, candidate_trials, alpha / 2)
    return max(0.0, upper - lower_bound(live_events, live_trials, alpha / 2))


def fits_budget(excess_ratio: float, next_percent: int, harm_budget_ratio: float) -> bool:
    """Returns whether the worst excess, on the next step's share of the traffic, stays within the budget."""
    return excess_ratio * next_percent / 100 <= harm_budget_ratio


def requests_needed(
    next_percent: int,
    harm_budget_ratio: float,
    harm_alpha: float,
    error_ratio: float = 0.0,
    live_per_candidate: float = 0.0,
) -> int | None:
    """Returns after how many candidate requests a healthy version may take `next_percent`; None for never.

    >>> [requests_needed(percent, harm_budget_ratio=0.01, harm_alpha=0.05) for percent in (5, 25, 50, 100)]
    [27, 168, 357, 754]

    Args:
        next_percent: the weight that is asked for.
        harm_budget_ratio: H of the harm budget.
        harm_alpha: alpha of the two bounds together.
        error_ratio: the expected ratio of bad requests, the same in both slots.
        live_per_candidate: live's requests for each one of the candidate: (1 - w) / w at weight w.
    """

    def enough(requests: int) -> bool:
        bad = requests * error_ratio
        live = requests * live_per_candidate
        excess = worst_excess(bad, requests, live * error_ratio, live, harm_alpha)
        return fits_budget(excess, next_percent, harm_budget_ratio)

    most = 1
    while not enough(most):
        if most >= _MOST_REQUESTS:
            return None
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most
