"""Nodes: what pools are made of, by managed groups and by Karpenter."""

import json
from typing import Any

import pytest

from components.aws.cpu_pool import CpuPool
from components.aws.gpu_pool import GpuNodes
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.instance_types import CPU_TYPES, offered_in
from components.aws.karpenter import Karpenter
from components.aws.node_groups import Ground
from components.aws.node_role import NodeRole
from components.kubernetes.gpu_types import GPU_TYPES
from shipway.contract.environment import Tier
from tests.components.aws.cloud import KEY, Part, environment, register

SUBNETS = ["subnet-aaaaaaaa", "subnet-bbbbbbbb", "subnet-cccccccc"]
GROUND = Ground("arn:aws:iam::111122223333:role/shipway-prod-node", SUBNETS, KEY)
# What AWS's policies for nodes allow ("AWS Managed Policy Reference", default versions of November 2026), and what a
# managed node does before it is ready.
ALLOWED = {
    "AmazonEKSWorkerNodeMinimalPolicy": {"eks-auth:AssumeRoleForPodIdentity"},
    "AmazonEKSWorkerNodePolicy": {
        "ec2:DescribeInstanceTypes",
        "ec2:DescribeInstances",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVolumes",
        "ec2:DescribeVolumesModifications",
        "ec2:DescribeVpcs",
        "eks-auth:AssumeRoleForPodIdentity",
        "eks:DescribeCluster",
    },
    "AmazonEC2ContainerRegistryPullOnly": {
        "ecr:BatchGetImage",
        "ecr:BatchImportUpstreamImage",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
    },
}
NEEDED = {
    "ec2:DescribeInstances": "nodeadm and Bottlerocket ask for the instance's own name",
    "ecr:BatchGetImage": "the kubelet pulls",
    "ecr:BatchImportUpstreamImage": "the kubelet pulls another's image through the cache",
    "ecr:CreateRepository": "the first such pull makes the copies' repository",
    "ecr:GetAuthorizationToken": "the kubelet signs in to the registry",
    "ecr:GetDownloadUrlForLayer": "the kubelet pulls",
    "eks-auth:AssumeRoleForPodIdentity": "the agent gives pods their identity",
}
POOL = {"name": "inference", "gpu_type": "l4", "min_nodes": 0, "max_nodes": 3, "capacity": "spot"}


