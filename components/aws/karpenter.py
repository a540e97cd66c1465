"""Karpenter: nodes chosen for the pods that wait for one; the alternative to managed groups and an autoscaler."""

import json
from collections.abc import Mapping, Sequence

import pulumi
from pulumi_aws import cloudwatch, sqs
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.aws.account import Account
from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.identity import pod_identity
from components.aws.instance_types import CPU_TYPES
from components.aws.node_groups import POOL_LABEL
from components.aws.tags import tags
from components.kubernetes.charts import Chart, install
from components.kubernetes.labels import labels
from shipway.contract.aws import CpuNodesSpec
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec, GpuPoolSpec

__all__ = ["Karpenter"]

_CHART = Chart("oci://public.ecr.aws/karpenter/karpenter", "1.14.3")
_NAMESPACE = "kube-system"
_NAME = "karpenter"
# What AWS says of nodes that are about to go.
_EVENTS = {
    "spot": ("aws.ec2", "EC2 Spot Instance Interruption Warning"),
    "rebalance": ("aws.ec2", "EC2 Instance Rebalance Recommendation"),
    "state": ("aws.ec2", "EC2 Instance State-change Notification"),
    "health": ("aws.health", "AWS Health Event"),
}
# A node is replaced after it, and with it what has not been patched.
_LIFETIME = "720h"


class Karpenter(pulumi.ComponentResource):
    """The controller, the queue that tells it of interruptions, and for each pool what its nodes are made of.

    It runs on the managed nodes of `cpu_pools`, which stay at their least number; what comes beyond is Karpenter's.
    """

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        *,
        node_profile: str,
        subnet_ids: Sequence[pulumi.Input[str]],
        nodes_group_id: pulumi.Input[str],
        key_arn: pulumi.Input[str],
        cluster: pulumi.Resource,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Karpenter", name, {}, opts)
        self._name, self._environment = name, environment
        self._child = pulumi.ResourceOptions(parent=self, depends_on=[cluster])
        self._node_profile, self._key_arn = node_profile, key_arn
        self._subnets = [{"id": one} for one in subnet_ids]
        self._groups = [{"id": nodes_group_id}]
        chart = self._controller(self._queue())
        for pool in environment.gpu_pools:
            self._pool(pool.name, pool.disk_gib, _gpu_pool(pool), chart)
        for pool in Account.of(environment).spec.cpu_pools:
            if pool.max_nodes > pool.min_nodes:
                self._pool(pool.name, pool.disk_gib, _cpu_pool(pool), chart)
        self.register_outputs({})

    def _queue(self) -> sqs.Queue:
        account = Account.of(self._environment)
        name = f"{cluster_name(self._environment)}-interruptions"
        queue = sqs.Queue(
            f"{self._name}-interruptions",
            name=name,
            # A warning that is older than this came too late.
            message_retention_seconds=300,
            sqs_managed_sse_enabled=True,
            tags=tags(self._environment),
            opts=self._child,
        )
        arn = f"arn:aws:sqs:{account.region}:{account.id}:{name}"
        rules = {
            what: cloudwatch.EventRule(
                f"{self._name}-{what}",
                name=f"{name}-{what}",
                event_pattern=json.dumps({"source": [source], "detail-type": [kind]}),
                tags=tags(self._environment),
                opts=self._child,
            )
            for what, (source, kind) in _EVENTS.items()
        }
        sources = [f"arn:aws:events:{account.region}:{account.id}:rule/{name}-{what}" for what in _EVENTS]
        sqs.QueuePolicy(
            f"{self._name}-interruptions-policy",
            queue_url=queue.url,
            policy=_queue_policy(arn, sources),
            opts=self._child,
        )
        for what, rule in rules.items():
            cloudwatch.EventTarget(f"{self._name}-{what}-target", rule=rule.name, arn=queue.arn, opts=self._child)
        return queue

    def _controller(self, queue: sqs.Queue) -> pulumi.Resource:
        identity = pod_identity(
            _NAME,
            _NAME,
            self._environment,
            namespace=_NAMESPACE,
            service_account=_NAME,
            values={"node_role": self._node_profile, "cluster_key": self._key_arn},
            opts=self._child,
        )
        return install(
            f"{self._name}-chart",
            _CHART,
            release=_NAME,
            namespace=_NAMESPACE,
            values={
                "settings": {"clusterName": cluster_name(self._environment), "interruptionQueue": queue.name},
                "serviceAccount": {"name": _NAME},
                "replicas": 2,
                # Never on a node of its own making.
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"}]}
                            ]
                        }
                    }
                },
                "controller": {
                    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}
                },
            },
            parent=self,
            waits=[identity],
        )

    def _pool(self, pool: str, disk_gib: int, spec: Mapping[str, object], chart: pulumi.Resource) -> None:
        metadata = ObjectMetaArgs(name=pool, labels=labels(self._environment, self._name))
        node_class = CustomResource(
            f"{self._name}-{pool}-class",
            api_version="karpenter.k8s.aws/v1",
            kind="EC2NodeClass",
            metadata=metadata,
            spec={
                "instanceProfile": self._node_profile,
                "amiSelectorTerms": [{"alias": f"{Account.of(self._environment).spec.node_ami}@latest"}],
                "subnetSelectorTerms": self._subnets,
                "securityGroupSelectorTerms": self._groups,
                "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
                "blockDeviceMappings": _disks(Account.of(self._environment).spec.node_ami, disk_gib, self._key_arn),
                "tags": tags(self._environment),
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[chart]),
        )
        CustomResource(
            f"{self._name}-{pool}",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata=metadata,
            spec=dict(spec),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[node_class]),
        )


