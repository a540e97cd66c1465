"""Pods as this platform runs them: restricted, from a read-only root, and unable to ask the cluster anything."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ConfigMapVolumeSourceArgs,
    ContainerArgs,
    CSIVolumeSourceArgs,
    EmptyDirVolumeSourceArgs,
    EnvVarArgs,
    KeyToPathArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecretVolumeSourceArgs,
    SecurityContextArgs,
    TolerationArgs,
    TopologySpreadConstraintArgs,
    VolumeArgs,
    VolumeMountArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

__all__ = [
    "Mount",
    "config_files",
    "config_marked",
    "csi_files",
    "pod_template",
    "resources",
    "scratch",
    "secret_files",
]

# Any user but root; the images make no difference between users.
_USER = 10001
_TEMPORARY = "/tmp"  # noqa: S108 - an emptyDir of each pod alone


@dataclass(frozen=True)
class Mount:
    """A volume of a pod and where its container sees it."""

    volume: VolumeArgs
    mount: VolumeMountArgs


def scratch(name: str, path: str, size_mib: int) -> Mount:
    """Returns a folder that lives as long as the pod; a pod that fills it is evicted, not the node's disk full."""
    return Mount(
        VolumeArgs(name=name, empty_dir=EmptyDirVolumeSourceArgs(size_limit=f"{size_mib}Mi")),
        VolumeMountArgs(name=name, mount_path=path),
    )


def secret_files(secret: str, path: str, only: Sequence[str] = ()) -> Mount:
    """Returns a Secret as files: a variable would show in every dump of the process's environment.

    Args:
        secret: its name.
        path: the folder of its files.
        only: the keys that the pod may see; all by default.
    """
    items = [KeyToPathArgs(key=key, path=key) for key in only] or None
    source = SecretVolumeSourceArgs(secret_name=secret, default_mode=0o440, items=items)
    return Mount(
        VolumeArgs(name=secret, secret=source),
        VolumeMountArgs(name=secret, mount_path=path, read_only=True),
    )


def csi_files(provider_class: str, path: str) -> Mount:
    """Returns what a SecretProviderClass of the pod's namespace names, as files."""
    source = CSIVolumeSourceArgs(
        driver="secrets-store.csi.k8s.io",
        read_only=True,
        volume_attributes={"secretProviderClass": provider_class},
    )
    return Mount(
        VolumeArgs(name=provider_class, csi=source),
        VolumeMountArgs(name=provider_class, mount_path=path, read_only=True),
    )


def config_files(config_map: str, path: str) -> Mount:
    """Returns a ConfigMap as files."""
    return Mount(
        VolumeArgs(name=config_map, config_map=ConfigMapVolumeSourceArgs(name=config_map)),
        VolumeMountArgs(name=config_map, mount_path=path, read_only=True),
    )


def config_marked(config: str) -> dict[str, str]:
    """Returns the annotation by which pods that read `config` once, at their start, are started anew with another."""
    return {"shipway/config": hashlib.sha256(config.encode()).hexdigest()[:12]}


def resources(cpu_millicores: int, memory_mib: int, gpus: Mapping[str, int] | None = None) -> ResourceRequirementsArgs:
    """Returns requests and limits of a container.

    Memory is limited to what was requested, so no pod lives on memory that another one was promised. CPU has no limit:
    a throttled model is slow while the node idles. GPUs cannot be shared, so limit and request are one number.

    Args:
        cpu_millicores, memory_mib: what the pod needs.
        gpus: resource name -> count, of a pod that needs GPUs.
    """
    whole = {"memory": f"{memory_mib}Mi", **{name: str(count) for name, count in (gpus or {}).items()}}
    return ResourceRequirementsArgs(requests={"cpu": f"{cpu_millicores}m", **whole}, limits=whole)


def pod_template(
    *,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    service_account: str,
    container: ContainerArgs,
    mounts: Sequence[Mount],
    first: ContainerArgs | None = None,
    annotations: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    temporary_mib: int = 256,
    grace_seconds: int = 30,
    asks_cluster: bool = False,
    node_selector: Mapping[str, str] | None = None,
    tolerations: Sequence[TolerationArgs] = (),
    restart_policy: str = "Always",
) -> PodTemplateSpecArgs:
    """Returns a pod of one container, and maybe one that runs first, that fulfils the restricted Pod Security Standard.

    Args:
        labels: the pod's labels.
        selector: those of them that tell its replicas from other pods: they are spread over zones and nodes.
        service_account: whose identity it has.
        container: what runs; its mounts and variables are added here.
        mounts: its volumes, besides one for temporary files.
        first: what has to succeed before `container` starts; it gets the same mounts and variables.
        annotations: the pod's annotations.
        variables: its environment; nothing in it is secret.
        temporary_mib: how much it may write to temporary files.
        grace_seconds: from the signal to end until the kill, the preStop delay included.
        asks_cluster: whether it gets a token for the API server.
        node_selector, tolerations: of a pod that needs certain nodes.
        restart_policy: `Never` for a job's.
    """
    mounts = (*mounts, scratch("tmp", _TEMPORARY, temporary_mib))
    for one in (container, first) if first else (container,):
        _furnish(one, mounts, variables or {})
    return PodTemplateSpecArgs(
        metadata=ObjectMetaArgs(labels=dict(labels), annotations=dict(annotations) if annotations else None),
        spec=PodSpecArgs(
            service_account_name=service_account,
            automount_service_account_token=asks_cluster,
            enable_service_links=False,
            security_context=_pod_security(),
            init_containers=[first] if first else None,
            containers=[container],
            volumes=[mount.volume for mount in mounts],
            termination_grace_period_seconds=grace_seconds,
            topology_spread_constraints=[
                _spread(key, selector) for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
            ],
            node_selector=dict(node_selector) if node_selector else None,
            tolerations=list(tolerations) or None,
            restart_policy=restart_policy,
        ),
    )


def _furnish(container: ContainerArgs, mounts: Sequence[Mount], variables: Mapping[str, str]) -> None:
    container.security_context = _container_security()
    container.volume_mounts = [mount.mount for mount in mounts]
    container.env = [
        # The images know no user of this number, so its home would be the read-only root.
        EnvVarArgs(name="HOME", value=_TEMPORARY),
        *(EnvVarArgs(name=name, value=value) for name, value in variables.items()),
    ]


def _container_security() -> SecurityContextArgs:
    return SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        run_as_non_root=True,
        capabilities=CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
    )


def _pod_security() -> PodSecurityContextArgs:
    return PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=_USER,
        run_as_group=_USER,
        # Secrets' files are read by their group.
        fs_group=_USER,
        seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
    )


def _spread(key: str, selector: Mapping[str, str]) -> TopologySpreadConstraintArgs:
    # Not a must: a cluster of one zone, or with a zone down, still runs the model.
    return TopologySpreadConstraintArgs(
        max_skew=1,
        topology_key=key,
        when_unsatisfiable="ScheduleAnyway",
        label_selector=LabelSelectorArgs(match_labels=dict(selector)),
    )