def _nodes(component: Any, **changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        component("pool", environment(gpu_pools=[POOL], **changes), GROUND, [], opts)
        return {}

    return register(build)


@pytest.mark.parametrize("node_ami", ["al2023", "bottlerocket"])
@pytest.mark.parametrize("component", [CpuPool, GpuNodes])
def test_a_pool_passes_every_rule(component: Any, node_ami: str) -> None:
    """IMDSv2 at one hop, encrypted disks, a supported version, bounds, tags and, with GPUs, the taint."""
    assert _nodes(component, aws={"node_ami": node_ami}).findings(Tier.PROD) == []


def test_a_gpu_pool_scales_from_nothing() -> None:
    """Type, label and taint are the group's own, so that the first node can be added for a pod that selects it."""
    group = _nodes(GpuNodes).one("pool-inference").inputs
    assert group["scalingConfig"] == {"minSize": 0, "maxSize": 3, "desiredSize": 0}
    assert group["capacityType"] == "SPOT"
    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    assert group["instanceTypes"] == [AWS_GPU_TABLE.rows["l4"].instance_type]
    assert AWS_GPU_TABLE.labels("l4").items() <= group["labels"].items()
    assert group["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]


def test_how_many_nodes_there_are_is_the_autoscalers() -> None:
    """An `up` does not take away what a waiting pod has just been given."""
    request = _nodes(GpuNodes).one("pool-inference").request
    assert list(request.ignoreChanges) == ["scalingConfig.desiredSize"]


def test_bottlerocket_keeps_data_apart_from_its_system() -> None:
    """Both volumes are encrypted with the cluster's key; only the second has the pool's size."""
    part = _nodes(GpuNodes, aws={"node_ami": "bottlerocket"})
    disks = part.one("pool-inference-template").inputs["blockDeviceMappings"]
    assert [(one["deviceName"], one["ebs"]["volumeSize"]) for one in disks] == [("/dev/xvda", 4), ("/dev/xvdb", 100)]
    assert {one["ebs"]["kmsKeyId"] for one in disks} == {KEY}


def test_a_node_may_join_and_pull_images_and_no_more() -> None:
    """Whatever a pod may do it has from its own identity."""

    def build(opts: Any) -> dict[str, Any]:
        return {"arn": NodeRole("node", environment(), opts).arn}

    part = register(build)
    assert part.findings(Tier.PROD) == []
    assert part.outputs["arn"] == "arn:aws:iam::111122223333:role/shipway-prod-node"


def test_a_node_may_do_what_it_does_before_it_joins() -> None:
    """A right that is missing is a node that never joins, or a pod whose image never comes; it makes copies' alone."""

    def build(opts: Any) -> dict[str, Any]:
        NodeRole("node", environment(), opts)
        return {}

    part = register(build)
    attached = [one.inputs["policyArn"] for one in part.all("RolePolicyAttachment").values()]
    held = {action for arn in attached for action in ALLOWED[arn.removeprefix("arn:aws:iam::aws:policy/")]}
    [statement] = json.loads(part.one("node-grants").inputs["policy"])["Statement"]
    assert sorted(NEEDED.keys() - held - {*statement["Action"]}) == []
    below = "arn:aws:ecr:eu-central-1:111122223333:repository/shipway-prod"
    assert statement["Resource"] == [f"{below}/{prefix}/*" for prefix in ("ecr-public", "kubernetes", "quay")]


def _karpenter(**changes: Any) -> Part:
    def build(opts: Any) -> dict[str, Any]:
        import pulumi

        cluster = pulumi.ComponentResource("test:Cluster", "cluster")
        Karpenter(
            "karpenter",
            environment(gpu_pools=[POOL], **changes),
            node_profile="shipway-prod-node",
            subnet_ids=SUBNETS,
            nodes_group_id="sg-11111111",
            key_arn=KEY,
            cluster=cluster,
            opts=opts,
        )
        return {}

    return register(build)


@pytest.mark.parametrize("node_ami", ["al2023", "bottlerocket"])
def test_karpenters_nodes_pass_the_rules_that_managed_ones_pass(node_ami: str) -> None:
    """Metadata, disks, taints, limits and its own role's rights."""
    assert _karpenter(aws={"node_ami": node_ami}).findings(Tier.PROD) == []


def test_a_pool_of_karpenters_offers_what_the_managed_one_does() -> None:
    """The same machine, label, taint and ceiling, so that a model does not see which it is."""
    pool = _karpenter().one("karpenter-inference").inputs["spec"]
    managed = _nodes(GpuNodes).one("pool-inference").inputs
    needs = {one["key"]: one["values"] for one in pool["template"]["spec"]["requirements"]}
    assert needs["node.kubernetes.io/instance-type"] == managed["instanceTypes"]
    assert needs["karpenter.sh/capacity-type"] == ["spot"]
    assert AWS_GPU_TABLE.labels("l4").items() <= pool["template"]["metadata"]["labels"].items()
    assert [one["key"] for one in pool["template"]["spec"]["taints"]] == ["nvidia.com/gpu"]
    assert pool["limits"] == {"nvidia.com/gpu": 3}


def test_karpenter_may_encrypt_disks_with_the_key_that_it_names() -> None:
    """The key's policy leaves it to IAM who uses it, and a node whose disk EC2 cannot decrypt ends before it joins."""
    part = _karpenter()
    disks = part.one("karpenter-inference-class").inputs["spec"]["blockDeviceMappings"]
    statements = json.loads(part.one("karpenter-grants").inputs["policy"])["Statement"]
    used = {action: one for one in statements if one["Resource"] == [KEY] for action in one["Action"]}
    assert {disk["ebs"]["kmsKeyID"] for disk in disks} == {KEY}
    assert used.keys() >= {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext"}
    assert used["kms:CreateGrant"]["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_karpenter_hears_of_every_interruption() -> None:
    """Four kinds of events go into one queue, which takes them from these rules alone."""
    part = _karpenter()
    assert len(part.all("EventRule")) == len(part.all("EventTarget")) == 4
    assert part.one("karpenter-interruptions").inputs["sqsManagedSseEnabled"] is True


def test_a_name_that_two_targets_have_is_the_same_gpu() -> None:
    """A model that asks for one runs on either."""
    shared = AWS_GPU_TABLE.rows.keys() & GPU_TYPES.keys()
    assert {"t4", "l4", "l40s", "a100", "h100"} <= shared
    assert {name: AWS_GPU_TABLE.rows[name].gpu_memory_gib for name in shared} == {
        name: GPU_TYPES[name].gpu_memory_gib for name in shared
    }


def test_every_machine_of_the_tables_can_be_had_somewhere() -> None:
    """One that no region offers could never be made."""
    machines = [*CPU_TYPES, *(row.instance_type for row in AWS_GPU_TABLE.rows.values())]
    assert [one for one in machines if not offered_in(one)] == []
