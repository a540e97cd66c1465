"""The GPU types of this target, made of the machines that the contract lists: one row there is one type here."""

from components.kubernetes.gpu_types import GpuTable
from shipway.contract.environment import GpuType
from shipway.contract.machines import AWS_GPU_MACHINES

__all__ = ["AWS_GPU_TABLE", "GPU_TYPE_LABEL"]

# Node groups and Karpenter put it on nodes, also before the first node is there: a pool can scale from nothing.
GPU_TYPE_LABEL = "shipway/gpu-type"

_ROWS = {
    name: GpuType(
        name=name,
        instance_type=machine.instance_type,
        vendor="nvidia",
        gpus_per_node=machine.gpus,
        gpu_memory_gib=machine.gpu_memory_gib,
        resource_name="nvidia.com/gpu",
        taint_key="nvidia.com/gpu",
        usd_per_hour=machine.usd_per_hour,
    )
    for name, machine in AWS_GPU_MACHINES.items()
}

AWS_GPU_TABLE = GpuTable(GPU_TYPE_LABEL, _ROWS, {name: name for name in _ROWS})
