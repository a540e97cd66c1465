"""From rules to Pulumi's policies: which stop a deployment, which advise, and what an unknown value means."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
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

from policies.judge import WAIVERS, all_rules, waived
from policies.resource import Resource, Stack
from policies.rule import Context, Rule, Scope
from policies.unknown import Undecidable, guarded
from policies.waivers import Waiver, expired, waiver_for

__all__ = ["all_rules", "policies"]

# Reports one violation of a resource, given its URN.
Report = Callable[[str, str | None], None]


def policies(rules: Sequence[Rule], context: Context, waivers: Sequence[Waiver] = ()) -> list[Policy]:
    """Returns Pulumi's policies for a stack of the context's tier: one a rule, mandatory or advisory.

    A rule with waivers has an advisory twin, `<id>-waived`, which reports what is waived; `waivers` stops a deployment
    while one of them has ended.
    """
    found: list[Policy] = []
    for rule in rules:
        mandatory = context.tier in context.settings.tiers(rule.id, rule.tiers)
        own = [waiver for waiver in waivers if waiver.rule == rule.id]
        level = EnforcementLevel.MANDATORY if mandatory else EnforcementLevel.ADVISORY
        found.append(_policy(rule, rule.id, level, context, own, about_waived=False))
        if own:
            advice = EnforcementLevel.ADVISORY
            found.append(_policy(rule, f"{rule.id}-waived", advice, context, own, about_waived=True))
    if ended := expired(waivers, context.today):
        found.append(_expired(ended))
    return found


def _policy(
    rule: Rule, name: str, level: EnforcementLevel, context: Context, waivers: list[Waiver], *, about_waived: bool
) -> Policy:
    def judge(resource: Resource, context: Context, report: Report) -> str | None:
        """Reports what `rule` finds and returns why it is not decidable, None when it is."""
        try:
            for violation in rule.check(resource, context):
                waiver = waiver_for(waivers, rule.id, resource.name, context.today)
                if (waiver is not None) is about_waived:
                    report(waived(violation, waiver) if waiver else f"{violation}. {rule.fix}", resource.urn or None)
        except Undecidable as undecided:
            return None if about_waived else f"{undecided.key} ({resource.name})"
        return None

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if rule.judges(args.resource_type):
            _refuse_to_pass(rule, [judge(_resource(args), context, report)])

    def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = Stack([_resource(one) for one in args.resources])
        whole = replace(context, siblings=stack)
        _refuse_to_pass(rule, [judge(one, whole, report) for one in stack.resources if rule.judges(one.type)])

    described: dict[str, Any] = {
        "name": name,
        "description": f"{rule.title}: {rule.message}",
        "enforcement_level": level,
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


def _resource(args: ResourceValidationArgs | PolicyResource) -> Resource:
    depends: Mapping[str, list[PolicyResource]] = getattr(args, "property_dependencies", {})
    return Resource(
        args.resource_type,
        args.name,
        guarded(_plain(args.props)),
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
