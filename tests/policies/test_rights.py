"""Which rights are too many, on a cluster and on AWS, and which are not."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from policies.iam import any_of_its_kind
from policies.judge import judge
from policies.resource import Resource
from policies.rules.access import no_star, node_role_minimal
from policies.rules.identity import minimal_rights
from shipway.contract.environment import Tier

RBAC = "kubernetes:rbac.authorization.k8s.io/v1"
ACCOUNT = {"kind": "ServiceAccount", "name": "delivery", "namespace": "models"}
OWNER = {"Action": "s3:GetObject", "Resource": "arn:aws:s3:::models/*"}
PASSED = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


def _rbac(kind: str, props: Mapping[str, Any]) -> list[str]:
    found = judge([Resource(f"{RBAC}:{kind}", "x", props)], Tier.PROD, (), date(2026, 11, 27), rules=[minimal_rights])
    return [one.message.partition(". Name the verbs")[0] for one in found]


def _iam(statement: Mapping[str, Any], *, as_text: bool = True) -> list[str]:
    document = {"Statement": {"Effect": "Allow", **OWNER, **statement}}
    props = {"policy": json.dumps(document) if as_text else document}
    found = judge([Resource("aws:iam/policy:Policy", "x", props)], Tier.PROD, (), date(2026, 11, 27), rules=[no_star])
    return [one.message.partition(". Name the actions")[0].removeprefix("policy statement 0: ") for one in found]


@pytest.mark.parametrize("kind", ["RoleBinding", "ClusterRoleBinding"])
@pytest.mark.parametrize("role", ["view", "edit", "admin"])
@pytest.mark.parametrize("group", ["system:serviceaccounts", "system:serviceaccounts:models", "system:authenticated"])
def test_no_role_is_bound_to_everybody(kind: str, role: str, group: str) -> None:
    """Not even one that only reads, and not within one namespace."""
    subject = {"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}
    found = _rbac(kind, {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [subject]})
    assert f"a subject is {group!r}, expected a service account" in found


def test_a_wide_role_is_for_one_namespace() -> None:
    """`edit` for an account in its namespace is its owner's business; in all of them it reads every secret."""
    for role in ("edit", "admin"):
        props = {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [ACCOUNT]}
        assert _rbac("RoleBinding", props) == []
        assert _rbac("ClusterRoleBinding", props) == [
            f"roleRef.name is {role!r} in every namespace, expected a role of its own, or a RoleBinding"
        ]
    assert (
        _rbac("ClusterRoleBinding", {"roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [ACCOUNT]}) == []
    )


@pytest.mark.parametrize(
    ("resources", "verbs", "said"),
    [
        (["pods/exec"], ["create"], "verbs of pods/exec holds create, by which one runs as others"),
        (["pods/exec"], ["get"], "verbs of pods/exec holds get, by which one runs as others"),
        (["pods", "pods/attach"], ["create"], "verbs of pods/attach holds create, by which one runs as others"),
        (["serviceaccounts/token"], ["create"], "verbs of serviceaccounts/token holds create, by which one runs as"),
        (["nodes/proxy"], ["create"], "verbs of nodes/proxy holds create, by which one runs as others"),
        (["nodes/proxy"], ["get"], "verbs of nodes/proxy holds get, by which one runs as others"),
        (["pods/ephemeralcontainers"], ["patch"], "verbs of pods/ephemeralcontainers holds patch"),
        (["pods/log", "nodes/metrics", "serviceaccounts"], ["get"], None),
        (["pods/exec"], ["list"], None),
    ],
)
def test_nobody_runs_as_others(resources: list[str], verbs: list[str], said: str | None) -> None:
    """Through a command in a pod, a token of an account, or the kubelet."""
    found = _rbac("ClusterRole", {"rules": [{"apiGroups": [""], "resources": resources, "verbs": verbs}]})
    assert len(found) == (said is not None)
    assert all(str(said) in one for one in found)


def test_a_token_of_a_named_account_is_no_others() -> None:
    """What an operator hands to the one account that it works for."""
    rule = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"], "resourceNames": ["mlflow"]}
    assert _rbac("Role", {"rules": [rule]}) == []


@pytest.mark.parametrize(
    ("selector", "all_of_them"),
    [
        ({}, True),
        ({"matchLabels": {}}, True),
        ({"matchLabels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, True),
        ({"matchLabels": {"rbac.example.com/aggregate-to-monitoring": "true"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, False),
    ],
)
def test_no_role_gathers_all_others(selector: Mapping[str, Any], all_of_them: bool) -> None:
    """An aggregated role names the label of those that it gathers."""
    found = _rbac("ClusterRole", {"aggregationRule": {"clusterRoleSelectors": [selector]}, "rules": []})
    assert bool(found) is all_of_them


@pytest.mark.parametrize(
    ("resource", "any_of_them"),
    [
        ("*", True),
        ("arn:*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::*/*", True),
        ("arn:aws:secretsmanager:*:*:secret:*", True),
        ("arn:aws:secretsmanager:eu-west-1:111111111111:secret:*", True),
        ("arn:aws:iam::111111111111:role/*", True),
        ("arn:aws:ec2:*:*:instance/*", True),
        ("arn:aws:sqs:eu-west-1:111111111111:?*", True),
        ("arn:aws:ec2:eu-west-1:111111111111:instance/*", False),
        ("arn:aws:s3:::models/*", False),
        ("arn:aws:secretsmanager:*:*:secret:models/*", False),
        ("arn:aws:logs:eu-west-1:111111111111:log-group:/shipway/*:*", False),
        ("arn:aws:eks:eu-west-1:111111111111:nodegroup/prod/*/*", False),
    ],
)
def test_a_resource_names_something(resource: str, any_of_them: bool) -> None:
    """What is any of its kind is a star by another name; a wildcard within a name is none."""
    assert any_of_its_kind(resource) is any_of_them
    assert bool(_iam({"Action": "s3:DeleteObject", "Resource": resource})) is any_of_them


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    "action",
    [
        "iam:AddUserToGroup",
        "iam:AttachGroupPolicy",
        "iam:PutGroupPolicy",
        "iam:UpdateLoginProfile",
        "IAM:putgrouppolicy",
        "iam:Put*Policy",
        "iam:?ttachGroupPolicy",
        "eks:CreateAccessEntry",
        "eks:AssociateAccessPolicy",
    ],
)
def test_nobody_becomes_somebody_else(action: str, as_text: bool) -> None:
    """Whatever the case and the wildcards, one action or a list, text or mapping."""
    found = [*_iam({"Action": action}, as_text=as_text), *_iam({"Action": [action]}, as_text=as_text)]
    assert sum("by which one becomes another identity" in one for one in found) >= 2


@pytest.mark.parametrize(
    ("action", "wide"),
    [("s3:*Object", True), ("s*:GetObject", True), ("s3:?*", True), ("s3:Get*", False), ("s3:GetObject", False)],
)
def test_actions_are_named(action: str, wide: bool) -> None:
    """An action that begins with a wildcard is any of its service."""
    assert _iam({"Action": action}) == ([f"Action {action!r}, expected named ones"] if wide else [])


@pytest.mark.parametrize("role", ["*-x", "shipway-*", "a?c", "*"])
def test_one_role_is_passed(role: str) -> None:
    """A wildcard anywhere in its name makes it many."""
    resource = f"arn:aws:iam::111111111111:role/{role}"
    found = _iam({"Action": "iam:PassRole", "Resource": resource, "Condition": PASSED})
    assert f"iam:PassRole of {resource}, expected one named role" in found
    assert _iam({"Action": "iam:PassRole", "Resource": "arn:aws:iam::1:role/node", "Condition": PASSED}) == []


def test_no_role_by_its_ending_is_assumed() -> None:
    """Nor any role at all; a role's beginning or its path names some."""
    for role in ("*-x", "*"):
        resource = f"arn:aws:iam::111111111111:role/{role}"
        assert f"sts:AssumeRole of {resource}, expected named roles" in _iam(
            {"Action": "sts:AssumeRole", "Resource": resource}
        )
    for role in ("shipway-reader", "shipway-*", "shipway/*"):
        assert _iam({"Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::111111111111:role/{role}"}) == []


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("rolePolicyAttachment:RolePolicyAttachment", "policyArn"),
        ("rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive", "policyArns"),
        ("role:Role", "managedPolicyArns"),
    ],
)
@pytest.mark.parametrize("name", ["job-function/SystemAdministrator", "SecretsManagerReadWrite", "IAMFullAccess"])
def test_policies_of_whole_services_are_not_attached(kind: str, key: str, name: str) -> None:
    """Those for people's jobs and the one that reads every secret, by whatever resource they are attached."""
    arn = f"arn:aws:iam::aws:policy/{name}"
    resource = Resource(f"aws:iam/{kind}", "x", {key: arn if key == "policyArn" else [arn]})
    (found,) = judge([resource], Tier.PROD, (), date(2026, 11, 27), rules=[no_star])
    assert found.message.startswith(f"policy {arn!r} is attached")


COPIES = "arn:aws:ecr:eu-west-1:111111111111:repository/shipway-prod/quay/*"


@pytest.mark.parametrize(
    ("changed", "passes"),
    [
        ({}, True),
        ({"Action": ["ecr:CreateRepository", "ecr:BatchImportUpstreamImage"]}, True),
        ({"Action": ["ecr:CreateRepository", "ecr:PutImage"]}, False),
        ({"Action": "ecr:Create*"}, False),
        ({"Action": None, "NotAction": "iam:*"}, False),
        ({"Resource": "*"}, False),
        ({"Resource": [COPIES, "arn:aws:ecr:eu-west-1:111111111111:repository/*"]}, False),
        ({"Resource": COPIES.replace("quay", "*")}, False),
        ({"Resource": COPIES.replace("111111111111", "*")}, False),
        ({"Resource": None, "NotResource": COPIES}, False),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_a_node_makes_repositories_of_copies_and_nothing_else(
    changed: dict[str, Any], passes: bool, apart: bool
) -> None:
    """Below a prefix that is named; by a policy in the role or beside it."""
    statement = {"Effect": "Allow", "Action": "ecr:CreateRepository", "Resource": COPIES, **changed}
    document = json.dumps({"Statement": [{key: value for key, value in statement.items() if value is not None}]})
    role, attachment = node_role_minimal.passing
    if apart:
        own = Resource("aws:iam/rolePolicy:RolePolicy", "copies", {"role": "example", "policy": document})
        stack = [role, attachment, own]
    else:
        stack = [replace(role, props={**role.props, "inlinePolicies": [{"policy": document}]}), attachment]
    found = judge(stack, Tier.PROD, (), date(2026, 11, 27), rules=[node_role_minimal])
    assert [one.message.partition(",")[0] for one in found] == ([] if passes else ["1 inline policies"])


@pytest.mark.parametrize("name", ["AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy"])
def test_a_node_joins_by_either_policy(name: str) -> None:
    """The minimal one is for EKS Auto Mode, whose nodes ask EC2 nothing, and allows less than the other."""
    role, attachment = node_role_minimal.passing
    given = Resource(attachment.type, "worker", {**attachment.props, "policyArn": f"arn:aws:iam::aws:policy/{name}"})
    assert judge([role, given], Tier.PROD, (), date(2026, 11, 27), rules=[node_role_minimal]) == []
