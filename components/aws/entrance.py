"""Who may connect to a store: the nodes of the cluster, on its port, and nobody else."""

import pulumi
from pulumi_aws import ec2, vpc

from components.aws.tags import tags
from shipway.contract.environment import EnvironmentSpec

__all__ = ["open_to_nodes"]


def open_to_nodes(
    name: str,
    environment: EnvironmentSpec,
    *,
    identifier: str,
    port: int,
    vpc_id: pulumi.Input[str],
    nodes_group_id: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> ec2.SecurityGroup:
    """Returns the security group of a store.

    Args:
        name: the store's component.
        environment: whose tags it gets.
        identifier: what AWS calls the store.
        port: where it listens.
        vpc_id: where it is.
        nodes_group_id: the security group of those who may connect.
        opts: of both resources.
    """
    given = tags(environment)
    group = ec2.SecurityGroup(
        f"{name}-access",
        name=identifier,
        description=f"Who may connect to {identifier}",
        vpc_id=vpc_id,
        tags=given,
        opts=opts,
    )
    vpc.SecurityGroupIngressRule(
        f"{name}-access-nodes",
        security_group_id=group.id,
        referenced_security_group_id=nodes_group_id,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        description="Pods of the cluster",
        tags=given,
        opts=opts,
    )
    return group
