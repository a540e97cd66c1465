"""GpuPool: without GPUs it is a pool of CPU and memory, handed out to slots as a cluster does."""

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.parts import GpuPoolOutputs
from components.services import Service
from shipway.contract.environment import CpuPoolSpec, environment_path
from shipway.contract.errors import SpecError

__all__ = ["GpuPool", "refuse_overbooking"]

# Blue and green both run while a version rolls out, and the idle one stays warm for the way back.
_SLOTS = 2


def refuse_overbooking(root: Path, environment: str, pool: CpuPoolSpec, services: Sequence[Service]) -> None:
    """Refuses the first model, in the order of the services, that no longer fits the pool.

    Raises:
        SpecError: naming the model, what it needs and what is free; or a GPU, of which a local stack has none.
    """
    free = pool.model_dump()
    for service in services:
        resources, path = service.spec.resources, service.folder / "model.yaml"
        if resources.gpus:
            raise SpecError(path, "resources.gpus", resources.gpus, "0: the local target has no GPUs")
        for key in free:
            needed = getattr(resources, key) * _SLOTS
            if needed > free[key]:
                raise SpecError(
                    path,
                    f"resources.{key}",
                    getattr(resources, key),
                    f"two slots of {service.spec.name} to fit the pool: they need {needed}, {free[key]} of "
                    f"{getattr(pool, key)} are free ({environment_path(root, environment)}: cpu_pool.{key})",
                )
            free[key] -= needed


class GpuPool(pulumi.ComponentResource):
    """The pool as the stack shows it; what is taken from it is counted before the first resource."""

    outputs: GpuPoolOutputs

    def __init__(self, name: str, pool: CpuPoolSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("shipway:local:GpuPool", name, pool.model_dump(), opts)
        self.outputs = GpuPoolOutputs(pool.cpu_millicores, pool.memory_mib, gpus={})
        self.register_outputs({})
