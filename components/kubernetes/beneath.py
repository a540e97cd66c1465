"""Beneath: what the target under a cluster made for it, and what the environment's file therefore does not say."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.kubernetes.gpu_types import GPU_TABLE, GpuTable

__all__ = ["GIVEN", "Beneath"]


@dataclass(frozen=True)
class Beneath:
    """What lies under the cluster.

    Args:
        gpu_table: the GPU types that nodes can have, and the label by which a pod finds them.
        gpu_operator: what differs from the GPU operator's defaults on these nodes.
        hosts: where an installed store listens, by the name of its database or `online-store`.
        load_balancer: annotations of the load balancer before the gateway.
        balancers: what makes that load balancer, and takes it away.
    """

    gpu_table: GpuTable
    gpu_operator: Mapping[str, object] = field(default_factory=dict[str, object])
    hosts: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    load_balancer: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    balancers: tuple[pulumi.Resource, ...] = ()


# A cluster that is there already: its nodes are somebody's own, and its file says the rest.
GIVEN = Beneath(GPU_TABLE)
