"""How a managed node group is made: no pod reaches its nodes' credentials, and their disks are encrypted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, eks

from components.aws.account import Account
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["CAPACITY_LABEL", "POOL_LABEL", "Ground", "Pool", "node_group"]

POOL_LABEL = "shipway/pool"
CAPACITY_LABEL = "shipway/capacity"

# Bottlerocket's own system lies on a volume that nothing else is written to.
_BOTTLEROCKET_SYSTEM_GIB = 4
_AMI_TYPES = {
    ("al2023", False): "AL2023_x86_64_STANDARD",
    ("al2023", True): "AL2023_x86_64_NVIDIA",
    ("bottlerocket", False): "BOTTLEROCKET_x86_64",
    ("bottlerocket", True): "BOTTLEROCKET_x86_64_NVIDIA",
}


@dataclass(frozen=True)
class Ground:
    """What all nodes stand on.

    Args:
        role_arn: who they are to AWS.
        subnet_ids: where they are.
        key_arn: what their disks are encrypted with.
    """

    role_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    key_arn: pulumi.Input[str]


@dataclass(frozen=True)
class Pool:
    """A group of equal nodes; `nvidia` ones come with driver and container toolkit."""

    name: str
    instance_types: tuple[str, ...]
    capacity: str
    min_nodes: int
    max_nodes: int
    disk_gib: int
    nvidia: bool = False
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    taint_key: str | None = None


def node_group(
    name: str,
    pool: Pool,
    environment: EnvironmentSpec,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> eks.NodeGroup:
    """Returns the managed node group of a pool.

    Labels and taint are the group's own and known while it has no node, so that the autoscaler adds the first one.

    Args:
        name: the resource's name.
        pool: its nodes.
        environment: where.
        ground: what all nodes stand on.
        opts: the parent, and what nodes need before they can be ready.
    """
    template = _template(name, pool, environment, ground, opts)
    return eks.NodeGroup(
        name,
        cluster_name=cluster_name(environment),
        node_group_name=pool.name,
        version=environment.cluster_version,
        ami_type=_AMI_TYPES[Account.of(environment).spec.node_ami, pool.nvidia],
        instance_types=list(pool.instance_types),
        capacity_type=pool.capacity.upper(),
        node_role_arn=ground.role_arn,
        subnet_ids=list(ground.subnet_ids),
        launch_template=eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
        scaling_config=eks.NodeGroupScalingConfigArgs(
            min_size=pool.min_nodes, max_size=pool.max_nodes, desired_size=pool.min_nodes
        ),
        labels={POOL_LABEL: pool.name, CAPACITY_LABEL: pool.capacity, **pool.labels},
        taints=_taints(pool),
        update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
        node_repair_config=eks.NodeGroupNodeRepairConfigArgs(enabled=True),
        tags={**tags(environment), "Name": f"{cluster_name(environment)}-{pool.name}"},
        # How many there are at the moment is the autoscaler's.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["scalingConfig.desiredSize"])),
    )


def _taints(pool: Pool) -> list[eks.NodeGroupTaintArgs] | None:
    if pool.taint_key is None:
        return None
    return [eks.NodeGroupTaintArgs(key=pool.taint_key, value="present", effect="NO_SCHEDULE")]


def _template(
    name: str, pool: Pool, environment: EnvironmentSpec, ground: Ground, opts: pulumi.ResourceOptions
) -> ec2.LaunchTemplate:
    carried = {**tags(environment), "Name": f"{cluster_name(environment)}-{pool.name}"}
    return ec2.LaunchTemplate(
        f"{name}-template",
        name=f"{cluster_name(environment)}-{pool.name}",
        update_default_version=True,
        metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
        ),
        block_device_mappings=_disks(Account.of(environment).spec.node_ami, pool.disk_gib, ground.key_arn),
        monitoring=ec2.LaunchTemplateMonitoringArgs(enabled=True),
        tag_specifications=[
            ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=carried)
            for kind in ("instance", "network-interface", "volume")
        ],
        tags=carried,
        opts=pulumi.ResourceOptions(parent=opts.parent),
    )


def _disks(node_ami: str, disk_gib: int, key_arn: pulumi.Input[str]) -> list[ec2.LaunchTemplateBlockDeviceMappingArgs]:
    sizes = {"/dev/xvda": disk_gib}
    if node_ami == "bottlerocket":
        sizes = {"/dev/xvda": _BOTTLEROCKET_SYSTEM_GIB, "/dev/xvdb": disk_gib}
    return [
        ec2.LaunchTemplateBlockDeviceMappingArgs(
            device_name=device,
            ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                volume_type="gp3",
                volume_size=size,
                encrypted="true",
                kms_key_id=key_arn,
                delete_on_termination="true",
            ),
        )
        for device, size in sizes.items()
    ]
