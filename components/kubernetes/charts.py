"""The third-party charts the platform can bring, each at one pinned version, and how they are installed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

__all__ = [
    "CLOUDNATIVE_PG",
    "ENVOY_GATEWAY",
    "GPU_OPERATOR",
    "KUBE_PROMETHEUS_STACK",
    "POLICY_CONTROLLER",
    "VALKEY",
    "Chart",
    "install",
]

# Images of several GiB, on nodes that may have to start first.
_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Chart:
    """One chart: its name, its exact version and the repository; an OCI chart is named by its whole address."""

    name: str
    version: str
    repository: str | None = None


CLOUDNATIVE_PG = Chart("cloudnative-pg", "0.29.0", "https://cloudnative-pg.github.io/charts")
ENVOY_GATEWAY = Chart("oci://docker.io/envoyproxy/gateway-helm", "v1.9.1")
GPU_OPERATOR = Chart("gpu-operator", "v26.3.3", "https://helm.ngc.nvidia.com/nvidia")
KUBE_PROMETHEUS_STACK = Chart("kube-prometheus-stack", "92.12.0", "https://prometheus-community.github.io/helm-charts")
POLICY_CONTROLLER = Chart("policy-controller", "0.10.8", "https://sigstore.github.io/helm-charts")
# The online store speaks Redis's protocol; this is the chart that Valkey's own project keeps.
VALKEY = Chart("valkey", "0.11.0", "https://valkey.io/valkey-helm/")


def install(
    name: str,
    chart: Chart,
    *,
    release: str,
    namespace: str,
    values: Mapping[str, Any],
    parent: pulumi.Resource,
    waits: Sequence[pulumi.Resource],
    keeps_data: bool = False,
    runs_hooks: bool = True,
) -> Release:
    """Returns the Helm release of a chart; it is complete when its pods are ready and its CRDs are known.

    A Release rather than a Chart: these charts have hooks and jobs, and each is one resource of the stack.

    Args:
        name: the resource's name.
        chart: what to install.
        release: Helm's name for it; it stands in the names of what the chart makes.
        namespace: where, made beforehand.
        values: what differs from the chart's defaults.
        parent: the part it belongs to.
        waits: what must be there first.
        keeps_data: whether it holds what must not be lost: then it is not removed by mistake.
        runs_hooks: whether what the chart does around its installation and removal is done.
    """
    return Release(
        name,
        chart=chart.name,
        version=chart.version,
        repository_opts=RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
        name=release,
        namespace=namespace,
        create_namespace=False,
        # A failed upgrade goes back by itself; half of an operator is worse than the one before.
        atomic=True,
        timeout=_TIMEOUT_SECONDS,
        disable_webhooks=not runs_hooks,
        values=dict(values),
        opts=pulumi.ResourceOptions(
            parent=parent, depends_on=list(waits), protect=keeps_data, retain_on_delete=keeps_data
        ),
    )
