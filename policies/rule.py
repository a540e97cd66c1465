"""Rule: a pure predicate with its identity, its remedy and one example on each side."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shipway.contract.environment import Tier

__all__ = ["MODEL_SERVICE", "Check", "Rule", "Severity", "rule"]

# The component that carries a model's spec and release among its inputs, on every target.
MODEL_SERVICE = "shipway:components:ModelService"

# What a check returns: one sentence for each violation, empty when there is none, None when it is not decidable yet.
Check = Callable[[Mapping[str, Any]], list[str] | None]


class Severity(StrEnum):
    """How bad a violation is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"


@dataclass(frozen=True)
class Rule:
    """One policy.

    Args:
        id: its stable number.
        title: what holds when it passes, in a few words.
        severity: how bad a violation is.
        tiers: where a violation stops the deployment; on the others it is advice.
        resource_type: the type of the resources it judges.
        fix: what to do about a violation.
        passing, failing: inputs of such a resource that pass and that do not.
        check: the predicate; its docstring is the policy's message.
    """

    id: str
    title: str
    severity: Severity
    tiers: frozenset[Tier]
    resource_type: str
    fix: str
    passing: Mapping[str, Any]
    failing: Mapping[str, Any]
    check: Check

    @property
    def message(self) -> str:
        """What the rule demands, from the check's docstring."""
        return " ".join((self.check.__doc__ or "").split())


def rule(
    id: str,
    title: str,
    *,
    severity: Severity,
    fix: str,
    passing: Mapping[str, Any],
    failing: Mapping[str, Any],
    tiers: frozenset[Tier] = frozenset(Tier),
    resource_type: str = MODEL_SERVICE,
) -> Callable[[Check], Rule]:
    """Makes a Rule of the check it decorates; see Rule for the arguments."""
    return lambda check: Rule(id, title, severity, tiers, resource_type, fix, passing, failing, check)
