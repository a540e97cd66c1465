"""Each rule against its own examples, the rules against real model files, and the pack as Pulumi sees it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import EnforcementLevel, PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from policies.pack import all_rules, policies
from policies.rule import MODEL_SERVICE, Rule
from policies.rules.ownership import owner_named
from policies.rules.resources import resources_declared
from policies.rules.rollout import guardrails_declared, live_slot_unchanged
from shipway.contract.environment import Tier
from shipway.contract.layout import services
from shipway.contract.model import load_model

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = all_rules()


def _name(rule: Rule) -> str:
    return rule.id


def _validate(
    name: str, props: dict[str, Any], resource_type: str = MODEL_SERVICE, rules: Sequence[Rule] = RULES
) -> list[str]:
    """Runs one policy of the pack as Pulumi's analyzer does and returns what it reports."""
    (policy,) = [policy for policy in policies(rules) if policy.name == name]
    options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    args = ResourceValidationArgs(resource_type, unknown_checking_proxy(props), "urn", "name", options, None, {}, {})
    reported: list[str] = []
    policy.validate(args, lambda message, _urn: reported.append(message))
    return reported


def test_the_pack_holds_the_rules_that_apply_locally() -> None:
    """The numbers are the published ones, each once."""
    assert [rule.id for rule in RULES] == ["ML004", "ML006", "ML031", "ML041", "ML043"]


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_passes_its_passing_example(rule: Rule) -> None:
    """What the rule shows as right is right."""
    assert rule.check(rule.passing) == []


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_reports_its_failing_example_once(rule: Rule) -> None:
    """What the rule shows as wrong is found, as a value and not as an exception."""
    assert len(rule.check(rule.failing) or []) == 1


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_says_what_it_demands_and_what_to_do(rule: Rule) -> None:
    """Title, message and fix are whole sentences for the person who is stopped."""
    assert rule.title
    assert rule.message.endswith(".")
    assert rule.fix.endswith(".")


@pytest.mark.parametrize("folder", services(REPOSITORY), ids=lambda folder: folder.name)
def test_the_services_of_this_repository_pass(folder: Path) -> None:
    """What the project ships obeys its own rules."""
    model = load_model(folder / "model.yaml").model_dump(mode="json")
    props = {"model": model, "release": {"blue": "", "green": ""}, "live_changes": []}
    assert [found for rule in RULES for found in rule.check(props) or []] == []


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
    owner = {**owner_named.passing["model"]["owner"], field: value}
    assert owner_named.check({"model": {"owner": owner}}) == [expected]


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
    resources = {**resources_declared.passing["model"]["resources"], **change}
    assert resources_declared.check({"model": {"resources": resources}}) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"harm_budget_ratio": 0.2}, "rollout.harm_budget_ratio is 0.2, above 0.05"),
        ({"max_step_seconds": 1e9}, "rollout.max_step_seconds is 1000000000.0, above 86400"),
        ({"steps_percent": [100]}, "rollout.steps_percent is [100], with no step before all traffic"),
        ({"gates": {"errors": "off"}}, "rollout.gates.errors is 'off', expected rollback"),
    ],
)
def test_a_guardrail_that_cannot_fire_is_reported(change: dict[str, Any], expected: str) -> None:
    """A limit so wide that no version breaks it counts as none."""
    model = guardrails_declared.passing["model"]
    assert guardrails_declared.check({"model": {**model, "rollout": {**model["rollout"], **change}}}) == [expected]


def test_an_undecided_live_slot_is_no_pass() -> None:
    """Without route state the rule says so, and the pack hands it on as not decidable."""
    assert live_slot_unchanged.check({}) is None
    with pytest.raises(UnknownValueError) as undecided:
        _validate("ML043", {"tier": "local"})
    assert undecided.value.message == "Object value at .ML043 can't be known during preview"


def test_an_unknown_value_is_no_pass() -> None:
    """A value that only `up` knows stops the judgement instead of passing it."""
    with pytest.raises(UnknownValueError) as undecided:
        _validate("ML006", {"tier": "prod", "release": {"blue": UNKNOWN_STRING_VALUE, "green": ""}})
    assert undecided.value.message == "string value at .release.blue can't be known during preview"


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_the_pack_reports_a_violation_with_its_fix(rule: Rule) -> None:
    """The person who is stopped reads what is wrong and what to do."""
    (reported,) = _validate(rule.id, {"tier": "local", **rule.failing})
    assert reported.endswith(rule.fix)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_leaves_other_resources_alone(rule: Rule) -> None:
    """A resource of another type is not judged."""
    assert _validate(rule.id, {"tier": "local", **rule.failing}, "pulumi:pulumi:Stack") == []


def test_every_rule_stops_a_deployment_on_its_tiers() -> None:
    """The five rules are mandatory everywhere: none has an advisory twin."""
    found = {policy.name: policy.enforcement_level for policy in policies(RULES)}
    assert found == dict.fromkeys((rule.id for rule in RULES), EnforcementLevel.MANDATORY)


def test_a_rule_advises_outside_its_tiers() -> None:
    """A rule that is mandatory in prod alone reports elsewhere without stopping."""
    rule = dataclasses.replace(owner_named, tiers=frozenset({Tier.PROD}))
    mandatory, advice = policies([rule])
    assert (mandatory.enforcement_level, advice.enforcement_level, advice.name) == (
        EnforcementLevel.MANDATORY,
        EnforcementLevel.ADVISORY,
        "ML041-advice",
    )
    assert _validate("ML041", {"tier": "local", **rule.failing}, rules=[rule]) == []
    assert len(_validate("ML041-advice", {"tier": "local", **rule.failing}, rules=[rule])) == 1
