"""Ends the machines that Karpenter made for a cluster whose environment has ended.

They are in no node group. Karpenter itself went with the groups, on whose nodes it runs, so nothing makes new ones.
"""

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["end_machines", "handler"]

# EC2 takes a thousand at once.
_AT_ONCE = 50
_ALIVE = ["pending", "running", "stopping", "stopped"]


def handler(event: Mapping[str, str], _context: object) -> list[str]:
    """Returns the machines of `cluster` in the event that it has ended."""
    import boto3  # pyright: ignore[reportMissingTypeStubs]

    return end_machines(event["cluster"], cast(Any, boto3).client("ec2"))


def end_machines(cluster: str, machines: Any) -> list[str]:
    """Returns the machines that it has ended: those that Karpenter has marked as its own for `cluster`.

    Args:
        cluster: its name.
        machines: a client of EC2.

    Raises:
        RuntimeError: when some stay, though all others have ended: Lambda tries again, and counts an error.
    """
    marks = [
        {"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]},
        {"Name": "tag-key", "Values": ["karpenter.sh/nodepool"]},
        {"Name": "instance-state-name", "Values": _ALIVE},
    ]
    pages = machines.get_paginator("describe_instances").paginate(Filters=marks)
    found = [
        str(machine["InstanceId"])
        for page in pages
        for reservation in page["Reservations"]
        for machine in reservation["Instances"]
    ]
    stay: dict[str, str] = {}
    for first in range(0, len(found), _AT_ONCE):
        stay |= _end(found[first : first + _AT_ONCE], machines)
    ended = [one for one in found if one not in stay]
    print(f"{cluster}: ended {', '.join(ended) or 'nothing'}; {len(stay)} stay")
    if stay:
        raise RuntimeError(f"{cluster}: {'; '.join(f'{one} stays: {why}' for one, why in stay.items())}")
    return ended


def _end(names: list[str], machines: Any) -> dict[str, str]:
    """Ends machines and returns which of them stay, and why."""
    try:
        machines.terminate_instances(InstanceIds=names)
    except Exception as error:  # noqa: BLE001 - boto3 makes its errors as it runs
        # Because of one that cannot go EC2 leaves others, or all of a call.
        if len(names) == 1:
            return {names[0]: str(error)}
        return {name: why for one in names for name, why in _end([one], machines).items()}
    return {}
