"""The rules over whole stacks, as a library: what they find, what they leave alone, and what they do not decide."""

import copy
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pulumi_policy import proxy

from policies.judge import Finding, Outcome, all_rules, judge
from policies.resource import Resource
from policies.rule import MODEL_SERVICE, Context, Rule, Scope
from policies.rules.ownership import owner_named
from policies.unknown import UNKNOWN, Undecidable, guarded
from policies.waivers import Waiver
from shipway.contract.environment import Tier
from tests.policies.clean_stack import clean_stack
from tests.policies.mutations import Operator, put
from tests.policies.operators import OPERATORS

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = all_rules()
TODAY = date(2026, 11, 27)
CLEAN_VARIANTS, STACKS, MUTANTS_PER_RULE = 100, 12, 40
UNKNOWN_STRING = proxy.UNKNOWN_STRING_VALUE


@pytest.fixture(scope="module")
def stacks() -> list[list[Resource]]:
    return [clean_stack(seed) for seed in range(STACKS)]


def _name(rule: Rule) -> str:
    return rule.id


def _judge(rule: Rule, stack: list[Resource]) -> list[Finding]:
    # The one rule that is about other stacks than prod's.
    tier = Tier.NONPROD if rule.id == "ML042" else Tier.PROD
    return judge(stack, tier, (), TODAY, rules=[rule])


def _mutants(
    rule: Rule, stacks: list[list[Resource]], draw: random.Random
) -> Iterator[tuple[Operator, list[Resource]]]:
    """Returns clean stacks, each with one resource broken; every operator in turn, on whichever stack it applies to."""
    operators, count, tried = OPERATORS[rule.id], 0, 0
    while count < MUTANTS_PER_RULE and tried < 20 * MUTANTS_PER_RULE:
        operator, stack = operators[tried % len(operators)], draw.choice(stacks)
        tried += 1
        if found := operator.mutants(stack):
            count += 1
            yield operator, operator.apply(stack, draw.choice(found), draw)


def test_every_rule_has_operators() -> None:
    """A rule without a way to break it would be measured by nothing."""
    assert OPERATORS.keys() == {rule.id for rule in RULES}


def test_seeded_misconfigurations_are_found(stacks: list[list[Resource]]) -> None:
    """Of forty broken stacks a rule each one is reported by its rule."""
    survived: list[str] = []
    total = 0
    for rule in RULES:
        for operator, stack in _mutants(rule, stacks, random.Random(rule.id)):
            total += 1
            if not any(found.stops for found in _judge(rule, stack)):
                survived.append(f"{rule.id} {operator.where} {operator.path}")
    assert total >= len(RULES) * MUTANTS_PER_RULE
    assert survived == []


def test_clean_stacks_are_left_alone() -> None:
    """A hundred variants of a stack in which everything is right: no violation, nothing undecided."""
    found = [finding for seed in range(CLEAN_VARIANTS) for finding in judge(clean_stack(seed), None, (), TODAY)]
    assert found == []


