"""Addons: what EKS itself installs, at pinned versions, in two steps: before there are nodes and after."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import eks

from components.aws.account import Account
from components.aws.identity import pod_identity
from components.aws.tags import tags
from shipway.contract.cluster import cluster_name
from shipway.contract.environment import EnvironmentSpec

__all__ = ["AFTER_NODES", "BEFORE_NODES", "Addon", "Addons"]

_NAMESPACE = "kube-system"


@dataclass(frozen=True)
class Addon:
    """One add-on.

    Args:
        name: as EKS knows it.
        part, service_account: whose rows of the grants its pods get, and as whom; none for most.
        settings: what differs from its defaults.
    """

    name: str
    part: str | None = None
    service_account: str = ""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])


# Without an address no pod starts, without an identity the CNI gives none: a node is ready only with these.
BEFORE_NODES = (
    Addon("eks-pod-identity-agent"),
    Addon("kube-proxy"),
    # Nothing else on the node enforces a network policy.
    Addon("vpc-cni", "vpc-cni", "aws-node", {"enableNetworkPolicy": "true"}),
)
# They run on nodes, and EKS waits until they do.
AFTER_NODES = (
    Addon("coredns"),
    Addon("metrics-server"),
    Addon("aws-ebs-csi-driver", "ebs-csi", "ebs-csi-controller-sa"),
)


class Addons(pulumi.ComponentResource):
    """The add-ons of one step."""

    # All of them: what comes next waits for each.
    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        addons: Sequence[Addon],
        *,
        values: Mapping[str, pulumi.Input[str]],
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:aws:Addons", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(waits))
        versions = Account.of(environment).spec.addons.by_name()
        ready: list[pulumi.Resource] = []
        for addon in addons:
            identified = child
            if addon.part is not None:
                identity = pod_identity(
                    addon.part,
                    addon.part,
                    environment,
                    namespace=_NAMESPACE,
                    service_account=addon.service_account,
                    values=values,
                    opts=child,
                )
                identified = pulumi.ResourceOptions(parent=self, depends_on=[identity])
            ready.append(
                eks.Addon(
                    f"{name}-{addon.name}",
                    cluster_name=cluster_name(environment),
                    addon_name=addon.name,
                    addon_version=versions[addon.name],
                    configuration_values=json.dumps(addon.settings) if addon.settings else None,
                    resolve_conflicts_on_create="OVERWRITE",
                    # What somebody changed by hand is put right.
                    resolve_conflicts_on_update="OVERWRITE",
                    tags=tags(environment),
                    opts=identified,
                )
            )
        self.ready = ready
        self.register_outputs({})
