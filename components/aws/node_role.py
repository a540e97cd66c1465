"""NodeRole: who a node is to AWS, which is next to nobody: pods have identities of their own."""

import pulumi
from pulumi_aws import iam

from components.aws.identity import service_role
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["NodeRole", "node_role_name"]

# To join the cluster and to pull images. What the CNI needs, its pods have.
_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
_NAME = "node"


def node_role_name(environment: EnvironmentSpec) -> str:
    """Returns the name of the nodes' role and of their instance profile."""
    return f"{cluster_name(environment)}-{_NAME}"


class NodeRole(pulumi.ComponentResource):
    """The role of all nodes, by whatever they are added."""

    arn: pulumi.Output[str]
    # What nodes wait for: without their rights they would never join.
    ready: pulumi.Resource

    def __init__(self, name: str, environment: EnvironmentSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:aws:NodeRole", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = service_role(_NAME, "ec2", environment, child)
        joined = [
            iam.RolePolicyAttachment(
                f"{name}-{policy}", role=role.name, policy_arn=f"arn:aws:iam::aws:policy/{policy}", opts=child
            )
            for policy in _POLICIES
        ]
        # Managed node groups make their own; Karpenter takes this one.
        self.ready = iam.InstanceProfile(
            f"{name}-profile",
            name=node_role_name(environment),
            role=role.name,
            tags=tags(environment),
            opts=pulumi.ResourceOptions(parent=self, depends_on=joined),
        )
        self.arn = role.arn
        self.register_outputs({})
