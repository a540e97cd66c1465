"""`shipway plan`: what a rollout will need at the present traffic, before anything ships."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from shipway.cli.context import emit, progress, project, service, table
from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Gate
from shipway.delivery.baseline import Baseline, measure
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.forecast import Forecast, forecast
from shipway.delivery.reach import reach

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway plan flight-delay --env local --requests-per-second 40")(plan)


def plan(
    model: Annotated[str, typer.Argument(help="the model's name, such as flight-delay")],
    env: Annotated[str, typer.Option(help="the environment")] = "local",
    requests_per_second: Annotated[
        float | None, typer.Option(min=0, help="the traffic to reckon with, instead of the last minute's")
    ] = None,
    error_ratio: Annotated[
        float | None, typer.Option(min=0, max=1, help="live's ratio of errors, instead of the last minute's")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Show what each step will need, and what each gate could see; exit code 1 when it cannot be met."""
    root = project()
    way = reach(root, env)
    spec = service(root, model)[1]
    rules = Rules.of(spec)
    measured = Baseline(None, None, {})
    if requests_per_second is None or error_ratio is None:
        measured = measure(way.prometheus, model, spec.slo.latency_seconds)
    per_second = measured.requests_per_second if requests_per_second is None else requests_per_second
    if per_second is None:
        raise ShipwayError(
            f"the traffic of {model} is not known: Prometheus does not answer {way.asked}; "
            "start the stack, or give --requests-per-second and --error-ratio"
        )
    errors = measured.error_ratio if error_ratio is None else error_ratio
    if errors is None:
        progress("no request was seen in the last minute: an error ratio of 0 is assumed; --error-ratio says another")
        errors = 0.0
    # A ratio that a person names holds for the gates that count errors too.
    named = () if error_ratio is None else (Gate.ERRORS, Gate.SLO_ERRORS)
    ratios = {gate: ratio for gate, ratio in measured.ratios.items() if gate not in named}
    told = forecast(rules, per_second, errors, ratios)
    result: dict[str, Any] = {
        "model": model,
        "environment": env,
        "requests_per_second": per_second,
        "error_ratio": errors,
        "can_be_met": not told.reasons,
        "steps": [asdict(need) for need in told.steps],
        "gates": [asdict(sight) | {"gate": str(sight.gate)} for sight in told.sights],
        "reasons": list(told.reasons),
    }
    emit(result, _text(model, rules, per_second, errors, told), as_json=as_json)
    if told.reasons:
        raise typer.Exit(1)


def _text(model: str, rules: Rules, per_second: float, errors: float, told: Forecast) -> str:
    rollout = rules.rollout
    lines = [f"{model} at {per_second:.2f} requests/s with {errors:.2%} errors", ""]
    rows = [
        (
            f"{need.weight_percent} %",
            f"{need.next_percent} %",
            "never enough" if need.candidate_requests is None else f"{need.candidate_requests:,}",
            "never" if need.seconds is None else f"{need.seconds / 60:.1f}",
            "yes" if need.in_time else "NO",
        )
        for need in told.steps
    ]
    lines.append(table(("STEP", "EARNS", "CANDIDATE REQUESTS", "MINUTES", "IN TIME"), rows))
    if all(need.seconds is not None for need in told.steps):
        total = sum(need.seconds or 0.0 for need in told.steps) / 60
        guard = rollout.guard_seconds / 60
        lines.append(f"together {total:.1f} minutes for a version as good as live, then {guard:.1f} of guard")
    if (manual := rollout.manual_gate_before_percent) is not None:
        lines.append(f"before {manual} % it waits for `shipway approve {model}`")
    steps = [f"BY {need.weight_percent} %" for need in told.steps]
    sights = [
        (
            str(sight.gate),
            sight.action,
            "unknown"
            if sight.base_ratio is None
            else f"{sight.base_ratio:.2%}" + (" assumed" if sight.assumed else ""),
            *("-" if ratio is None else f"{ratio:.2%}" for ratio in sight.detectable_ratios),
        )
        for sight in told.sights
    ]
    lines += ["", "least bad ratio of the candidate that each gate is expected to see by the end of a step:"]
    lines.append(table(("GATE", "DOES", "LIVE", *steps), sights))
    verdict = [f"cannot be met: {reason}" for reason in told.reasons] or ["can be met"]
    return "\n".join([*lines, "", *verdict])
