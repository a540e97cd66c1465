"""Each rule against its own examples, the rules against real model files, and the pack as Pulumi sees it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import (
    EnforcementLevel,
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from policies.judge import Outcome, judge
from policies.pack import Seen, all_rules, policies
from policies.resource import Resource
from policies.rule import MODEL_SERVICE, PLATFORM, Context, Rule
from policies.rules.availability import replicated
from policies.rules.ownership import owner_named
from policies.rules.registry import images_immutable
from policies.rules.resources import resources_declared
from policies.rules.rollout import guardrails_declared
from policies.settings import Settings
from policies.waivers import Waiver
from shipway.contract.environment import Tier
from shipway.contract.layout import services
from shipway.contract.model import load_model

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = all_rules()
TODAY = date(2026, 11, 27)


def _name(rule: Rule) -> str:
    return rule.id


def _tier(rule: Rule) -> Tier:
    """Returns the strictest tier on which a rule is mandatory."""
    return next(tier for tier in (Tier.PROD, Tier.NONPROD, Tier.LOCAL) if tier in rule.tiers)


def _messages(rule: Rule, stack: Sequence[Resource]) -> list[str]:
    return [found.message for found in judge(stack, _tier(rule), (), TODAY, rules=[rule])]


def _model(rule: Rule, **changes: Any) -> list[str]:
    """Returns what a rule says of its passing example with other values in the model."""
    model = rule.passing[0].props["model"]
    broken = {key: {**model[key], **changed} for key, changed in changes.items()}
    found = _messages(rule, [Resource(MODEL_SERVICE, "pricing", {"model": {**model, **broken}})])
    return [message.removesuffix(f". {rule.fix}") for message in found]


def _waiver(resource: str, expires: date) -> Waiver:
    return Waiver(rule="ML041", resource=resource, owner="anna@example.com", reason="in transfer", expires=expires)


@dataclass
class Served:
    """What one policy of the pack reports when it is run as Pulumi's analyzer runs it."""

    reported: list[str] = field(default_factory=list[str])

    def run(self, name: str, stack: Sequence[Resource], rule: Rule, context: Context, *waivers: Waiver) -> list[str]:
        """Judges a stack and returns what is reported; Pulumi's own exception passes through."""
        (policy,) = [policy for policy in policies([rule], context, waivers) if policy.name == name]
        options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
        found: list[PolicyResource] = []
        for one in stack:
            props = unknown_checking_proxy(dict(one.props))
            if isinstance(policy, ResourceValidationPolicy):
                args = ResourceValidationArgs(one.type, props, "urn", one.name, options, None, {}, {})
                policy.validate(args, self._report)
            found.append(PolicyResource(one.type, props, f"urn:{one.name}", one.name, options, None, None, [], {}))
        if isinstance(policy, StackValidationPolicy):
            policy.validate(StackValidationArgs(found), self._report)
        return self.reported

    def _report(self, message: str, _urn: str | None = None) -> None:
        self.reported.append(message)


def test_the_pack_holds_the_published_rules() -> None:
    """The numbers are ML001 to ML044, each once."""
    assert [rule.id for rule in RULES] == [f"ML{number:03}" for number in range(1, 45)]


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_passes_its_passing_example(rule: Rule) -> None:
    """What the rule shows as right is right."""
    assert _messages(rule, rule.passing) == []


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_reports_its_failing_example_once(rule: Rule) -> None:
    """What the rule shows as wrong is found, as a value and not as an exception."""
    (found,) = judge(rule.failing, _tier(rule), (), TODAY, rules=[rule])
    assert (found.rule, found.outcome, found.stops) == (rule.id, Outcome.VIOLATION, True)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_says_what_it_demands_and_what_to_do(rule: Rule) -> None:
    """Title, message and fix are whole sentences for the person who is stopped, and fit a table."""
    assert rule.title
    assert rule.message.endswith(".")
    assert rule.fix.endswith(".")
    assert "|" not in rule.title + rule.message + rule.fix


