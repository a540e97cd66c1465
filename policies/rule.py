"""Rule: a pure predicate with its identity, its remedy and one example on each side."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from policies.resource import Resource, Stack
from policies.settings import Settings
from shipway.contract.environment import Tier

__all__ = [
    "AUTHORITY_TYPES",
    "CLUSTER_TIERS",
    "KUBERNETES",
    "MODEL_SERVICE",
    "PLATFORM",
    "PROD_ONLY",
    "Check",
    "Context",
    "Rule",
    "Scope",
    "Severity",
    "rule",
]

# The components that carry a model's spec and release, and the environment, among their inputs, on every target.
MODEL_SERVICE = "shipway:components:ModelService"
PLATFORM = "shipway:components:Platform"
# Any object of Kubernetes: a custom resource can carry pods as well as a Deployment.
KUBERNETES = "kubernetes:*"
# A stack that holds one of these decides for its environment; another may build on what it does not show.
AUTHORITY_TYPES = (PLATFORM, "aws:eks/cluster:Cluster")

_EVERYWHERE = frozenset(Tier)
# A laptop has neither other people, nor a bill, nor a second node.
CLUSTER_TIERS = frozenset({Tier.NONPROD, Tier.PROD})
PROD_ONLY = frozenset({Tier.PROD})


class Severity(StrEnum):
    """How bad a violation is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"


class Scope(StrEnum):
    """What a rule has to see: one resource, before it is touched, or the whole stack, at the end of the preview."""

    RESOURCE = "resource"
    STACK = "stack"


@dataclass(frozen=True)
class Context:
    """What a resource is judged against.

    Args:
        tier: the stack's tier.
        settings: the organisation's limits.
        today: the date, for whatever ends.
        siblings: the whole stack; only a rule of scope `stack` gets it.
    """

    tier: Tier = Tier.PROD
    settings: Settings = field(default_factory=Settings)
    today: date = date.min
    siblings: Stack | None = None

    @property
    def stack(self) -> Stack:
        """The whole stack.

        Raises:
            LookupError: in a rule of scope `resource`, which would find it empty.
        """
        if self.siblings is None:
            raise LookupError("this rule looks at the stack: declare it with scope=Scope.STACK")
        return self.siblings


# What a check returns: one sentence for each violation. It raises Undecidable at a value that is not known yet; what it
# has found until then counts.
Check = Callable[[Resource, Context], Iterable[str]]
Example = tuple[Resource, ...]


@dataclass(frozen=True)
class Rule:
    """One policy.

    Args:
        id: its stable number.
        title: what holds when it passes, in a few words.
        severity: how bad a violation is.
        tiers: where a violation stops the deployment; on the others it is advice.
        types: the types of the resources it judges; one that ends in `*` means all that begin so.
        scope: what it has to see.
        fix: what to do about a violation.
        passing, failing: stacks that pass and that do not.
        check: the predicate; its docstring is the policy's message.
    """

    id: str
    title: str
    severity: Severity
    tiers: frozenset[Tier]
    types: tuple[str, ...]
    scope: Scope
    fix: str
    passing: Example
    failing: Example
    check: Check

    @property
    def message(self) -> str:
        """What the rule demands, from the check's docstring."""
        return " ".join((self.check.__doc__ or "").split())

    def judges(self, kind: str) -> bool:
        """Returns whether resources of type `kind` are judged."""
        return any(kind.startswith(one[:-1]) if one.endswith("*") else kind == one for one in self.types)


def rule(
    id: str,
    title: str,
    *,
    severity: Severity,
    fix: str,
    passing: Mapping[str, Any] | Example,
    failing: Mapping[str, Any] | Example,
    tiers: frozenset[Tier] = _EVERYWHERE,
    types: tuple[str, ...] = (MODEL_SERVICE,),
    scope: Scope = Scope.RESOURCE,
) -> Callable[[Check], Rule]:
    """Makes a Rule of the check it decorates; see Rule for the arguments. An example may be one resource's inputs."""

    def example(given: Mapping[str, Any] | Example) -> Example:
        if isinstance(given, tuple):
            return given
        return (Resource(types[0], "example", given),)

    return lambda check: Rule(id, title, severity, tiers, types, scope, fix, example(passing), example(failing), check)
