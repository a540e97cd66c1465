"""What AWS lets a node, a pod or a person do."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.iam import any_of_its_kind, condition, grants, principals, statements
from policies.resource import Resource, at, rows, texts
from policies.rule import Context, Scope, Severity, rule

__all__ = ["no_star", "node_role_minimal", "trust_conditioned"]

_ROLE = "aws:iam/role:Role"
_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
# What has no resource of its own to be named; read-only lists apart.
_WITHOUT_RESOURCE = re.compile(
    r"(\w[\w-]*:(Describe|List)\w*\*?|ecr:GetAuthorizationToken|sts:GetCallerIdentity|cloudwatch:(PutMetricData|GetMetric"
    r"Data)|xray:Put\w+|pricing:GetProducts|ec2:GetSpotPlacementScores)"
)
# Each of these makes its holder somebody else.
_ESCALATIONS = (
    "eks:AssociateAccessPolicy",
    "eks:CreateAccessEntry",
    "iam:AddUserToGroup",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreatePolicyVersion",
    "iam:PutGroupPolicy",
    "iam:PutRolePolicy",
    "iam:PutUserPolicy",
    "iam:SetDefaultPolicyVersion",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
)
# Every action of a service, or every one that ends alike: the name begins with a wildcard.
_MANY_ACTIONS = re.compile(r"[*?].*|[^:]*[*?].*:.*|[^:]*:[*?].*")
# A node's pull makes the repository of another's images, below a prefix that is named: no image of our own lies there.
_COPIES = re.compile(r"arn:aws[\w-]*:ecr:[^:*?]+:[^:*?]+:repository/[^*?]+/\*")
_COPYING = frozenset({"ecr:batchimportupstreamimage", "ecr:createrepository"})
_ADMIN = re.compile(
    r"(AdministratorAccess.*|PowerUserAccess|SecretsManagerReadWrite|\w*(FullAccess(V2)?|Administrator))"
)


def _trust(service: str, conditions: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        **({"Condition": conditions} if conditions else {}),
    }
    return {"name": "example", "assumeRolePolicy": {"Version": "2012-10-17", "Statement": [statement]}}


def _node(policy: str) -> tuple[Resource, ...]:
    arn = f"arn:aws:iam::aws:policy/{policy}"
    return (
        Resource(_ROLE, "node", _trust("ec2.amazonaws.com")),
        Resource(_ATTACHMENT, "worker", {"role": "example", "policyArn": arn}),
    )


@rule(
    "ML020",
    "node role minimal",
    severity=Severity.CRITICAL,
    types=(_ROLE,),
    scope=Scope.STACK,
    fix="Give the node's role the policies of `node_policies` in policies/settings.yaml only, and at most the right "
    "to create the repositories of a pull-through cache; give pods theirs by Pod Identity.",
    passing=_node("AmazonEKSWorkerNodePolicy"),
    failing=_node("AmazonS3FullAccess"),
)
def node_role_minimal(resource: Resource, context: Context) -> Iterator[str]:
    """A node's role lets it join the cluster and pull images, no more: every pod on the node could use the rest."""
    trusted = [who for one in statements(resource.props.get("assumeRolePolicy")) for _, who in principals(one)]
    if "ec2.amazonaws.com" not in trusted:
        return
    attached = [*texts(resource.props.get("managedPolicyArns"))]
    for one in context.stack.related(resource, _ATTACHMENT, "role", "name", "id", "arn"):
        attached.append(str(one.props.get("policyArn")))
    for arn in attached:
        if arn.removeprefix("arn:aws:iam::aws:policy/") not in context.settings.node_policies:
            yield f"policy {arn!r} is attached, expected one of {', '.join(context.settings.node_policies)}"
    inline = [at(one, "policy") for one in rows(resource.props.get("inlinePolicies"))]
    inline += [
        one.props.get("policy") for one in context.stack.related(resource, _ROLE_POLICY, "role", "name", "id", "arn")
    ]
    if more := sum(not _only_copies(document) for document in inline):
        yield f"{more} inline policies, expected none but for repositories of copies, below a named prefix"


def _only_copies(document: Any) -> bool:
    """Returns whether a policy document gives what a pull through ECR's cache needs, and no more."""
    found = statements(document)
    return bool(found) and all(map(_copies, found))


def _copies(statement: Mapping[str, Any]) -> bool:
    actions, resources = list(texts(statement.get("Action"))), list(texts(statement.get("Resource")))
    named = bool(actions and resources) and not {"NotAction", "NotResource"} & set(statement)
    return named and {one.lower() for one in actions} <= _COPYING and all(map(_COPIES.fullmatch, resources))


def _policy(action: str, resource: str) -> Mapping[str, Any]:
    return {"policy": {"Statement": [{"Effect": "Allow", "Action": [action], "Resource": [resource]}]}}


