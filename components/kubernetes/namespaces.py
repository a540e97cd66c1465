"""Namespaces, each with the Pod Security Standard that it enforces at one version of Kubernetes."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import pulumi
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

__all__ = ["PodSecurity", "namespace"]


class PodSecurity(StrEnum):
    """What pods of a namespace may do; all but `restricted` is for third parties that need the node itself."""

    RESTRICTED = "restricted"
    BASELINE = "baseline"
    PRIVILEGED = "privileged"


def namespace(
    name: str,
    level: PodSecurity,
    version: str,
    labels: Mapping[str, str],
    parent: pulumi.Resource,
    *,
    keeps_data: bool = False,
    waits: Sequence[pulumi.Resource] = (),
) -> Namespace:
    """Returns a namespace that refuses pods below `level`.

    Args:
        name: its name, also the resource's.
        level: the Pod Security Standard.
        version: the Kubernetes version whose text of it counts: `latest` would change with the cluster.
        labels: its labels.
        parent: the part it belongs to.
        keeps_data: whether something in it must not be lost: what is in a namespace goes with it.
        waits: what must be there first, and until the namespace and all in it are gone.
    """
    enforced = {
        "pod-security.kubernetes.io/enforce": str(level),
        "pod-security.kubernetes.io/enforce-version": version,
    }
    return Namespace(
        name,
        metadata=ObjectMetaArgs(name=name, labels={**labels, **enforced}),
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=list(waits), protect=keeps_data, retain_on_delete=keeps_data
        ),
    )
