"""The machines of AWS that pools can be made of, as data: what one holds and what it costs.

What else a target knows of them, such as where they are offered, is its own. List prices of Linux on demand in
us-east-1, from the EC2 on-demand price list, 2025-06 (after the P4 and P5 families became cheaper).
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["AWS_CPU_MACHINES", "AWS_GPU_MACHINES", "CpuMachine", "GpuMachine"]


@dataclass(frozen=True)
class CpuMachine:
    """A machine without GPUs.

    Args:
        cpus, memory_gib: what it holds, before what the system keeps for itself.
        usd_per_hour: the list price, on demand.
    """

    cpus: int
    memory_gib: int
    usd_per_hour: float


@dataclass(frozen=True)
class GpuMachine:
    """A machine with GPUs of one type.

    Args:
        instance_type: what AWS calls it.
        gpus: how many are in it.
        gpu_memory_gib: what each holds.
        usd_per_hour: the list price of all of it, on demand.
    """

    instance_type: str
    gpus: int
    gpu_memory_gib: int
    usd_per_hour: float


# Instance type -> machine. x86 alone: the platform's images are built for nothing else.
AWS_CPU_MACHINES: Mapping[str, CpuMachine] = {
    "c6i.xlarge": CpuMachine(4, 8, 0.17),
    "c6i.2xlarge": CpuMachine(8, 16, 0.34),
    "c7i.xlarge": CpuMachine(4, 8, 0.1785),
    "c7i.2xlarge": CpuMachine(8, 16, 0.357),
    "m6a.large": CpuMachine(2, 8, 0.0864),
    "m6a.xlarge": CpuMachine(4, 16, 0.1728),
    "m6a.2xlarge": CpuMachine(8, 32, 0.3456),
    "m6i.large": CpuMachine(2, 8, 0.096),
    "m6i.xlarge": CpuMachine(4, 16, 0.192),
    "m6i.2xlarge": CpuMachine(8, 32, 0.384),
    "m7i.large": CpuMachine(2, 8, 0.1008),
    "m7i.xlarge": CpuMachine(4, 16, 0.2016),
    "m7i.2xlarge": CpuMachine(8, 32, 0.4032),
    "m7i.4xlarge": CpuMachine(16, 64, 0.8064),
    "r7i.xlarge": CpuMachine(4, 32, 0.2646),
    "r7i.2xlarge": CpuMachine(8, 64, 0.5292),
}

# GPU type -> machine. A name that another target has too is the same GPU there.
AWS_GPU_MACHINES: Mapping[str, GpuMachine] = {
    "t4": GpuMachine("g4dn.xlarge", 1, 16, 0.526),
    "t4-x4": GpuMachine("g4dn.12xlarge", 4, 16, 3.912),
    "a10g": GpuMachine("g5.2xlarge", 1, 24, 1.212),
    "a10g-x4": GpuMachine("g5.12xlarge", 4, 24, 5.672),
    "l4": GpuMachine("g6.2xlarge", 1, 24, 0.9776),
    "l4-x4": GpuMachine("g6.12xlarge", 4, 24, 4.6016),
    "l40s": GpuMachine("g6e.2xlarge", 1, 48, 2.24208),
    "l40s-x4": GpuMachine("g6e.12xlarge", 4, 48, 10.49264),
    "a100-40gb": GpuMachine("p4d.24xlarge", 8, 40, 21.957642),
    "a100": GpuMachine("p4de.24xlarge", 8, 80, 27.447051),
    "h100": GpuMachine("p5.48xlarge", 8, 80, 55.04),
    "h200": GpuMachine("p5en.48xlarge", 8, 141, 63.296),
}