@pytest.mark.parametrize("folder", services(REPOSITORY), ids=lambda folder: folder.name)
@pytest.mark.parametrize("tier", Tier)
def test_the_services_of_this_repository_pass(folder: Path, tier: Tier) -> None:
    """What the project ships obeys its own rules; the registry's record and other inputs that it lacks are named."""
    model = load_model(folder / "model.yaml").model_dump(mode="json")
    props = {"tier": str(tier), "model": model, "release": {"blue": "", "green": ""}, "live_changes": []}
    found = judge([Resource(MODEL_SERVICE, folder.name, props)], tier, (), TODAY)
    assert [one.message for one in found if one.outcome is not Outcome.UNDECIDED] == []
    undecided = {one.rule for one in found}
    assert undecided <= {"ML028", "ML030", "ML034", "ML035"}


@pytest.mark.parametrize(
    ("mutability", "filters", "expected"),
    [
        ("IMMUTABLE", [], []),
        ("IMMUTABLE_WITH_EXCLUSION", ["sha256-*"], []),
        ("IMMUTABLE_WITH_EXCLUSION", [], ["imageTagMutabilityExclusionFilters are [], expected 'sha256-*' alone"]),
        (
            "IMMUTABLE_WITH_EXCLUSION",
            ["sha256-*", "bundle-*"],
            ["imageTagMutabilityExclusionFilters are ['sha256-*', 'bundle-*'], expected 'sha256-*' alone"],
        ),
        (
            "MUTABLE_WITH_EXCLUSION",
            ["sha256-*"],
            ["imageTagMutability is 'MUTABLE_WITH_EXCLUSION', expected 'IMMUTABLE'"],
        ),
    ],
)
def test_signatures_alone_may_be_written_again(mutability: str, filters: list[str], expected: list[str]) -> None:
    """A key is changed by signing anew, under the same tag; no tag of an image ever moves."""
    repository, lifecycle = images_immutable.passing
    excluded = [{"filter": one, "filterType": "WILDCARD"} for one in filters]
    changed = {"imageTagMutability": mutability, "imageTagMutabilityExclusionFilters": excluded}
    stack = [replace(repository, props={**repository.props, **changed}), lifecycle]
    found = _messages(images_immutable, stack)
    assert [message.removesuffix(f". {images_immutable.fix}") for message in found] == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("team", " TBD ", "owner.team is ' TBD '"),
        ("escalation", "nobody", "owner.escalation is 'nobody'"),
        ("runbook_url", "wiki", "owner.runbook_url is 'wiki', which is no web address"),
    ],
)
def test_a_placeholder_is_no_owner(field: str, value: str, expected: str) -> None:
    """A name that nobody answers to is a violation, and is shown."""
    assert _model(owner_named, owner={field: value}) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cpu_millicores": 0}, "resources.cpu_millicores is 0"),
        ({"memory_mib": None}, "resources.memory_mib is None"),
        ({"gpu_type": "h200"}, "resources.gpu_type is 'h200' with 0 gpus"),
    ],
)
def test_a_resource_left_out_is_reported(change: dict[str, Any], expected: str) -> None:
    """Each missing quantity is named with what was found."""
    assert _model(resources_declared, resources=change) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"harm_budget_ratio": 0.2}, "rollout.harm_budget_ratio is 0.2, above 0.05"),
        ({"max_step_seconds": 1e9}, "rollout.max_step_seconds is 1000000000.0, above 86400"),
        ({"steps_percent": [100]}, "rollout.steps_percent is [100], with no step before all traffic"),
        ({"gates": {"errors": "off"}}, "rollout.gates.errors is 'off', expected rollback"),
        ({"gates": {"sample_ratio": "off"}}, "rollout.gates.sample_ratio is 'off', expected pause"),
    ],
)
def test_a_guardrail_that_cannot_fire_is_reported(change: dict[str, Any], expected: str) -> None:
    """A limit so wide that no version breaks it counts as none."""
    assert _model(guardrails_declared, rollout=change) == [expected]


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_the_pack_reports_a_violation_with_its_fix(rule: Rule) -> None:
    """The person who is stopped reads what is wrong and what to do, whichever kind of policy it is."""
    (reported,) = Served().run(rule.id, rule.failing, rule, Context(_tier(rule), today=TODAY))
    assert reported.endswith(rule.fix)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_leaves_other_resources_alone(rule: Rule) -> None:
    """A resource of another type is not judged."""
    stack = [Resource("pulumi:pulumi:Stack", "stack", dict(one.props)) for one in rule.failing]
    assert Served().run(rule.id, stack, rule, Context(today=TODAY)) == []


