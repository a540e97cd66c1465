"""Who a pod is to AWS: one role for one service account, trusted from this cluster and namespace alone."""

import json
from collections.abc import Mapping

import pulumi
from pulumi_aws import eks, iam

from components.aws.account import Account
from components.aws.grant import Grant
from components.aws.grants import document, grants_of, names_in
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["fill", "granted", "pod_identity", "service_role"]


def pod_identity(
    name: str,
    part: str,
    environment: EnvironmentSpec,
    *,
    namespace: str,
    service_account: str,
    values: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> eks.PodIdentityAssociation:
    """Returns what makes pods of a service account known to AWS, with the part's rows of the grants.

    Args:
        name: the resources' name.
        part: whose rows they get.
        environment: where.
        namespace, service_account: which pods.
        values: what the rows leave open, besides what the environment says.
        opts: the parent, and what the association waits for; role and rights wait for nothing.
    """
    account, cluster = Account.of(environment), cluster_name(environment)
    trust = {
        "StringEquals": {
            "aws:SourceAccount": account.id,
            "aws:SourceArn": f"arn:aws:eks:{account.region}:{account.id}:cluster/{cluster}",
            "aws:RequestTag/kubernetes-namespace": namespace,
            "aws:RequestTag/kubernetes-service-account": service_account,
        }
    }
    principal, actions = "pods.eks.amazonaws.com", ("sts:AssumeRole", "sts:TagSession")
    own = pulumi.ResourceOptions(parent=opts.parent, provider=opts.provider)
    role = _role(name, environment, principal, actions, trust, own)
    # Pods that are known have their rights, also while all is destroyed: a controller still has to take things away.
    rights = pulumi.ResourceOptions(depends_on=[granted(name, part, environment, role, values, own)])
    return eks.PodIdentityAssociation(
        f"{name}-identity",
        cluster_name=cluster,
        namespace=namespace,
        service_account=service_account,
        role_arn=role.arn,
        tags=tags(environment),
        opts=pulumi.ResourceOptions.merge(opts, rights),
    )


def service_role(
    name: str,
    service: str,
    environment: EnvironmentSpec,
    opts: pulumi.ResourceOptions,
    *,
    role_name: str | None = None,
) -> iam.Role:
    """Returns a role that one of AWS's services takes on, for this account's resources alone.

    Args:
        name: the resource's name.
        service: the service.
        environment: where.
        opts: the parent.
        role_name: the role's own name, where a grant speaks of it; one that nobody else has otherwise.
    """
    account = Account.of(environment)
    # A service that acts for another account's resource would borrow these rights.
    trust = {"StringEquals": {"aws:SourceAccount": account.id}}
    # EKS and EC2 take on a role before there is a resource to speak of.
    conditions = {} if service in ("ec2", "eks") else trust
    actions = ("sts:AssumeRole", "sts:TagSession") if service == "eks" else ("sts:AssumeRole",)
    return _role(name, environment, f"{service}.amazonaws.com", actions, conditions, opts, role_name)


def granted(
    name: str,
    part: str,
    environment: EnvironmentSpec,
    role: iam.Role,
    values: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> iam.RolePolicy:
    """Returns the policy by which a role has a part's rows of the grants, and nothing else."""
    return iam.RolePolicy(
        f"{name}-grants",
        name=part,
        role=role.name,
        policy=fill(grants_of(part), environment, values),
        opts=opts,
    )


def fill(
    grants: tuple[Grant, ...], environment: EnvironmentSpec, values: Mapping[str, pulumi.Input[str]]
) -> pulumi.Output[str]:
    """Returns the policy document of some rows, once what they leave open is known."""
    account = Account.of(environment)
    known: dict[str, pulumi.Input[str]] = {
        "account": account.id,
        "region": account.region,
        "cluster": cluster_name(environment),
        **values,
    }
    needed = {name: known[name] for name in sorted(names_in(grants))}
    return pulumi.Output.all(**needed).apply(lambda found: document(grants, found))


def _role(
    name: str,
    environment: EnvironmentSpec,
    principal: str,
    actions: tuple[str, ...],
    conditions: Mapping[str, Mapping[str, str]],
    opts: pulumi.ResourceOptions,
    role_name: str | None = None,
) -> iam.Role:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": principal},
        "Action": list(actions),
        **({"Condition": dict(conditions)} if conditions else {}),
    }
    return iam.Role(
        f"{name}-role",
        name=role_name,
        assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        tags=tags(environment),
        opts=opts,
    )
