"""GpuPool: the nodes with GPUs that a given cluster has, what is expected of them, and what makes GPUs usable."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.headroom import with_headroom
from components.kubernetes.beneath import Beneath
from components.kubernetes.charts import GPU_OPERATOR, install
from components.kubernetes.gpu_types import GpuTable
from components.kubernetes.labels import labels
from components.kubernetes.names import ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.kubernetes.told import gpu_pool_outputs
from components.parts import GpuPoolOutputs
from components.services import Service
from shipway.contract.environment import EnvironmentSpec, GpuPoolSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubernetes import KubernetesSpec
from shipway.observability.rules import gpu_rules

__all__ = ["GpuPool", "refuse_missing_gpus"]


def refuse_missing_gpus(root: Path, environment: EnvironmentSpec, services: Sequence[Service], table: GpuTable) -> None:
    """Refuses a pool of an unknown GPU type, and the first model that the pools cannot hold.

    A replica's GPUs are on one node.

    Raises:
        SpecError: naming the file, the key, what was asked for and what there is.
    """
    path = environment_path(root, environment.name)
    for number, pool in enumerate(environment.gpu_pools):
        if pool.gpu_type not in table.rows:
            known = ", ".join(table.rows)
            raise SpecError(path, f"gpu_pools.{number}.gpu_type", pool.gpu_type, f"one of {known}")
    total = gpu_pool_outputs(environment.gpu_pools, table).gpus
    for service in services:
        spec, model = service.spec.resources, service.folder / "model.yaml"
        if spec.gpu_type is None:
            continue
        if spec.gpu_type not in total:
            has = f"one that a pool of {path} has: {', '.join(total) or 'there is none'}"
            raise SpecError(model, "resources.gpu_type", spec.gpu_type, has)
        if spec.gpus > (most := table.rows[spec.gpu_type].gpus_per_node):
            at_most = f"at most {most}: that many {spec.gpu_type} are in one node"
            raise SpecError(model, "resources.gpus", spec.gpus, at_most)
    with_headroom(services, total, path)


class GpuPool(pulumi.ComponentResource):
    """The pools as the stack shows them, and the NVIDIA GPU operator unless there is no pool or it is there already.

    Nodes of a given cluster are not Pulumi's: its inputs say what labels and taints each pool's nodes must carry. The
    label comes by itself from GPU feature discovery, the taint from who adds the node.
    """

    outputs: GpuPoolOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        beneath: Beneath,
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        pools = [_expected(pool, beneath.gpu_table) for pool in environment.gpu_pools]
        super().__init__("shipway:kubernetes:GpuPool", name, {"pools": pools}, opts)
        if pools and not cluster.gpu_operator_installed:
            names = ClusterNames(environment.name)
            # Its pods load drivers into the node's kernel.
            space = namespace(
                names.gpu_operator,
                PodSecurity.PRIVILEGED,
                cluster.pod_security_version,
                labels(environment, name),
                self,
            )
            install(
                f"{name}-operator",
                GPU_OPERATOR,
                release="gpu-operator",
                namespace=names.gpu_operator,
                # What it watches of each GPU is scraped as everything else is.
                values={**beneath.gpu_operator, "dcgmExporter": {"serviceMonitor": {"enabled": True}}},
                parent=self,
                waits=[space, *waits],
            )
        if pools:
            CustomResource(
                f"{name}-rules",
                api_version="monitoring.coreos.com/v1",
                kind="PrometheusRule",
                metadata=ObjectMetaArgs(
                    name="gpus", namespace=ClusterNames(environment.name).platform, labels=labels(environment, name)
                ),
                spec=yaml.safe_load(gpu_rules(environment, name)),
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(waits)),
            )
        self.outputs = gpu_pool_outputs(environment.gpu_pools, beneath.gpu_table)
        self.register_outputs({})


def _expected(pool: GpuPoolSpec, table: GpuTable) -> Mapping[str, object]:
    row = table.rows[pool.gpu_type]
    return {
        **pool.model_dump(),
        "labels": table.labels(pool.gpu_type),
        "taints": [{"key": row.taint_key, "value": "present", "effect": "NoSchedule"}],
    }
