"""CpuPool: the nodes of the platform's own pods and of models without GPUs."""

from collections.abc import Mapping, Sequence

import pulumi

from components.aws.account import Account
from components.aws.node_groups import Ground, Pool, node_group
from shipway.contract.environment import EnvironmentSpec

__all__ = ["CpuPool"]


class CpuPool(pulumi.ComponentResource):
    """A managed node group for each pool."""

    # Pool -> its node group's name.
    groups: Mapping[str, pulumi.Output[str]]
    # What pods wait for.
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        ground: Ground,
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:CpuPool", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(waits))
        found = {
            pool.name: node_group(f"{name}-{pool.name}", Pool(**pool.model_dump()), environment, ground, child)
            for pool in Account.of(environment).spec.cpu_pools
        }
        self.groups = {pool: group.node_group_name for pool, group in found.items()}
        self.ready = next(iter(found.values()))
        self.register_outputs({})
