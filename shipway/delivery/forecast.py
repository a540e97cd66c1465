"""What a rollout will need before it is begun: each step's requests and time, each guardrail's sight; pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.contract.evidence import ABSOLUTE_GATES, LATE_GATES, Gate
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.evidence.planning import detectable_ratio
from shipway.delivery.evidence.steps import StepNeed, step_needs

__all__ = ["Forecast", "Sight", "forecast"]


@dataclass(frozen=True)
class Sight:
    """What one guardrail could see.

    Args:
        gate: which.
        action: what it does when it fails.
        base_ratio: live's ratio of bad requests; None when it is not known.
        assumed: whether that ratio was not measured.
        detectable_ratios: for each step, the least bad ratio of the candidate that it would reject by the end of that
            step, counting the steps before; None when not even 1 would be seen, or the step never ends.
    """

    gate: Gate
    action: str
    base_ratio: float | None
    assumed: bool
    detectable_ratios: tuple[float | None, ...]


@dataclass(frozen=True)
class Forecast:
    """A rollout, told before it is begun.

    Args:
        steps: what each step needs.
        sights: what each guardrail could see.
        reasons: why it cannot be met, one sentence each; empty when it can.
    """

    steps: tuple[StepNeed, ...]
    sights: tuple[Sight, ...]
    reasons: tuple[str, ...]


def forecast(rules: Rules, requests_per_second: float, error_ratio: float, ratios: Mapping[Gate, float]) -> Forecast:
    """Returns what a version as good as live will need.

    Args:
        rules: what it is judged by.
        requests_per_second: the model's traffic.
        error_ratio: live's ratio of errors, timeouts and invalid outputs.
        ratios: gate -> live's measured ratio; where one is absent, what the gate allows is assumed.
    """
    needs = step_needs(rules, requests_per_second, error_ratio)
    sights = tuple(_sight(rules, gate, needs, error_ratio, ratios) for gate in rules.gates)
    reasons = [*_reasons(rules, needs, requests_per_second, error_ratio), *_missed(rules, sights)]
    return Forecast(needs, sights, tuple(reasons))


def _missed(rules: Rules, sights: tuple[Sight, ...]) -> list[str]:
    """Returns one sentence for each objective that live misses so clearly that a version as good would be stopped."""
    return [
        f"{sight.gate}: live's {sight.base_ratio:.2%} misses the objective of {rules.objective_ratio(sight.gate):.2%}, "
        "and a version as good as live would be stopped for it"
        for sight in sights
        if sight.gate in ABSOLUTE_GATES
        and sight.base_ratio is not None
        and any(seen is not None and sight.base_ratio >= seen for seen in sight.detectable_ratios)
    ]


def _reasons(rules: Rules, needs: tuple[StepNeed, ...], requests_per_second: float, error_ratio: float) -> list[str]:
    hopeless = [
        f"{need.weight_percent} %: at {error_ratio:.2%} errors no number of requests shows that {need.next_percent} % "
        f"stays within the harm budget of {rules.rollout.harm_budget_ratio:.2%}"
        for need in needs
        if need.candidate_requests is None
    ]
    if requests_per_second <= 0:
        return ["there is no traffic, so no step is ever earned", *hopeless]
    most = rules.rollout.max_step_seconds
    slow = [
        f"{need.weight_percent} %: {need.candidate_requests} candidate requests take {need.seconds / 60:.1f} minutes "
        f"at {requests_per_second:.2f} requests/s, and a step may take {most / 60:.1f}"
        for need in needs
        if need.seconds is not None and not need.in_time
    ]
    return hopeless + slow


def _sight(
    rules: Rules, gate: Gate, needs: tuple[StepNeed, ...], error_ratio: float, ratios: Mapping[Gate, float]
) -> Sight:
    action = str(rules.rollout.action(gate))
    base = ratios.get(gate)
    assumed = base is None
    if base is None:
        base = _assumed(rules, gate, error_ratio)
    if base is None:
        return Sight(gate, action, None, assumed, tuple(None for _ in needs))
    seen: list[float | None] = []
    candidate: float | None = 0.0
    live = 0.0
    for need in needs:
        if candidate is not None and need.candidate_requests is not None:
            candidate += need.candidate_requests
            live += need.candidate_requests * (100 - need.weight_percent) / need.weight_percent
            seen.append(detectable_ratio(rules, gate, base, candidate, live))
        else:
            candidate = None
            seen.append(None)
    return Sight(gate, action, base, assumed, tuple(seen))


def _assumed(rules: Rules, gate: Gate, error_ratio: float) -> float | None:
    """Returns the ratio to reckon with where none was measured, None where any number would be made up."""
    if gate in LATE_GATES:
        return None
    if gate in (Gate.ERRORS, Gate.SLO_ERRORS):
        return error_ratio
    if gate in (Gate.SLOW_SLO, Gate.SLOW_LIVE, Gate.SLO_LATENCY):
        return 1 - rules.slo.latency_quantile
    return 0.0
