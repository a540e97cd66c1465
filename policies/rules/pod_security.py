"""What a model's pod may not do to its node: the Pod Security Standard `restricted`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import Pod, labels, namespace, object_name, pods
from policies.resource import Resource, at, number, rows, truthy
from policies.rule import KUBERNETES, Context, Severity, rule

__all__ = ["namespaces_enforce", "read_only_root", "restricted"]

_NONE: Mapping[str, Any] = {}
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "name",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)
_SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_PROFILES = frozenset({"RuntimeDefault", "Localhost"})
_LABEL = "pod-security.kubernetes.io/enforce"

_SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
_SPEC = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [{"name": "model", "securityContext": _SECURITY}],
}


def _deployment(spec: Mapping[str, Any]) -> tuple[Resource, ...]:
    props = {"metadata": {"namespace": "models"}, "spec": {"template": {"spec": spec}}}
    return (Resource("kubernetes:apps/v1:Deployment", "example", props),)


@rule(
    "ML001",
    "pods are restricted",
    severity=Severity.CRITICAL,
    types=(KUBERNETES,),
    fix="Give the pod the security context of the Pod Security Standard `restricted`.",
    passing=_deployment(_SPEC),
    failing=_deployment({**_SPEC, "hostNetwork": True}),
)
def restricted(resource: Resource, context: Context) -> Iterator[str]:
    """Every pod outside the system namespaces keeps to the Pod Security Standard `restricted`, whatever makes it."""
    if context.settings.is_system(namespace(resource)):
        return
    for pod in pods(resource):
        yield from _of_pod(pod)
        for container in pod.containers:
            for problem in _of_container(pod, container):
                yield f"container {container.get('name')!r}: {problem}"


def _of_pod(pod: Pod) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name):
            yield f"{name} is true, expected false"
    security = pod.spec.get("securityContext") or _NONE
    for sysctl in rows(security.get("sysctls")):
        if sysctl.get("name") not in _SYSCTLS:
            yield f"sysctl {sysctl.get('name')!r} is set, expected a safe one"
    for volume in rows(pod.spec.get("volumes")):
        for kind in volume:
            if kind not in _VOLUMES and volume[kind] is not None:
                yield f"volume {volume.get('name')!r} is a {kind}, expected none that reaches the node"


def _of_container(pod: Pod, container: Mapping[str, Any]) -> Iterator[str]:
    own, shared = container.get("securityContext") or _NONE, pod.spec.get("securityContext") or _NONE
    if own.get("privileged"):
        yield "privileged is true, expected false"
    # A patch leaves out what it does not change; only what it says can be wrong.
    if own.get("allowPrivilegeEscalation", False if pod.partial else None) is not False:
        yield f"allowPrivilegeEscalation is {own.get('allowPrivilegeEscalation')!r}, expected False"
    dropped = at(own, "capabilities", "drop")
    if "ALL" not in [*rows(dropped)] and not (pod.partial and dropped is None):
        yield f"capabilities.drop is {[*rows(dropped)]}, expected ['ALL']"
    if added := [each for each in rows(at(own, "capabilities", "add")) if each != "NET_BIND_SERVICE"]:
        yield f"capabilities.add holds {', '.join(added)}, expected none but NET_BIND_SERVICE"
    non_root = own.get("runAsNonRoot", shared.get("runAsNonRoot", True if pod.partial else None))
    if non_root is not True:
        yield f"runAsNonRoot is {non_root!r}, expected True"
    if number(own.get("runAsUser", shared.get("runAsUser"))) == 0:
        yield "runAsUser is 0, expected another user than root"
    profile = own.get("seccompProfile", shared.get("seccompProfile"))
    if at(profile, "type") not in _PROFILES and not (pod.partial and profile is None):
        yield f"seccompProfile.type is {at(profile, 'type')!r}, expected RuntimeDefault or Localhost"
    if own.get("procMount") not in (None, "Default"):
        yield f"procMount is {own.get('procMount')!r}, expected Default"
    for port in rows(container.get("ports")):
        if port.get("hostPort"):
            yield f"hostPort is {port['hostPort']}, expected none"
    yield from _of_profiles(own, shared)


def _of_profiles(own: Mapping[str, Any], shared: Mapping[str, Any]) -> Iterator[str]:
    for context in (own, shared):
        armor = at(context, "appArmorProfile", "type")
        if armor not in (None, *_PROFILES):
            yield f"appArmorProfile.type is {armor!r}, expected RuntimeDefault or Localhost"
        linux = context.get("seLinuxOptions") or _NONE
        if linux.get("type", "") not in _SELINUX or linux.get("user") or linux.get("role"):
            yield f"seLinuxOptions are {dict(linux)}, expected a container's own type, no user and no role"
        if truthy(at(context, "windowsOptions", "hostProcess")):
            yield "windowsOptions.hostProcess is true, expected false"


@rule(
    "ML002",
    "namespaces enforce it",
    severity=Severity.HIGH,
    types=("kubernetes:core/v1:Namespace", "kubernetes:core/v1:NamespacePatch"),
    fix=f"Label the namespace {_LABEL}: restricted and {_LABEL}-version: v1.NN.",
    passing={"metadata": {"name": "models", "labels": {_LABEL: "restricted", f"{_LABEL}-version": "v1.35"}}},
    failing={"metadata": {"name": "models", "labels": {_LABEL: "restricted", f"{_LABEL}-version": "latest"}}},
)
def namespaces_enforce(resource: Resource, context: Context) -> Iterator[str]:
    """Every namespace but the system's enforces `restricted` at a pinned version: an upgrade changes no meaning."""
    if context.settings.is_system(object_name(resource)):
        return
    # A patch leaves out what it does not change; only what it says can be wrong.
    found, patch = labels(resource), resource.type.endswith("Patch")
    if found.get(_LABEL, "restricted" if patch else None) != "restricted":
        yield f"label {_LABEL} is {found.get(_LABEL)!r}, expected 'restricted'"
    version = found.get(f"{_LABEL}-version", "v1.0" if patch else None)
    if not re.fullmatch(r"v1\.[0-9]+", str(version)):
        yield f"label {_LABEL}-version is {version!r}, expected a pinned one such as 'v1.35'"


@rule(
    "ML003",
    "read-only root",
    severity=Severity.HIGH,
    types=(KUBERNETES,),
    fix="Set readOnlyRootFilesystem and mount an emptyDir with a sizeLimit where the process writes.",
    passing=_deployment({**_SPEC, "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}}]}),
    failing=_deployment({**_SPEC, "volumes": [{"name": "scratch", "emptyDir": {}}]}),
)
def read_only_root(resource: Resource, context: Context) -> Iterator[str]:
    """Every container's root is read-only and every emptyDir has a size: nothing is planted, no disk is filled."""
    if context.settings.is_system(namespace(resource)):
        return
    for pod in pods(resource):
        for container in pod.containers:
            value = at(container, "securityContext", "readOnlyRootFilesystem")
            if value is not True and not (pod.partial and value is None):
                yield f"container {container.get('name')!r}: readOnlyRootFilesystem is {value!r}, expected True"
        for volume in rows(pod.spec.get("volumes")):
            if "emptyDir" in volume and not at(volume, "emptyDir", "sizeLimit"):
                yield f"volume {volume.get('name')!r}: emptyDir has no sizeLimit, expected one"