def test_every_rule_is_mandatory_and_some_advise() -> None:
    """A rule that is mandatory everywhere has no advisory twin; every other has one, for the tiers that are not its."""
    found = {policy.name: policy.enforcement_level for policy in policies(RULES, Context())}
    assert found == {rule.id: EnforcementLevel.MANDATORY for rule in RULES} | {
        f"{rule.id}-advice": EnforcementLevel.ADVISORY for rule in RULES if rule.tiers != frozenset(Tier)
    }


@pytest.mark.parametrize(
    ("tier", "name"), [(Tier.PROD, "ML012"), (Tier.NONPROD, "ML012-advice"), (Tier.LOCAL, "ML012-advice")]
)
def test_a_violation_is_reported_once_on_each_tier(tier: Tier, name: str) -> None:
    """By the mandatory policy where the rule stops, else by its twin."""
    found = {
        each: len(Served().run(each, replicated.failing, replicated, Context(tier, today=TODAY)))
        for each in ("ML012", "ML012-advice")
    }
    assert found == {"ML012": 0, "ML012-advice": 0} | {name: 1}


def test_the_tier_is_the_strictest_that_a_component_names() -> None:
    """Platform and ModelService say it; before any did, and when one says nonsense, the stack is prod's."""
    seen = Seen()
    options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    told: list[Tier | None] = []
    for number, (kind, props) in enumerate(
        [
            ("aws:s3/bucket:Bucket", {"tier": "local"}),
            (MODEL_SERVICE, {"tier": "laptop"}),
            (MODEL_SERVICE, {"tier": UNKNOWN_STRING_VALUE}),
            (PLATFORM, {"environment": {"tier": "local"}}),
            (MODEL_SERVICE, {"tier": "nonprod"}),
            (MODEL_SERVICE, {"tier": "local"}),
        ]
    ):
        proxied = unknown_checking_proxy(dict(props))
        seen.note(ResourceValidationArgs(kind, proxied, f"urn:{number}", "x", options, None, {}, {}))
        told.append(seen.tier)
    assert told == [None, None, None, Tier.LOCAL, Tier.NONPROD, Tier.NONPROD]


def test_an_object_of_a_cluster_to_come_is_judged_by_what_it_is_given() -> None:
    """The engine knows no outputs of it at the end of a preview, which is no missing NetworkPolicy."""
    seen, options = Seen(), PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    given = {"metadata": {"name": "models"}, "spec": {"podSelector": {}}}
    kind = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    seen.note(ResourceValidationArgs(kind, unknown_checking_proxy(dict(given)), "urn", "x", options, None, {}, {}))

    def at_the_end(**come: Any) -> PolicyResource:
        return PolicyResource(kind, unknown_checking_proxy(come), "urn", "x", options, None, None, [], {})

    assert seen.whole(at_the_end()) == given
    assert seen.whole(at_the_end(spec={"podSelector": None})) == {**given, "spec": {"podSelector": None}}


def test_a_setting_moves_where_a_rule_stops() -> None:
    """An organisation that wants two replicas in staging too says so; the other rules stay as they are."""
    settings = Settings(mandatory_on={"ML012": (Tier.NONPROD, Tier.PROD)})
    for chosen, count in ((Settings(), 0), (settings, 1)):
        context = Context(Tier.NONPROD, chosen, TODAY)
        assert len(Served().run("ML012", replicated.failing, replicated, context)) == count
    found = judge(replicated.failing, Tier.NONPROD, (), TODAY, settings=settings, rules=[replicated])
    assert [one.stops for one in found] == [True]


