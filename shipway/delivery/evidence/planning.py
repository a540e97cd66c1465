"""What a number of requests could prove: the least harm that a guardrail would see, told before anything ships."""

from shipway.contract.evidence import ABSOLUTE_GATES, Gate
from shipway.delivery.evidence.eprocess import START, reaches, relative_null, update
from shipway.delivery.evidence.gate import Rules

__all__ = ["detectable_ratio"]

_BISECTIONS = 50


def detectable_ratio(
    rules: Rules, gate: Gate, base_ratio: float, candidate_requests: float, live_requests: float
) -> float | None:
    """Returns the least bad ratio of the candidate whose expected counts make `gate` reject; None when even 1 does not.

    The counts are the expected ones, fractions included, taken in as one increment of the exact e-process. Real counts
    scatter around them, so a candidate this bad is seen by then in about every second rollout, a worse one in most.

    >>> from shipway.contract.model import RolloutSpec, SloSpec
    >>> rules = Rules.of_route(RolloutSpec(), SloSpec())
    >>> detectable_ratio(rules, Gate.ERRORS, 0.01, candidate_requests=3, live_requests=57)
    >>> round(detectable_ratio(rules, Gate.ERRORS, 0.01, candidate_requests=100, live_requests=1900), 4)
    0.0863

    Args:
        rules: what the rollout is judged by.
        gate: one of the guardrails.
        base_ratio: live's ratio of bad requests, or of wrong labels; an absolute gate does not look at it.
        candidate_requests: requests of the candidate by then, or labels.
        live_requests: live's in the same time.
    """
    if not 0 <= base_ratio <= 1 or candidate_requests < 0 or live_requests < 0:
        raise ValueError(
            f"base_ratio ({base_ratio}), candidate_requests ({candidate_requests}), live_requests ({live_requests}): "
            "expected a ratio from 0 to 1 and no negative count"
        )

    def seen(ratio: float) -> bool:
        bad = ratio * candidate_requests
        if gate in ABSOLUTE_GATES:
            weights = update(START, bad, candidate_requests, rules.objective_ratio(gate))
        else:
            null_ratio = relative_null(candidate_requests, live_requests, rules.rollout.margin_ratio)
            weights = update(START, bad, bad + base_ratio * live_requests, null_ratio)
        return reaches(weights, rules.log_limit)

    if not seen(1.0):
        return None
    least, most = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (least + most) / 2
        least, most = (least, middle) if seen(middle) else (middle, most)
    return most
