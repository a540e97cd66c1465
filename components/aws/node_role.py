"""NodeRole: who a node is to AWS, which is next to nobody: pods have identities of their own."""

import pulumi
from pulumi_aws import iam

from components.aws.identity import granted, service_role
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["NodeRole", "node_role_name"]

# To join the cluster and to pull images. What the CNI needs, its pods have. AmazonEKSWorkerNodeMinimalPolicy is Auto
# Mode's: a managed node asks EC2 what instance it is before it joins, which that one does not let it.
_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")


def node_role_name(environment: EnvironmentSpec) -> str:
    """Returns the name of the nodes' role and of their instance profile."""
    return f"{cluster_name(environment)}-node"


class NodeRole(pulumi.ComponentResource):
    """The role of all nodes, by whatever they are added."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:NodeRole", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = service_role(name, "ec2", environment, child, role_name=node_role_name(environment))
        joined = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
            for policy in _POLICIES
        ]
        rights = granted(name, "node", environment, role, {}, child)
        # Managed node groups make their own; Karpenter takes this one.
        profile = iam.InstanceProfile(
            f"{name}-profile",
            name=node_role_name(environment),
            role=role.name,
            tags=tags(environment),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*joined, rights]),
        )
        # Known when the role has its rights: without them a node would never join.
        self.arn = pulumi.Output.all(role.arn, profile.arn).apply(lambda arns: arns[0])
        self.register_outputs({})
