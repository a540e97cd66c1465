"""GpuNodes: a managed node group for each GPU pool; it may have no node until a model asks for one."""

from collections.abc import Mapping, Sequence

import pulumi

from components.aws.gpu_types import AWS_GPU_TABLE
from components.aws.node_groups import Ground, Pool, node_group
from shipway.contract.environment import EnvironmentSpec

__all__ = ["GpuNodes"]

# By it the autoscaler knows that a node is not ready before its GPUs are.
_ACCELERATOR_LABEL = "k8s.amazonaws.com/accelerator"


class GpuNodes(pulumi.ComponentResource):
    """The nodes of `gpu_pools`; their images hold NVIDIA's driver, and their taint keeps all other pods away."""

    # Pool -> its node group's name.
    groups: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        ground: Ground,
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:GpuNodes", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(waits))
        found: dict[str, pulumi.Output[str]] = {}
        for pool in environment.gpu_pools:
            row = AWS_GPU_TABLE.rows[pool.gpu_type]
            group = Pool(
                name=pool.name,
                instance_types=(row.instance_type,),
                capacity=pool.capacity,
                min_nodes=pool.min_nodes,
                max_nodes=pool.max_nodes,
                disk_gib=pool.disk_gib,
                nvidia=True,
                labels={**AWS_GPU_TABLE.labels(pool.gpu_type), _ACCELERATOR_LABEL: pool.gpu_type},
                taint_key=row.taint_key,
            )
            found[pool.name] = node_group(f"{name}-{pool.name}", group, environment, ground, child).node_group_name
        self.groups = found
        self.register_outputs({})
