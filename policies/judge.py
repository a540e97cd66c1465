"""The rules as a library: what they find in a list of resources, without engine or CLI."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cache

import policies.rules as families
from policies.resource import Resource, Stack
from policies.rule import Context, Rule, Scope, Severity
from policies.settings import Settings
from policies.unknown import Undecidable, guarded
from policies.waivers import Waiver, expired, waiver_for
from shipway.contract.environment import Tier

__all__ = ["WAIVERS", "Finding", "Outcome", "all_rules", "check", "judge", "waived"]

# What a finding about a waiver itself is filed under.
WAIVERS = "waivers"


class Outcome(StrEnum):
    """How a judgement that is no pass ends."""

    VIOLATION = "violation"
    WAIVED = "waived"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """What one rule says about one resource.

    Args:
        rule: the rule's id, or `waivers`.
        severity: how bad it is.
        resource, type: whom it is about.
        outcome: what was found.
        mandatory: whether the rule stops a deployment on this tier.
        message: one sentence, with what to do.
    """

    rule: str
    severity: Severity
    resource: str
    type: str
    outcome: Outcome
    mandatory: bool
    message: str

    @property
    def stops(self) -> bool:
        """Whether it stops the deployment."""
        return self.mandatory and self.outcome is Outcome.VIOLATION


@cache
def all_rules() -> tuple[Rule, ...]:
    """Returns every rule of every module in `policies/rules`, by id."""
    modules = (
        importlib.import_module(f"policies.rules.{found.name}") for found in pkgutil.iter_modules(families.__path__)
    )
    return tuple(
        sorted(
            (value for module in modules for value in vars(module).values() if isinstance(value, Rule)),
            key=lambda rule: rule.id,
        )
    )


def judge(
    resources: Iterable[Resource],
    tier: Tier | None,
    waivers: Sequence[Waiver],
    today: date,
    *,
    settings: Settings | None = None,
    rules: Sequence[Rule] | None = None,
) -> list[Finding]:
    """Returns what the rules find in a stack's resources; a rule that passes says nothing.

    Args:
        resources: the stack, as inputs or as outputs.
        tier: the stack's tier; None, when it cannot be told, is judged as prod.
        waivers: which violations somebody answers for.
        today: decides which waivers and environments have ended.
        settings: the organisation's limits, the defaults when left out.
        rules: all of them when left out.
    """
    judged = all_rules() if rules is None else rules
    tier, settings = tier or Tier.PROD, settings or Settings()
    # Only a resource that holds an unknown value is wrapped; all others are read as they are.
    known = [
        resource if (props := guarded(resource.props)) is resource.props else replace(resource, props=props)
        for resource in resources
    ]
    alone = Context(tier, settings, today)
    whole = replace(alone, siblings=Stack(known))
    by_type: dict[str, list[Rule]] = {}
    mandatory = {rule.id: tier in settings.tiers(rule.id, rule.tiers) for rule in judged}
    held = _by_rule(waivers)
    found = [
        Finding(WAIVERS, Severity.HIGH, "", "", Outcome.VIOLATION, True, sentence)
        for sentence in expired(waivers, today)
    ]
    for resource in known:
        concerned = by_type.get(resource.type)
        if concerned is None:
            concerned = by_type[resource.type] = [rule for rule in judged if rule.judges(resource.type)]
        for rule in concerned:
            context = whole if rule.scope is Scope.STACK else alone
            _judge_one(rule, resource, context, held.get(rule.id, ()), mandatory[rule.id], found)
    return found


def _judge_one(
    rule: Rule,
    resource: Resource,
    context: Context,
    waivers: Sequence[Waiver],
    mandatory: bool,
    found: list[Finding],
) -> None:
    def add(outcome: Outcome, message: str) -> None:
        found.append(Finding(rule.id, rule.severity, resource.name, resource.type, outcome, mandatory, message))

    try:
        for violation in check(rule, resource, context):
            waiver = waiver_for(waivers, rule.id, resource.name, context.today)
            if waiver is None:
                add(Outcome.VIOLATION, f"{violation}. {rule.fix}")
            else:
                add(Outcome.WAIVED, waived(violation, waiver))
    except Undecidable as undecided:
        add(Outcome.UNDECIDED, str(undecided))


def check(rule: Rule, resource: Resource, context: Context) -> Iterator[str]:
    """Returns one sentence for each violation.

    Raises:
        Undecidable: at what is not known yet, and at what the rule needs and the resource lacks.
    """
    try:
        yield from rule.check(resource, context)
    except KeyError as missing:
        raise Undecidable(f"{missing.args[0]} is not among the inputs") from None


def waived(violation: str, waiver: Waiver) -> str:
    """Returns what is said of a violation that somebody answers for."""
    return f"{violation}. Waived by {waiver.owner} until {waiver.expires}: {waiver.reason}"


def _by_rule(waivers: Sequence[Waiver]) -> Mapping[str, list[Waiver]]:
    found: dict[str, list[Waiver]] = {}
    for waiver in waivers:
        found.setdefault(waiver.rule, []).append(waiver)
    return found
