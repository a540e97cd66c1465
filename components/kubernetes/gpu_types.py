"""The GPU types of this target: one row is one type, and everything that knows about GPUs reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.contract.environment import GpuType

__all__ = ["GPU_PRODUCT_LABEL", "GPU_TABLE", "GPU_TYPES", "GpuTable"]

# GPU feature discovery, a part of the NVIDIA GPU operator, puts it on every node that has a GPU.
GPU_PRODUCT_LABEL = "nvidia.com/gpu.product"


@dataclass(frozen=True)
class GpuTable:
    """The GPU types that nodes of a target can have.

    Args:
        label: the node label by which pods find a type.
        rows: name -> type.
        values: name -> what the label says on nodes of that type.
    """

    label: str
    rows: Mapping[str, GpuType]
    values: Mapping[str, str]

    def labels(self, gpu_type: str) -> dict[str, str]:
        """Returns what nodes of a type carry, and what a pod that wants one selects."""
        return {self.label: self.values[gpu_type]}


def _nvidia(name: str, product: str, *, gpus_per_node: int, gpu_memory_gib: int) -> GpuType:
    return GpuType(
        name=name,
        instance_type=product,
        vendor="nvidia",
        gpus_per_node=gpus_per_node,
        gpu_memory_gib=gpu_memory_gib,
        resource_name="nvidia.com/gpu",
        taint_key="nvidia.com/gpu",
        # A machine of one's own is paid for once, whether it works or not.
        usd_per_hour=0.0,
    )


# `instance_type` is what the label above says on nodes of this type.
GPU_TYPES: dict[str, GpuType] = {
    row.name: row
    for row in (
        _nvidia("t4", "Tesla-T4", gpus_per_node=1, gpu_memory_gib=16),
        _nvidia("l4", "NVIDIA-L4", gpus_per_node=1, gpu_memory_gib=24),
        _nvidia("a10", "NVIDIA-A10", gpus_per_node=1, gpu_memory_gib=24),
        _nvidia("l40s", "NVIDIA-L40S", gpus_per_node=4, gpu_memory_gib=48),
        _nvidia("a100", "NVIDIA-A100-SXM4-80GB", gpus_per_node=8, gpu_memory_gib=80),
        _nvidia("h100", "NVIDIA-H100-80GB-HBM3", gpus_per_node=8, gpu_memory_gib=80),
    )
}

GPU_TABLE = GpuTable(GPU_PRODUCT_LABEL, GPU_TYPES, {name: row.instance_type for name, row in GPU_TYPES.items()})
