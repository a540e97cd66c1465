"""From rules to Pulumi's policies: which stop a deployment, which advise, and what an unknown value means."""

import importlib
import pkgutil
from collections.abc import Sequence

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
)
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UnknownValueError

import policies.rules as families
from policies.rule import Rule
from shipway.contract.environment import Tier

__all__ = ["all_rules", "policies"]


def all_rules() -> list[Rule]:
    """Returns every rule of every module in `policies/rules`, by id."""
    modules = (
        importlib.import_module(f"policies.rules.{found.name}") for found in pkgutil.iter_modules(families.__path__)
    )
    return sorted(
        (value for module in modules for value in vars(module).values() if isinstance(value, Rule)),
        key=lambda rule: rule.id,
    )


def policies(rules: Sequence[Rule]) -> list[Policy]:
    """Returns Pulumi's policies: a rule is mandatory on its own tiers and advice, as `<id>-advice`, on the others."""
    found: list[Policy] = []
    for rule in rules:
        found.append(_policy(rule, rule.id, EnforcementLevel.MANDATORY, rule.tiers))
        if others := frozenset(Tier) - rule.tiers:
            found.append(_policy(rule, f"{rule.id}-advice", EnforcementLevel.ADVISORY, others))
    return found


def _policy(rule: Rule, name: str, level: EnforcementLevel, tiers: frozenset[Tier]) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type != rule.resource_type or args.props["tier"] not in tiers:
            return
        violations = rule.check(args.props)
        if violations is None:
            # Pulumi reports this as "can't run policy during preview"; a pass would be a lie.
            raise UnknownValueError(UNKNOWN_OBJECT_VALUE, [rule.id])
        for violation in violations:
            report(f"{violation}. {rule.fix}", None)

    return ResourceValidationPolicy(
        name=name,
        description=f"{rule.title}: {rule.message}",
        validate=validate,
        enforcement_level=level,
        severity=Severity(rule.severity),
        display_name=rule.title,
        remediation_steps=rule.fix,
    )
