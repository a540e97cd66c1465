"""Who may talk to whom, and what the world sees."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.addresses import is_open
from policies.kubernetes import annotations, kind_of, labels, model_pods, namespace, object_name
from policies.resource import Resource, at, number, rows, texts
from policies.rule import KUBERNETES, Context, Scope, Severity, rule
from policies.unknown import Undecidable

__all__ = ["default_deny", "gateway_only"]

_NONE: Mapping[str, Any] = {}
_POLICY = "kubernetes:networking.k8s.io:NetworkPolicy"
# What the label or tag of the one thing that may be exposed says.
_COMPONENT, _GATEWAY = "app.kubernetes.io/component", "gateway"
_CERTIFICATE = "service.beta.kubernetes.io/aws-load-balancer-ssl-cert"
_NEGOTIATION = "service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy"
_TLS_POLICY = re.compile(r"ELBSecurityPolicy-(TLS13-1-[23]|TLS-1-2|FS-1-2)[\w-]*")

_NAMESPACE = Resource("kubernetes:core/v1:Namespace", "models", {"metadata": {"name": "models"}})


def _deny(kinds: list[str]) -> Resource:
    spec: Mapping[str, Any] = {"podSelector": {}, "policyTypes": kinds}
    props = {"metadata": {"name": "deny", "namespace": "models"}, "spec": spec}
    return Resource("kubernetes:networking.k8s.io/v1:NetworkPolicy", "deny", props)


@rule(
    "ML008",
    "default-deny network",
    severity=Severity.HIGH,
    types=(KUBERNETES,),
    scope=Scope.STACK,
    fix="Add a NetworkPolicy with an empty podSelector, policyTypes Ingress and Egress and no rules; name each edge "
    "in a policy of its own.",
    passing=(_NAMESPACE, _deny(["Ingress", "Egress"])),
    failing=(_NAMESPACE, _deny(["Ingress"])),
)
def default_deny(resource: Resource, context: Context) -> Iterator[str]:
    """Every namespace denies all traffic in both directions, and every policy that allows some names both ends."""
    if kind_of(resource).removesuffix("Patch") == "NetworkPolicy":
        yield from _open_edges(resource.props.get("spec") or _NONE)
    elif resource.type.endswith(":Namespace"):
        name = object_name(resource)
        if not context.settings.is_system(name) and not _denied(str(name), context):
            yield f"namespace {name!r} has no default-deny NetworkPolicy for Ingress and Egress"
    elif any(model_pods(resource, context)):
        where = namespace(resource)
        owned = any(object_name(one) == where for one in context.stack.of("kubernetes:core:Namespace"))
        if owned or _denied(where, context):
            return
        if where == "default":
            yield "namespace 'default' has no default-deny NetworkPolicy, expected a namespace of its own"
        else:
            raise Undecidable(f"namespace {where!r} is not in this stack, expected its default-deny NetworkPolicy")


def _denied(name: str, context: Context) -> bool:
    denied: set[str] = set()
    for policy in context.stack.of(_POLICY):
        if namespace(policy) != name:
            continue
        spec = policy.props.get("spec") or _NONE
        selector = spec.get("podSelector") or _NONE
        if not any(selector.get(key) for key in ("matchLabels", "matchExpressions")):
            for kind, key in (("Ingress", "ingress"), ("Egress", "egress")):
                if kind in rows(spec.get("policyTypes")) and not rows(spec.get(key)):
                    denied.add(kind)
    return len(denied) == 2


def _open_edges(spec: Mapping[str, Any]) -> Iterator[str]:
    for key, end in (("ingress", "from"), ("egress", "to")):
        ranges: list[str] = []
        for index, edge in enumerate(rows(spec.get(key))):
            peers = rows(edge.get(end))
            if not peers:
                yield f"{key}.{index} allows everybody, expected `{end}`"
            for peer in peers:
                if is_open([cidr := at(peer, "ipBlock", "cidr")]):
                    yield f"{key}.{index} allows {cidr}, expected named addresses"
                else:
                    ranges += texts(cidr)
                selectors = [peer[name] for name in ("namespaceSelector", "podSelector") if peer.get(name) is not None]
                if "namespaceSelector" in peer and all(_selects_all(one) for one in selectors):
                    yield f"{key}.{index} allows every namespace, expected a named one"
        # Cut into pieces it is the Internet still.
        if is_open(ranges):
            yield f"{key} allows {len(ranges)} ranges that are too much together, expected named addresses"


def _selects_all(selector: Any) -> bool:
    return not at(selector, "matchLabels") and not at(selector, "matchExpressions")


@rule(
    "ML011",
    "only the gateway is exposed",
    severity=Severity.HIGH,
    types=(
        "kubernetes:core/v1:Service",
        "kubernetes:core/v1:ServicePatch",
        "kubernetes:networking.k8s.io/v1:Ingress",
        "kubernetes:networking.k8s.io/v1:IngressPatch",
        "kubernetes:gateway.networking.k8s.io/*",
        "kubernetes:gateway.envoyproxy.io/*",
        "aws:lb/loadBalancer:LoadBalancer",
        "aws:lb/listener:Listener",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    ),
    fix=f"Route through the Gateway, listen with TLS 1.2 or newer, and mark what is its own {_COMPONENT}: {_GATEWAY}.",
    passing={"spec": {"type": "ClusterIP"}},
    failing={"spec": {"type": "LoadBalancer"}},
)
def gateway_only(resource: Resource, _context: Context) -> Iterator[str]:
    """Nothing but the gateway is reachable from outside, and what reaches it is encrypted with TLS 1.2 or newer."""
    kind = kind_of(resource).removesuffix("Patch")
    spec = resource.props.get("spec") or _NONE
    if kind == "Service":
        yield from _service(resource, spec)
    elif kind == "Ingress":
        yield "an Ingress exposes services, expected an HTTPRoute of the Gateway"
    elif kind == "Gateway":
        yield from _gateway(resource, spec)
    elif kind == "ClientTrafficPolicy":
        version = at(spec, "tls", "minVersion")
        if version not in (None, "1.2", "1.3"):
            yield f"tls.minVersion is {version!r}, expected 1.2 or 1.3"
    elif kind == "LoadBalancer":
        if resource.props.get("internal") is not True and not _tagged(resource):
            yield f"internal is {resource.props.get('internal')!r}, expected True"
    elif kind == "Listener":
        yield from _listener(resource.props)
    elif kind.startswith("SecurityGroup"):
        yield from _security_group(resource)


def _service(resource: Resource, spec: Mapping[str, Any]) -> Iterator[str]:
    if labels(resource).get(_COMPONENT) == _GATEWAY:
        return
    if spec.get("type") in ("LoadBalancer", "NodePort"):
        yield f"type is {spec['type']}, expected ClusterIP"
    if addresses := [*rows(spec.get("externalIPs"))]:
        yield f"externalIPs are {addresses}, expected none"


def _gateway(resource: Resource, spec: Mapping[str, Any]) -> Iterator[str]:
    # A load balancer in front may end TLS; then it says with which certificate and policy.
    outside = {**annotations(resource), **(at(spec, "infrastructure", "annotations") or _NONE)}
    ended = outside.get(_CERTIFICATE) and _TLS_POLICY.fullmatch(str(outside.get(_NEGOTIATION)))
    for listener in rows(spec.get("listeners")):
        name, protocol = listener.get("name"), listener.get("protocol")
        if protocol in ("HTTPS", "TLS"):
            mode = at(listener, "tls", "mode") or "Terminate"
            if mode == "Terminate" and not rows(at(listener, "tls", "certificateRefs")):
                yield f"listener {name!r} names no certificateRefs, expected a certificate"
        elif not ended:
            yield f"listener {name!r} has protocol {protocol!r}, expected HTTPS"


def _listener(props: Mapping[str, Any]) -> Iterator[str]:
    protocol = props.get("protocol")
    actions = rows(props.get("defaultActions"))
    if (
        protocol == "HTTP"
        and actions
        and all(
            action.get("type") == "redirect" and at(action, "redirect", "protocol") == "HTTPS" for action in actions
        )
    ):
        return
    if protocol not in ("HTTPS", "TLS"):
        yield f"protocol is {protocol!r}, expected HTTPS or TLS"
    elif not _TLS_POLICY.fullmatch(str(props.get("sslPolicy"))):
        yield f"sslPolicy is {props.get('sslPolicy')!r}, expected one of TLS 1.2 or newer"


def _security_group(resource: Resource) -> Iterator[str]:
    props = resource.props
    if props.get("type") == "egress":
        return
    open_to: list[Any] = []
    for edge in rows(props.get("ingress")) if "ingress" in props else (props,):
        only_tls = number(edge.get("fromPort")) == number(edge.get("toPort")) == 443
        if not (only_tls and _tagged(resource)):
            open_to += [*rows(edge.get("cidrBlocks")), *rows(edge.get("ipv6CidrBlocks"))]
            open_to += [edge.get("cidrIpv4"), edge.get("cidrIpv6")]
    if is_open(open_to):
        shown = next((cidr for cidr in open_to if is_open([cidr])), "ranges that are too much together")
        yield f"ingress is open to {shown}, expected only port 443 of the gateway"


def _tagged(resource: Resource) -> bool:
    return (resource.props.get("tags") or _NONE).get(_COMPONENT) == _GATEWAY
