"""The machines without GPUs that pools can be made of: what they hold, what they cost, and where AWS has them."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CPU_TYPES", "OFFERED", "CpuType", "offered_in"]


@dataclass(frozen=True)
class CpuType:
    """One machine.

    Args:
        cpus, memory_gib: what it holds, before what the system keeps for itself.
        usd_per_hour: the list price, on demand.
    """

    cpus: int
    memory_gib: int
    usd_per_hour: float


# List prices of Linux on demand in us-east-1, from the EC2 on-demand price list, 2025-06. x86 alone: the platform's
# images are built for nothing else.
CPU_TYPES: Mapping[str, CpuType] = {
    "c6i.xlarge": CpuType(4, 8, 0.17),
    "c6i.2xlarge": CpuType(8, 16, 0.34),
    "c7i.xlarge": CpuType(4, 8, 0.1785),
    "c7i.2xlarge": CpuType(8, 16, 0.357),
    "m6a.large": CpuType(2, 8, 0.0864),
    "m6a.xlarge": CpuType(4, 16, 0.1728),
    "m6a.2xlarge": CpuType(8, 32, 0.3456),
    "m6i.large": CpuType(2, 8, 0.096),
    "m6i.xlarge": CpuType(4, 16, 0.192),
    "m6i.2xlarge": CpuType(8, 32, 0.384),
    "m7i.large": CpuType(2, 8, 0.1008),
    "m7i.xlarge": CpuType(4, 16, 0.2016),
    "m7i.2xlarge": CpuType(8, 32, 0.4032),
    "m7i.4xlarge": CpuType(16, 64, 0.8064),
    "r7i.xlarge": CpuType(4, 32, 0.2646),
    "r7i.2xlarge": CpuType(8, 64, 0.5292),
}

_AMERICA = ("us-east-1", "us-east-2", "us-west-2")
_COMMON = (
    *_AMERICA,
    *("ap-northeast-1", "ap-south-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2"),
)
# Family -> regions that offer it, from the EC2 guide "Instance types by Region", 2025-06. A region that a family is not
# listed for is refused before anything is created, as one where the first node would never start.
OFFERED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("c6i", "c7i", "m6a", "m6i", "m7i", "r7i"), (*_COMMON, "eu-north-1")),
    "g4dn": (*_COMMON, "eu-north-1"),
    "g5": (*_COMMON, "eu-north-1"),
    "g6": (*_AMERICA, "ap-northeast-1", "ap-south-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-2"),
    "g6e": (*_AMERICA, "ap-northeast-1", "eu-central-1", "eu-north-1"),
    "p4d": (*_AMERICA, "ap-northeast-1", "eu-central-1", "eu-west-1"),
    "p4de": ("us-east-1", "us-west-2"),
    "p5": (*_AMERICA, "ap-northeast-1", "ap-south-1", "eu-north-1"),
    "p5en": ("us-east-1", "us-east-2", "us-west-2", "ap-northeast-1"),
}


def offered_in(instance_type: str) -> tuple[str, ...]:
    """Returns the regions that offer an instance type, none for a family that is not in the table."""
    return OFFERED.get(instance_type.partition(".")[0], ())