def _queue_policy(arn: str, sources: Sequence[str]) -> str:
    send = {
        "Sid": "Events",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": list(sources)}},
    }
    plain = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [send, plain]})


def _disks(node_ami: str, disk_gib: int, key_arn: pulumi.Input[str]) -> list[dict[str, object]]:
    devices = {"/dev/xvdb": disk_gib, "/dev/xvda": 4} if node_ami == "bottlerocket" else {"/dev/xvda": disk_gib}
    return [
        {
            "deviceName": device,
            "ebs": {"volumeType": "gp3", "volumeSize": f"{size}Gi", "encrypted": True, "kmsKeyID": key_arn},
        }
        for device, size in devices.items()
    ]


def _gpu_pool(pool: GpuPoolSpec) -> dict[str, object]:
    row = AWS_GPU_TABLE.rows[pool.gpu_type]
    taint = {"key": row.taint_key, "value": "present", "effect": "NoSchedule"}
    found, machines = AWS_GPU_TABLE.labels(pool.gpu_type), [row.instance_type]
    return {
        "template": _template(pool.name, machines, pool.capacity, labels=found, taints=[taint]),
        "limits": {row.resource_name: pool.max_nodes * row.gpus_per_node},
        # Moving a model to another GPU means loading it anew: a node goes when nothing is left on it.
        "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
    }


def _cpu_pool(pool: CpuNodesSpec) -> dict[str, object]:
    most = max(CPU_TYPES[one].cpus for one in pool.instance_types)
    return {
        "template": _template(pool.name, pool.instance_types, pool.capacity, labels={}, taints=[]),
        # The managed nodes count too.
        "limits": {"cpu": (pool.max_nodes - pool.min_nodes) * most},
        "disruption": {"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "5m"},
    }


def _template(
    pool: str,
    instance_types: Sequence[str],
    capacity: str,
    *,
    labels: Mapping[str, str],
    taints: Sequence[Mapping[str, str]],
) -> dict[str, object]:
    wanted = {
        "node.kubernetes.io/instance-type": list(instance_types),
        "karpenter.sh/capacity-type": [capacity.replace("_", "-")],
        "kubernetes.io/arch": ["amd64"],
    }
    return {
        "metadata": {"labels": {POOL_LABEL: pool, **labels}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": pool},
            "requirements": [{"key": key, "operator": "In", "values": values} for key, values in wanted.items()],
            "taints": list(taints),
            "expireAfter": _LIFETIME,
        },
    }
