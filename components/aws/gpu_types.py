"""The GPU types of this target: one row is one instance type, and everything that knows about GPUs reads it."""

from components.kubernetes.gpu_types import GpuTable
from shipway.contract.environment import GpuType

__all__ = ["AWS_GPU_TABLE", "GPU_TYPE_LABEL"]

# Node groups and Karpenter put it on nodes, also before the first node is there: a pool can scale from nothing.
GPU_TYPE_LABEL = "shipway/gpu-type"


def _nvidia(name: str, instance_type: str, *, gpus_per_node: int, gpu_memory_gib: int, usd_per_hour: float) -> GpuType:
    return GpuType(
        name=name,
        instance_type=instance_type,
        vendor="nvidia",
        gpus_per_node=gpus_per_node,
        gpu_memory_gib=gpu_memory_gib,
        resource_name="nvidia.com/gpu",
        taint_key="nvidia.com/gpu",
        usd_per_hour=usd_per_hour,
    )


# A name that another target has too is the same GPU there. List prices of Linux on demand in us-east-1, from the EC2
# on-demand price list, 2025-06 (after the P4 and P5 families became cheaper).
_ROWS = (
    _nvidia("t4", "g4dn.xlarge", gpus_per_node=1, gpu_memory_gib=16, usd_per_hour=0.526),
    _nvidia("t4-x4", "g4dn.12xlarge", gpus_per_node=4, gpu_memory_gib=16, usd_per_hour=3.912),
    _nvidia("a10g", "g5.2xlarge", gpus_per_node=1, gpu_memory_gib=24, usd_per_hour=1.212),
    _nvidia("a10g-x4", "g5.12xlarge", gpus_per_node=4, gpu_memory_gib=24, usd_per_hour=5.672),
    _nvidia("l4", "g6.2xlarge", gpus_per_node=1, gpu_memory_gib=24, usd_per_hour=0.9776),
    _nvidia("l4-x4", "g6.12xlarge", gpus_per_node=4, gpu_memory_gib=24, usd_per_hour=4.6016),
    _nvidia("l40s", "g6e.2xlarge", gpus_per_node=1, gpu_memory_gib=48, usd_per_hour=2.24208),
    _nvidia("l40s-x4", "g6e.12xlarge", gpus_per_node=4, gpu_memory_gib=48, usd_per_hour=10.49264),
    _nvidia("a100-40gb", "p4d.24xlarge", gpus_per_node=8, gpu_memory_gib=40, usd_per_hour=21.957642),
    _nvidia("a100", "p4de.24xlarge", gpus_per_node=8, gpu_memory_gib=80, usd_per_hour=27.447051),
    _nvidia("h100", "p5.48xlarge", gpus_per_node=8, gpu_memory_gib=80, usd_per_hour=55.04),
    _nvidia("h200", "p5en.48xlarge", gpus_per_node=8, gpu_memory_gib=141, usd_per_hour=63.296),
)

AWS_GPU_TABLE = GpuTable(GPU_TYPE_LABEL, {row.name: row for row in _ROWS}, {row.name: row.name for row in _ROWS})
