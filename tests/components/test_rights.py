"""What AWS lets each part do: named actions on named resources, each with somebody who needs it."""

import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.contract.environment import Target
from shipway.contract.stack import load_stack
from tests.components.conftest import REPOSITORY
from tests.components.recorded import STACKS, RecordedStack, recorded_stacks

# Actions for which AWS knows no resource ("Actions, resources, and condition keys for AWS services", the column
# Resource types is empty): their statements can only say `*`.
WITHOUT_RESOURCE: Mapping[str, str] = {
    r"autoscaling:Describe\w+": "lists of groups and of what happened to them",
    r"ce:GetCostAndUsage": "costs belong to the account",
    r"ec2:Describe\w+": "lists of everything in a region",
    r"ec2:GetSpotPlacementScores": "chances of a region",
    r"ecr:GetAuthorizationToken": "one token for every repository of the account",
    r"elasticloadbalancing:Describe\w+": "lists of balancers and what belongs to them",
    r"pricing:GetProducts": "prices are everybody's",
    r"route53:ListHostedZones(ByName)?": "the list of zones",
    r"secretsmanager:GetRandomPassword": "it makes a text and stores none",
    r"sts:GetCallerIdentity": "who one is",
    r"(acm|iam|wafv2|shield|tag|ssm|cloudwatch|logs|servicequotas):(Describe|List)\w+": "lists of the account",
}
POLICIES = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy")
CLOUDS = [name for name in STACKS if load_stack(REPOSITORY, name).environment.target is Target.AWS]


def grants() -> Sequence[Any]:
    """Returns the table of rights of the cloud's parts; none where there is no cloud."""
    if importlib.util.find_spec("components.aws") is None:
        return ()
    return importlib.import_module("components.aws.grants").GRANTS


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RecordedStack]]:
    """Returns what registers a stack by its name."""
    with recorded_stacks(tmp_path_factory.mktemp("stacks")) as found:
        yield found


def documents(stack: RecordedStack) -> Iterator[tuple[str, Any]]:
    """Yields the policies of identities: which part's, and the document."""
    for one in stack.registrations:
        if one.type in POLICIES:
            yield one.inputs.get("name", one.name), one.inputs["policy"]
        elif one.type == "aws:iam/role:Role":
            yield from ((inline["name"], inline["policy"]) for inline in one.inputs.get("inlinePolicies", ()))


def wrong(part: str, document: Any, allowed: Mapping[str, set[str]]) -> list[str]:
    """Returns what is wrong with a policy.

    Args:
        part: whose it is.
        document: the policy, as text or as a mapping.
        allowed: part -> the actions that the table gives to it.
    """
    found: list[str] = []
    statements = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    for statement in [statements] if isinstance(statements, Mapping) else statements:
        if {"NotAction", "NotResource"} & set(statement):
            found.append(f"{part}: allows all but what it names")
            continue
        actions, resources = _texts(statement.get("Action")), _texts(statement.get("Resource"))
        found += [f"{part}: {action} has a wildcard" for action in actions if "*" in action or "?" in action]
        rows = allowed.get(part, ())
        found += [f"{part}: {action} is in no row of the part" for action in actions if action not in rows]
        if "*" in resources:
            named = [action for action in actions if not any(re.fullmatch(form, action) for form in WITHOUT_RESOURCE)]
            found += [f"{part}: {action} on every resource, expected named ones" for action in named]
    return found


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


@pytest.mark.parametrize("stack", CLOUDS)
def test_a_role_holds_its_parts_rows_and_nothing_else(recorded: Callable[[str], RecordedStack], stack: str) -> None:
    """Every statement that the program registers follows from the table, without a wildcard."""
    allowed: dict[str, set[str]] = {}
    for grant in grants():
        allowed.setdefault(grant.part, set()).update(grant.actions)
    assert [problem for part, text in documents(recorded(stack)) for problem in wrong(part, text, allowed)] == []


def test_every_right_has_a_part_that_uses_it(recorded: Callable[[str], RecordedStack], tmp_path: Path) -> None:
    """No row is left over from a part that is gone, and each says what the part does with it."""
    used = {part for stack in CLOUDS for part, _ in documents(recorded(stack))}
    with recorded_stacks(tmp_path) as changed:
        for stack in [name for name in CLOUDS if load_stack(REPOSITORY, name).holds_platform][:1]:
            # The other way to get nodes, which no example takes.
            path = tmp_path / "project" / "stacks" / f"Pulumi.{stack}.yaml"
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            document["config"]["shipway:environment"]["aws"]["autoscaler"] = "karpenter"
            path.write_text(yaml.safe_dump(document), encoding="utf-8")
            used |= {part for part, _ in documents(changed(stack))}
    assert {grant.part for grant in grants()} == used
    assert [grant for grant in grants() if not re.search(r"\w+ \w+", grant.why)] == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::models/*"}, "store: s3:* has a wildcard"),
        ({"Action": ["s3:GetObject"], "Resource": "*"}, "store: s3:GetObject on every resource, expected named ones"),
        ({"Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::m"}, "store: s3:PutObject is in no row of the part"),
        ({"NotAction": "iam:*", "Resource": "*"}, "store: allows all but what it names"),
    ],
)
def test_what_is_too_much_is_seen(statement: Mapping[str, Any], why: str) -> None:
    """Each kind of too large a right is named, with its part and its action."""
    document = json.dumps({"Statement": [{"Effect": "Allow", **statement}]})
    assert why in wrong("store", document, {"store": {"s3:GetObject", "s3:*"}})


def test_what_is_right_passes() -> None:
    """Named actions on a named resource, and a list for which AWS knows none."""
    named = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::models/*"]}
    listed = {"Effect": "Allow", "Action": ["ec2:DescribeInstances"], "Resource": "*"}
    allowed = {"store": {"s3:GetObject", "ec2:DescribeInstances"}}
    assert wrong("store", {"Statement": [named, listed]}, allowed) == []
