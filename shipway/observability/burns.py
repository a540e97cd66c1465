"""Service level objectives: how fast errors and slow answers use their budgets, by several windows at once."""

import math

from shipway.contract.alerts import AlertName
from shipway.contract.metrics import LATENCY_EDGES_SECONDS, Outcome
from shipway.contract.model import SloSpec
from shipway.contract.presets import BURNS, Burn
from shipway.observability.alert_rule import AlertRule, Record
from shipway.observability.rendering import seconds

__all__ = ["BAD", "BAD_OUTCOMES", "BUDGET", "JUDGED", "SLOW", "TIMED", "burns", "minimum_requests", "slow_edge"]

# Requests a second over five minutes, of all slots of a model: those judged and the bad ones, those timed and the slow.
JUDGED, BAD = "shipway:judged_requests:rate5m", "shipway:bad_requests:rate5m"
TIMED, SLOW = "shipway:timed_requests:rate5m", "shipway:slow_requests:rate5m"
# The share of requests that may be bad, by `objective`: what model.yaml promises, beside what is kept of it.
BUDGET = "shipway:objective_ratio"
BAD_OUTCOMES = "|".join((Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.TIMEOUT))

# The records look back over five minutes themselves: no window can be shorter.
_SHORTEST_SECONDS = 300
# Of the long window, so that the alert ends soon after its cause.
_SHORT_RATIO = 1 / 12


def minimum_requests(error_ratio: float) -> int:
    """Returns how many requests a window needs before a share of bad ones means anything: fewer, and one alerts.

    >>> minimum_requests(0.01), minimum_requests(0.0)
    (100, 1)
    """
    return math.ceil(round(1 / error_ratio, 9)) if error_ratio else 1


def slow_edge(latency_seconds: float) -> float:
    """Returns the edge of the shared latency grid from which an answer counts as slow: the first not below the limit.

    >>> slow_edge(0.3)
    0.347992
    """
    return next((edge for edge in LATENCY_EDGES_SECONDS if edge >= latency_seconds), LATENCY_EDGES_SECONDS[-1])


def burns(model: str, slo: SloSpec, interval_seconds: float) -> list[Record | AlertRule]:
    """Returns the records and alerts of a model's two budgets.

    A window of the alert holds the sum of a record over that time: long windows cost a sample each interval, and hours
    with more traffic count for more, as they do for the callers.

    Args:
        model: its name.
        slo: its objectives; a rate that would need more than all requests to be bad is left out.
        interval_seconds: how often these rules are evaluated.
    """
    requests, timed = f'shipway:requests_total{{model="{model}"', f'shipway:request_seconds_bucket{{model="{model}"'
    judged = f'{requests},outcome!="{Outcome.REJECTED_INPUT}"}}[5m]'
    fast = f'{timed},le="{slow_edge(slo.latency_seconds)}"}}[5m]'
    every = f'{timed},le="+Inf"}}[5m]'
    records = [
        Record(JUDGED, f"sum(rate({judged}))", {"model": model}),
        Record(BAD, f'sum(rate({requests},outcome=~"{BAD_OUTCOMES}"}}[5m]))', {"model": model}),
        Record(TIMED, f"sum(rate({every}))", {"model": model}),
        Record(SLOW, f"clamp_min(sum(rate({every})) - sum(rate({fast})), 0)", {"model": model}),
    ]
    budgets = {
        "errors": (BAD, JUDGED, slo.error_ratio),
        "latency": (SLOW, TIMED, round(1 - slo.latency_quantile, 9)),
    }
    return [
        *records,
        *(
            Record(BUDGET, f"vector({budget:g})", {"model": model, "objective": objective})
            for objective, (_, _, budget) in budgets.items()
        ),
        *(
            _burn(model, objective, bad, of, budget, burn, slo, interval_seconds)
            for objective, (bad, of, budget) in budgets.items()
            for burn in BURNS
            if burn.factor * budget < 1
        ),
    ]


def _burn(
    model: str, objective: str, bad: str, of: str, budget: float, burn: Burn, slo: SloSpec, interval_seconds: float
) -> AlertRule:
    long_seconds = max(round(slo.window_seconds * burn.long_ratio), _SHORTEST_SECONDS)
    short_seconds = max(round(long_seconds * _SHORT_RATIO), _SHORTEST_SECONDS)
    limit = f"{burn.factor * budget:.6g}"

    def over(record: str, window_seconds: int) -> str:
        return f'sum_over_time({record}{{model="{model}"}}[{_span(window_seconds)}])'

    def ratio(window_seconds: int) -> str:
        return f"{over(bad, window_seconds)} / {over(of, window_seconds)}"

    enough = f"{over(of, long_seconds)} * {interval_seconds:g} >= {minimum_requests(budget)}"
    return AlertRule(
        AlertName.BUDGET_BURNS_FAST if burn.page else AlertName.BUDGET_BURNS_SLOWLY,
        f"{ratio(long_seconds)} > {limit} and {ratio(short_seconds)} > {limit} and {enough}",
        f"{model}: over {_span(long_seconds)}, {{{{ $value | humanizePercentage }}}} of the requests are bad "
        f"({objective}), more than {burn.factor:g} times the {budget:g} that the objective allows",
        labels={"objective": objective, "window": _span(long_seconds)},
    )


def _span(window_seconds: int) -> str:
    for unit_seconds, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if window_seconds % unit_seconds == 0:
            return f"{window_seconds // unit_seconds}{unit}"
    return seconds(window_seconds)
