"""The machines without GPUs that pools can be made of, as the contract lists them, and where AWS has them."""

from collections.abc import Mapping

from shipway.contract.machines import AWS_CPU_MACHINES

__all__ = ["CPU_TYPES", "OFFERED", "offered_in"]

CPU_TYPES = AWS_CPU_MACHINES

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