@rule(
    "ML021",
    "no IAM star, no PassRole path",
    severity=Severity.CRITICAL,
    types=(
        "aws:iam/policy:Policy",
        _ROLE_POLICY,
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/groupPolicy:GroupPolicy",
        _ROLE,
        _ATTACHMENT,
        "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
        "aws:iam/policyAttachment:PolicyAttachment",
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    ),
    fix="Name the actions and the resources; pass one named role, with the condition iam:PassedToService.",
    passing=_policy("s3:GetObject", "arn:aws:s3:::models/*"),
    failing=_policy("s3:*", "arn:aws:s3:::models/*"),
)
def no_star(resource: Resource, _context: Context) -> Iterator[str]:
    """No identity may do everything, to everything, or make itself another identity."""
    props = resource.props
    documents = [("policy", props["policy"])] if props.get("policy") else []
    documents += [(f"inlinePolicies.{i}", one.get("policy")) for i, one in enumerate(rows(props.get("inlinePolicies")))]
    for where, document in documents:
        for index, statement in enumerate(statements(document)):
            if statement.get("Effect") == "Allow":
                for problem in _of_statement(statement):
                    yield f"{where} statement {index}: {problem}"
    for arn in [one for key in ("managedPolicyArns", "policyArn", "policyArns") for one in texts(props.get(key))]:
        if _ADMIN.fullmatch(arn.rpartition("/")[2]):
            yield f"policy {arn!r} is attached, expected one that names what is needed"


def _of_statement(statement: Mapping[str, Any]) -> Iterator[str]:
    for key in ("NotAction", "NotResource"):
        if key in statement:
            yield f"{key} allows all the rest, expected {key.removeprefix('Not')}"
    actions, resources = list(texts(statement.get("Action"))), list(texts(statement.get("Resource")))
    for action in actions:
        if _MANY_ACTIONS.fullmatch(action):
            yield f"Action {action!r}, expected named ones"
    if not all(_WITHOUT_RESOURCE.fullmatch(action) for action in actions):
        for wide in filter(any_of_its_kind, resources):
            yield f"Resource {wide!r} for {', '.join(actions)}, expected named ones"
    for action in _ESCALATIONS:
        if grants(statement, action):
            yield f"Action {action}, by which one becomes another identity"
    if grants(statement, "iam:PassRole"):
        if any("*" in each or "?" in each for each in resources):
            yield f"iam:PassRole of {', '.join(resources)}, expected one named role"
        if not condition(statement, "StringEquals", "iam:PassedToService"):
            yield "iam:PassRole without the condition iam:PassedToService"
    if grants(statement, "sts:AssumeRole") and any(map(_any_role, resources)):
        yield f"sts:AssumeRole of {', '.join(resources)}, expected named roles"


def _any_role(resource: str) -> bool:
    return any_of_its_kind(resource) or bool(re.search(r":role/[*?]", resource))


_POD_IDENTITY = {
    "StringEquals": {"aws:SourceAccount": "111111111111", "aws:RequestTag/kubernetes-namespace": "models"},
}


@rule(
    "ML022",
    "trust conditioned",
    severity=Severity.HIGH,
    types=(_ROLE,),
    fix="Condition the trust with StringEquals on aws:SourceAccount and aws:RequestTag/kubernetes-namespace.",
    passing=_trust("pods.eks.amazonaws.com", _POD_IDENTITY),
    failing=_trust("pods.eks.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "111111111111"}}),
)
def trust_conditioned(resource: Resource, _context: Context) -> Iterator[str]:
    """A role for pods is assumed from one account and one namespace only, and no role by anybody."""
    for index, statement in enumerate(statements(resource.props.get("assumeRolePolicy"))):
        if statement.get("Effect") == "Allow":
            for problem in _of_trust(statement):
                yield f"trust statement {index}: {problem}"


def _of_trust(statement: Mapping[str, Any]) -> Iterator[str]:
    for kind, who in principals(statement):
        if who == "*":
            yield f"Principal {kind} is '*', expected a named one"
        if who == "pods.eks.amazonaws.com":
            for key in ("aws:SourceAccount", "aws:RequestTag/kubernetes-namespace"):
                values = condition(statement, "StringEquals", key)
                if not values or any("*" in value for value in values):
                    yield f"condition StringEquals {key} is {values}, expected the one that is meant"
        if kind == "Federated" and ":oidc-provider/" in who:
            issuer = who.partition(":oidc-provider/")[2]
            subjects = condition(statement, "StringEquals", f"{issuer}:sub")
            if not subjects or not all(re.fullmatch(r"system:serviceaccount:[\w-]+:[\w-]+", one) for one in subjects):
                yield f"condition StringEquals {issuer}:sub is {subjects}, expected a service account"
            if condition(statement, "StringEquals", f"{issuer}:aud") != ["sts.amazonaws.com"]:
                yield f"condition StringEquals {issuer}:aud is missing, expected sts.amazonaws.com"
