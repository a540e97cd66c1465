"""From rules to Pulumi's policies: which stop a deployment, which advise, and what an unknown value means."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UnknownValueError

from policies.judge import WAIVERS, all_rules, check, waived
from policies.resource import Resource, Stack, at
from policies.rule import PLATFORM, Context, Rule, Scope
from policies.unknown import Undecidable, guarded
from policies.waivers import Waiver, expired, waiver_for
from shipway.contract.environment import Tier

__all__ = ["Seen", "all_rules", "policies"]

_COMPONENTS = "shipway:components:"
_STRICTNESS = (Tier.LOCAL, Tier.NONPROD, Tier.PROD)


@dataclass
class Seen:
    """What the pack has met so far of the stack that it judges: a pack is not told which stack it is.

    The engine starts a pack before it knows the stack, and pulumi_policy drops the configuration that comes later.
    But a component is registered before its children, and Platform and ModelService say the tier among their inputs.

    Args:
        tier: the strictest tier that a component has named; None, before any did, is judged as prod.
        inputs: URN -> inputs; at the end a stack shows outputs only. A component's are few, and an object has none in a
            preview whose cluster is yet to come.
    """

    tier: Tier | None = None
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def note(self, args: ResourceValidationArgs) -> None:
        """Remembers a resource, and the tier that a component names."""
        if args.urn in self.inputs:
            return
        props = self.inputs[args.urn] = _plain(args.props)
        if not args.resource_type.startswith(_COMPONENTS):
            return
        named = at(props, "environment", "tier") if args.resource_type == PLATFORM else at(props, "tier")
        if named in _STRICTNESS:
            self.tier = max(Tier(named), self.tier or Tier(named), key=_STRICTNESS.index)

    def whole(self, one: PolicyResource) -> Mapping[str, Any]:
        """Returns a resource's properties at the end: what came of it, or what it was given where nothing is said."""
        given, come = self.inputs.get(one.urn, {}), _plain(one.props)
        return {**come, **given} if one.resource_type.startswith(_COMPONENTS) else {**given, **come}


def policies(rules: Sequence[Rule], context: Context, waivers: Sequence[Waiver] = ()) -> list[Policy]:
    """Returns Pulumi's policies, whose own levels are fixed before the tier is known.

    Each rule is a mandatory one that is silent where the rule only advises, and where that can be an advisory twin,
    `<id>-advice`, for advice and for what is waived. `waivers` stops a deployment while a waiver has ended.

    Args:
        rules: what is judged.
        context: settings and date; its tier is the stack's own as soon as a component names it.
        waivers: which violations somebody answers for.
    """
    seen, found = Seen(), list[Policy]()
    for rule in rules:
        own = [waiver for waiver in waivers if waiver.rule == rule.id]
        found.append(_policy(rule, context, own, seen, mandatory=True))
        if own or context.settings.tiers(rule.id, rule.tiers) != frozenset(Tier):
            found.append(_policy(rule, context, own, seen, mandatory=False))
    if ended := expired(waivers, context.today):
        found.append(_expired(ended))
    return found


def _policy(rule: Rule, context: Context, waivers: list[Waiver], seen: Seen, *, mandatory: bool) -> Policy:
    def judge(resource: Resource, context: Context, report: ReportViolation) -> str | None:
        """Reports what `rule` finds and returns why it is not decidable, None when it is."""
        stops = context.tier in context.settings.tiers(rule.id, rule.tiers)
        try:
            for violation in check(rule, resource, context):
                waiver = waiver_for(waivers, rule.id, resource.name, context.today)
                if mandatory is (stops and waiver is None):
                    report(waived(violation, waiver) if waiver else f"{violation}. {rule.fix}", resource.urn or None)
        except Undecidable as undecided:
            return f"{undecided.key} ({resource.name})" if mandatory is stops else None
        return None

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        seen.note(args)
        if rule.judges(args.resource_type):
            _refuse_to_pass(rule, [judge(_resource(args, args.props), here(), report)])

    def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        found = [_resource(one, seen.whole(one)) for one in args.resources]
        whole = replace(here(), siblings=Stack(found))
        _refuse_to_pass(rule, [judge(one, whole, report) for one in found if rule.judges(one.type)])

    def here() -> Context:
        return replace(context, tier=seen.tier or context.tier)

    described: dict[str, Any] = {
        "name": rule.id if mandatory else f"{rule.id}-advice",
        "description": f"{rule.title}: {rule.message}",
        "enforcement_level": EnforcementLevel.MANDATORY if mandatory else EnforcementLevel.ADVISORY,
        "severity": Severity(rule.severity),
        "display_name": rule.title,
        "remediation_steps": rule.fix,
    }
    if rule.scope is Scope.STACK:
        return StackValidationPolicy(validate=validate_stack, **described)
    return ResourceValidationPolicy(validate=validate, **described)


def _refuse_to_pass(rule: Rule, undecided: Iterable[str | None]) -> None:
    """Makes Pulumi say "can't run policy during preview" of what is not decidable: a pass would be a lie."""
    if found := [each for each in undecided if each]:
        raise UnknownValueError(UNKNOWN_OBJECT_VALUE, [rule.id, "; ".join(found)])


def _expired(ended: list[str]) -> Policy:
    def validate(_args: StackValidationArgs, report: ReportViolation) -> None:
        for sentence in ended:
            report(sentence, None)

    return StackValidationPolicy(
        name=WAIVERS,
        description="waivers end: a waiver of policies/waivers.yaml holds until the day it expires.",
        validate=validate,
        enforcement_level=EnforcementLevel.MANDATORY,
        severity=Severity.HIGH,
    )


def _resource(args: ResourceValidationArgs | PolicyResource, props: Mapping[str, Any]) -> Resource:
    depends: Mapping[str, list[PolicyResource]] = getattr(args, "property_dependencies", {})
    return Resource(
        args.resource_type,
        args.name,
        guarded(_plain(props)),
        args.urn,
        bool(args.opts.protect),
        {key: frozenset(one.urn for one in ones) for key, ones in depends.items()},
    )


def _plain(value: Any) -> Any:
    """Returns what Pulumi's proxies hold, unknown values as they came: they are judged by one mechanism, `guarded`."""
    if isinstance(value, Mapping):
        held = _held(cast(Mapping[str, Any], value))
        return {key: _plain(held[key]) for key in held}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in _held(cast(Sequence[Any], value))]
    return value


def _held(proxy: Any) -> Any:
    return proxy["__target"] if type(proxy).__name__ in ("_DictProxy", "_ListProxy") else proxy