def test_an_unknown_value_is_no_pass() -> None:
    """A value that only `up` knows stops the judgement instead of passing it, and is named with its resource."""
    stack = [Resource(MODEL_SERVICE, "pricing", {"release": {"blue": UNKNOWN_STRING_VALUE, "green": ""}})]
    rule = next(rule for rule in RULES if rule.id == "ML006")
    with pytest.raises(UnknownValueError) as undecided:
        Served().run("ML006", stack, rule, Context())
    assert undecided.value.message == (
        "Object value at .ML006.release.blue is not known before `pulumi up` (pricing) can't be known during preview"
    )


def test_a_missing_input_is_no_pass() -> None:
    """Without route state the rule says so, and the pack hands it on as not decidable."""
    rule = next(rule for rule in RULES if rule.id == "ML043")
    with pytest.raises(UnknownValueError) as undecided:
        Served().run("ML043", [Resource(MODEL_SERVICE, "pricing", {"tier": "local"})], rule, Context())
    assert "live_changes is not among the inputs" in undecided.value.message


def test_nothing_released_is_nothing_to_watch() -> None:
    """A model's first commit holds no bundle: whether it will be watched is decided when one is released."""
    rule = next(rule for rule in RULES if rule.id == "ML030")
    for blue, expected in (("", Outcome.UNDECIDED), (f"sha256:{'a' * 64}", Outcome.VIOLATION)):
        props = {"model": {"drift": {"enabled": True}}, "release": {"blue": blue, "green": ""}}
        found = judge([Resource(MODEL_SERVICE, "pricing", props)], Tier.PROD, (), TODAY, rules=[rule])
        assert {one.outcome for one in found} == {expected}


def test_one_undecidable_resource_hides_no_violation_of_another() -> None:
    """Every resource of a stack is judged before the rule says that it could not judge them all."""
    stack = [Resource("kubernetes:apps/v1:Deployment", "late", {"spec": UNKNOWN_STRING_VALUE}), *replicated.failing]
    found = judge(stack, Tier.PROD, (), TODAY, rules=[replicated])
    assert [one.outcome for one in found] == [Outcome.UNDECIDED, Outcome.VIOLATION]
    served = Served()
    with pytest.raises(UnknownValueError) as undecided:
        served.run("ML012", stack, replicated, Context(today=TODAY))
    assert "(late)" in undecided.value.message
    assert len(served.reported) == 1


def test_a_waived_violation_is_advice_with_owner_and_date() -> None:
    """The mandatory policy is silent, its advisory twin says who answers for it and until when."""
    waiver = _waiver("ex*", date(2027, 1, 1))
    context = Context(Tier.PROD, today=TODAY)
    levels = {policy.name: policy.enforcement_level for policy in policies([owner_named], context, [waiver])}
    assert levels == {"ML041": EnforcementLevel.MANDATORY, "ML041-advice": EnforcementLevel.ADVISORY}
    assert Served().run("ML041", owner_named.failing, owner_named, context, waiver) == []
    assert Served().run("ML041-advice", owner_named.failing, owner_named, context, waiver) == [
        "owner.runbook_url is 'TODO'. Waived by anna@example.com until 2027-01-01: in transfer"
    ]


def test_an_expired_waiver_stops_the_deployment() -> None:
    """It waives nothing any more, and is a violation itself."""
    waiver = _waiver("*", date(2026, 1, 1))
    context = Context(Tier.PROD, today=TODAY)
    assert len(Served().run("ML041", owner_named.failing, owner_named, context, waiver)) == 1
    (ended,) = [policy for policy in policies([owner_named], context, [waiver]) if policy.name == "waivers"]
    reported: list[str] = []
    ended.validate(StackValidationArgs([]), lambda message, _urn: reported.append(message))  # pyright: ignore
    assert reported == [
        "waiver of ML041 for '*': expires is 2026-01-01, expected 2026-11-27 or later; anna@example.com fixes the "
        "violation or renews the waiver"
    ]
    assert ended.enforcement_level is EnforcementLevel.MANDATORY
