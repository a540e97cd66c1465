"""How a version may take over traffic."""

from collections.abc import Mapping
from typing import Any

from policies.rule import Severity, rule

__all__ = ["guardrails_declared", "live_slot_unchanged"]

_ROLLOUT = {
    "steps_percent": [1, 5, 25, 50, 100],
    "harm_budget_ratio": 0.01,
    "guardrail_alpha": 0.01,
    "sample_ratio_alpha": 0.001,
    "max_step_seconds": 3600,
}
_SLO = {"error_ratio": 0.01, "latency_seconds": 0.3}


@rule(
    "ML031",
    "guardrails declared",
    severity=Severity.CRITICAL,
    fix="Leave `rollout` and `slo` in model.yaml at their defaults, or give values inside the named limits.",
    passing={"model": {"rollout": _ROLLOUT, "slo": _SLO}},
    failing={"model": {"rollout": {**_ROLLOUT, "guardrail_alpha": 0.5}, "slo": _SLO}},
)
def guardrails_declared(props: Mapping[str, Any]) -> list[str]:
    """Every rollout has guardrails, a sample test and a deadline that can really stop a bad version."""
    rollout, slo = props["model"]["rollout"], props["model"]["slo"]
    # Above these a guardrail is there in name only: it fires on chance, or never.
    limits = {"guardrail_alpha": 0.1, "sample_ratio_alpha": 0.01, "harm_budget_ratio": 0.05, "max_step_seconds": 86_400}
    found = [
        f"rollout.{field} is {rollout.get(field)!r}, above {limit}"
        for field, limit in limits.items()
        if not 0 < (rollout.get(field) or 0) <= limit
    ]
    if len(rollout["steps_percent"]) < 2:
        found.append(f"rollout.steps_percent is {list(rollout['steps_percent'])}, with no step before all traffic")
    # A version that fails must be able to lose its traffic without a person.
    gates: Mapping[str, str] = rollout.get("gates") or {}
    found += [
        f"rollout.gates.{gate} is {gates[gate]!r}, expected rollback"
        for gate in ("errors", "invalid_outputs", "slo_errors")
        if gates.get(gate, "rollback") != "rollback"
    ]
    if slo["error_ratio"] >= 0.5:
        found.append(f"slo.error_ratio is {slo['error_ratio']}, which no version can break")
    return found


@rule(
    "ML043",
    "live slot unchanged",
    severity=Severity.CRITICAL,
    fix="Release into the idle slot with `shipway release` and promote it.",
    passing={"live_changes": []},
    failing={"live_changes": ["pricing: slot blue is live with 000000000000, expected it unchanged"]},
)
def live_slot_unchanged(props: Mapping[str, Any]) -> list[str] | None:
    """No deployment changes the digest in the slot that takes traffic: that would be a release without a rollout."""
    changes = props.get("live_changes")
    return None if changes is None else list(changes)
