"""Network policies: nothing may talk to anything, except along edges that are named here."""

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import (
    IPBlockArgs,
    NetworkPolicy,
    NetworkPolicyEgressRuleArgs,
    NetworkPolicyIngressRuleArgs,
    NetworkPolicyPeerArgs,
    NetworkPolicyPortArgs,
    NetworkPolicySpecArgs,
)

__all__ = ["addresses", "allow", "deny_all", "from_peer", "name_service", "pods", "to_peer"]


def pods(namespace: str, labels: Mapping[str, str] | None = None) -> NetworkPolicyPeerArgs:
    """Returns the pods of a namespace, or those of them with `labels`."""
    return NetworkPolicyPeerArgs(
        namespace_selector=LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": namespace}),
        pod_selector=LabelSelectorArgs(match_labels=dict(labels)) if labels else None,
    )


def addresses(address_range: str) -> NetworkPolicyPeerArgs:
    """Returns what lies outside the cluster, in `address_range`."""
    return NetworkPolicyPeerArgs(ip_block=IPBlockArgs(cidr=address_range))


def from_peer(peer: NetworkPolicyPeerArgs, *ports: int) -> NetworkPolicyIngressRuleArgs:
    """Returns the edge from `peer` to these ports of the pods."""
    return NetworkPolicyIngressRuleArgs(from_=[peer], ports=[_tcp(port) for port in ports])


def to_peer(peer: NetworkPolicyPeerArgs, *ports: int) -> NetworkPolicyEgressRuleArgs:
    """Returns the edge from the pods to these ports of `peer`."""
    return NetworkPolicyEgressRuleArgs(to=[peer], ports=[_tcp(port) for port in ports])


def name_service() -> NetworkPolicyEgressRuleArgs:
    """Returns the edge to the cluster's name service, which everything else needs first."""
    udp = NetworkPolicyPortArgs(port=53, protocol="UDP")
    return NetworkPolicyEgressRuleArgs(to=[pods("kube-system", {"k8s-app": "kube-dns"})], ports=[udp, _tcp(53)])


def deny_all(name: str, namespace: str, labels: Mapping[str, str], opts: pulumi.ResourceOptions) -> NetworkPolicy:
    """Returns the policy that leaves every pod of a namespace alone, until another one names an edge."""
    return NetworkPolicy(
        name,
        metadata=ObjectMetaArgs(name="deny-all", namespace=namespace, labels=dict(labels)),
        spec=NetworkPolicySpecArgs(pod_selector=LabelSelectorArgs(), policy_types=["Ingress", "Egress"]),
        opts=opts,
    )


def allow(
    name: str,
    metadata: ObjectMetaArgs,
    selector: Mapping[str, str],
    *,
    ingress: Sequence[NetworkPolicyIngressRuleArgs],
    egress: Sequence[NetworkPolicyEgressRuleArgs],
    opts: pulumi.ResourceOptions,
) -> NetworkPolicy:
    """Returns the policy that lets the pods of `selector` talk along these edges and no others."""
    return NetworkPolicy(
        name,
        metadata=metadata,
        spec=NetworkPolicySpecArgs(
            pod_selector=LabelSelectorArgs(match_labels=dict(selector)),
            policy_types=["Ingress", "Egress"],
            ingress=list(ingress),
            egress=list(egress),
        ),
        opts=opts,
    )


def _tcp(port: int) -> NetworkPolicyPortArgs:
    return NetworkPolicyPortArgs(port=port, protocol="TCP")
