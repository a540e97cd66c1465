"""Ends the machines that Karpenter made for a cluster whose environment has ended.

They are in no node group. Karpenter itself went with the groups, on whose nodes it runs, so nothing makes new ones.
"""

from collections.abc import Mapping
from typing import Any, cast

__all__ = ["end_machines", "handler"]

# EC2 takes a thousand at once; of fewer, fewer stay when one of them cannot go.
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
    for first in range(0, len(found), _AT_ONCE):
        machines.terminate_instances(InstanceIds=found[first : first + _AT_ONCE])
    print(f"{cluster}: ended {', '.join(found) or 'nothing, there was no machine of Karpenter'}")
    return found
