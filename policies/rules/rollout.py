"""How a version may take over traffic."""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.resource import Resource
from policies.rule import CLUSTER_TIERS, Context, Severity, rule
from policies.unknown import Undecidable
from shipway.contract.environment import Tier
from shipway.contract.model import Risk

__all__ = ["first_step_small", "guardrails_declared", "live_slot_unchanged", "old_slot_kept"]

_ROLLOUT = {
    "steps_percent": [1, 5, 25, 50, 100],
    "harm_budget_ratio": 0.01,
    "guardrail_alpha": 0.01,
    "sample_ratio_alpha": 0.001,
    "max_step_seconds": 3600,
    "prepare_seconds": 300,
    "guard_seconds": 3600,
    "manual_gate_before_percent": None,
}
_SLO = {"error_ratio": 0.01, "latency_seconds": 0.3}
# Above this the first step is no first step; at high risk a person sees a version before it has half of the traffic.
_FIRST_STEP_PERCENT, _HIGH_RISK_GATE_PERCENT = 5, 50


@rule(
    "ML031",
    "guardrails declared",
    severity=Severity.CRITICAL,
    fix="Leave `rollout` and `slo` in model.yaml at their defaults, or give values inside the named limits.",
    passing={"model": {"rollout": _ROLLOUT, "slo": _SLO}},
    failing={"model": {"rollout": {**_ROLLOUT, "guardrail_alpha": 0.5}, "slo": _SLO}},
)
def guardrails_declared(resource: Resource, _context: Context) -> Iterator[str]:
    """Every rollout has guardrails, a sample test and a deadline that can really stop a bad version, and a version that
    says nothing is one."""
    rollout, slo = resource.props["model"]["rollout"], resource.props["model"]["slo"]
    # Above these a guardrail is there in name only: it fires on chance, or never. A candidate that never becomes ready
    # has failed after prepare_seconds: that is the rule for missing data.
    limits = {
        "guardrail_alpha": 0.1,
        "sample_ratio_alpha": 0.01,
        "harm_budget_ratio": 0.05,
        "max_step_seconds": 86_400,
        "prepare_seconds": 3600,
    }
    for field, limit in limits.items():
        if not 0 < (rollout.get(field) or 0) <= limit:
            yield f"rollout.{field} is {rollout.get(field)!r}, above {limit}"
    if len(rollout["steps_percent"]) < 2:
        yield f"rollout.steps_percent is {list(rollout['steps_percent'])}, with no step before all traffic"
    # A version that fails must be able to lose its traffic without a person.
    gates: Mapping[str, str] = rollout.get("gates") or {}
    for gate in ("errors", "invalid_outputs", "slo_errors"):
        if gates.get(gate, "rollback") != "rollback":
            yield f"rollout.gates.{gate} is {gates[gate]!r}, expected rollback"
    if gates.get("sample_ratio", "pause") == "off":
        yield "rollout.gates.sample_ratio is 'off', expected pause"
    if slo["error_ratio"] >= 0.5:
        yield f"slo.error_ratio is {slo['error_ratio']}, which no version can break"


def _at_risk(risk: Risk, **changes: Any) -> Mapping[str, Any]:
    return {"model": {"risk": str(risk), "rollout": {**_ROLLOUT, **changes}}}


@rule(
    "ML032",
    "first step small",
    severity=Severity.HIGH,
    fix="Begin `rollout.steps_percent` at 5 or less, and keep manual_gate_before_percent of a high risk at most 50.",
    passing=_at_risk(Risk.HIGH),
    failing=_at_risk(Risk.HIGH, manual_gate_before_percent=100),
)
def first_step_small(resource: Resource, context: Context) -> Iterator[str]:
    """The first step takes five percent at most, and in prod a model of high risk waits for a person before half."""
    model = resource.props["model"]
    rollout = model["rollout"]
    steps = list(rollout["steps_percent"])
    if not steps or steps[0] > _FIRST_STEP_PERCENT:
        yield f"rollout.steps_percent begins at {steps[0] if steps else None}, expected at most {_FIRST_STEP_PERCENT}"
    gate = rollout.get("manual_gate_before_percent")
    # Left out it is 50 at high risk: ModelSpec.guarded_rollout.
    if context.tier is Tier.PROD and model["risk"] == Risk.HIGH and gate is not None and gate > _HIGH_RISK_GATE_PERCENT:
        yield (
            f"rollout.manual_gate_before_percent is {gate:g} at risk high, expected at most {_HIGH_RISK_GATE_PERCENT}"
        )


def _guarded(seconds: float) -> Mapping[str, Any]:
    return {"model": {"rollout": {**_ROLLOUT, "guard_seconds": seconds}, "serving": {"timeout_seconds": 10}}}


@rule(
    "ML033",
    "old slot kept",
    severity=Severity.CRITICAL,
    tiers=CLUSTER_TIERS,
    fix="Leave `rollout.guard_seconds` in model.yaml above `serving.timeout_seconds`.",
    passing=_guarded(3600),
    failing=_guarded(0),
)
def old_slot_kept(resource: Resource, _context: Context) -> Iterator[str]:
    """The version before stays until its last request has ended and the new one has been guarded."""
    model = resource.props["model"]
    guard, drain = model["rollout"].get("guard_seconds") or 0, model["serving"]["timeout_seconds"]
    if guard <= drain:
        yield f"rollout.guard_seconds is {guard:g}, expected more than serving.timeout_seconds ({drain:g})"


@rule(
    "ML043",
    "live slot unchanged",
    severity=Severity.CRITICAL,
    fix="Release into the idle slot with `shipway release` and promote it.",
    passing={"live_changes": []},
    failing={"live_changes": ["pricing: slot blue is live with 000000000000, expected it unchanged"]},
)
def live_slot_unchanged(resource: Resource, _context: Context) -> Iterator[str]:
    """No deployment changes the digest in the slot that takes traffic: that would be a release without a rollout."""
    changes = resource.props.get("live_changes")
    if changes is None:
        raise Undecidable("live_changes is not among the inputs, expected what changes in the live slot")
    yield from changes