def test_misconfigurations_are_the_same_every_time(stacks: list[list[Resource]]) -> None:
    """The seed alone decides what is broken."""
    first, second = (
        [(operator.path, len(stack)) for operator, stack in _mutants(RULES[0], stacks, random.Random("seed"))]
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_an_unknown_value_never_passes(rule: Rule, stacks: list[list[Resource]]) -> None:
    """Wherever a rule can be broken, a value that only `up` knows is undecided or a violation, never silence."""
    draw = random.Random(rule.id)
    passed: list[str] = []
    for operator in OPERATORS[rule.id]:
        if operator.path in ("", "protect"):
            continue
        for stack in stacks:
            for index in operator.mutants(stack)[:1]:
                props = copy.deepcopy(dict(stack[index].props))
                put(props, operator.path, UNKNOWN_STRING, draw)
                if not _judge(rule, [*stack[:index], replace(stack[index], props=props), *stack[index + 1 :]]):
                    passed.append(operator.path)
    assert passed == []


def test_the_sentinels_are_pulumis() -> None:
    """The library knows the same unknown values as the engine's own package."""
    theirs = {value for name, value in vars(proxy).items() if name.startswith("UNKNOWN_") and isinstance(value, str)}
    assert theirs == UNKNOWN


def test_reading_an_unknown_value_names_its_path() -> None:
    """The person reads which property is not known yet."""
    with pytest.raises(Undecidable) as undecided:
        print(guarded({"spec": {"hosts": ["a", UNKNOWN_STRING]}})["spec"]["hosts"][1])
    assert str(undecided.value) == "not decidable yet: spec.hosts.1 is not known before `pulumi up`"


def test_what_holds_nothing_unknown_is_not_copied() -> None:
    """The judgement reads the caller's own mappings."""
    props = {"spec": {"hosts": ["a"]}}
    assert guarded(props) is props


def test_a_finding_says_what_where_and_how_bad() -> None:
    """Everything one needs to print or to stop is in the finding."""
    (found,) = judge(owner_named.failing, None, (), TODAY, rules=[owner_named])
    assert (found.rule, found.severity, found.resource, found.type) == ("ML041", "high", "example", MODEL_SERVICE)
    assert (found.outcome, found.mandatory, found.stops) == (Outcome.VIOLATION, True, True)
    assert found.message == "owner.runbook_url is 'TODO'. Name them under `owner` in model.yaml."


def test_an_unknown_tier_is_the_strictest() -> None:
    """Who does not say where a stack belongs is judged as prod."""
    (rule,) = [rule for rule in RULES if rule.id == "ML012"]
    assert [found.stops for found in judge(rule.failing, None, (), TODAY, rules=[rule])] == [True]
    assert [found.stops for found in judge(rule.failing, Tier.LOCAL, (), TODAY, rules=[rule])] == [False]


def test_a_waived_violation_is_reported_and_stops_nothing() -> None:
    """It is not silently dropped."""
    waiver = Waiver(rule="ML041", resource="example", owner="anna", reason="in transfer", expires=TODAY)
    (found,) = judge(owner_named.failing, None, [waiver], TODAY, rules=[owner_named])
    assert (found.outcome, found.stops) == (Outcome.WAIVED, False)
    assert found.message == "owner.runbook_url is 'TODO'. Waived by anna until 2026-11-27: in transfer"


def test_an_expired_waiver_waives_nothing_and_is_reported() -> None:
    """The violation is back, and the waiver is one more."""
    waiver = Waiver(rule="ML041", resource="example", owner="anna", reason="in transfer", expires=date(2026, 11, 26))
    found = judge(owner_named.failing, Tier.LOCAL, [waiver], TODAY, rules=[owner_named])
    assert [(one.rule, one.stops) for one in found] == [("waivers", True), ("ML041", True)]


def test_a_rule_about_one_resource_sees_no_stack() -> None:
    """A rule that looks at the stack without declaring it is noticed at once: it would find it empty."""
    with pytest.raises(LookupError, match=r"declare it with scope=Scope\.STACK"):
        _ = Context().stack
    assert {rule.scope for rule in RULES} == set(Scope)


def test_a_reference_finds_what_a_name_does_not(stacks: list[list[Resource]]) -> None:
    """At preview a bucket's own name may be unknown: what refers to it by its URN still belongs to it."""
    (rule,) = [rule for rule in RULES if rule.id == "ML027"]
    named = {"aws:s3/bucket:Bucket"}
    linked = [
        replace(one, props={**one.props, "bucket": UNKNOWN_STRING}, references={"bucket": frozenset({"urn:bucket"})})
        if "bucket" in one.props and one.type not in named
        else one
        for one in stacks[0]
    ]
    assert _judge(rule, linked) == []
    unlinked = [replace(one, references={}) for one in linked]
    assert {found.outcome for found in _judge(rule, unlinked)} == {Outcome.UNDECIDED}


def test_the_library_needs_no_engine() -> None:
    """Judging imports neither Pulumi nor gRPC, which would take longer than the judgement."""
    code = (
        "import sys, policies.judge as library; library.all_rules(); "
        "print(sorted({'grpc', 'pulumi', 'pulumi_policy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
