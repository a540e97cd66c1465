"""What adds and removes a slot's pods: the cluster's own autoscaler on CPU, or KEDA on requests; how they change."""

from collections.abc import Sequence
from pathlib import Path

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import DeploymentStrategyArgs, RollingUpdateDeploymentArgs
from pulumi_kubernetes.autoscaling.v2 import (
    CrossVersionObjectReferenceArgs,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpecArgs,
    MetricSpecArgs,
    MetricTargetArgs,
    ResourceMetricSourceArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.services import Headroom, Service
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.kubeconfig import cluster_of
from shipway.contract.metrics import MODELS_JOB, REQUESTS_TOTAL, Slot
from shipway.contract.model import ModelSpec, ResourceSpec

__all__ = ["refuse_missing_scaler", "replacing", "scaler", "strategy"]

# Above it a replica is added. CPU also moves with a GPU model's requests, and no cluster needs an adapter for it.
_CPU_PERCENT = 70


def refuse_missing_scaler(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Refuses a model that scales on its requests where nothing can do that.

    Raises:
        SpecError: naming the model's key and the environment's.
    """
    cluster, path = cluster_of(root, environment), environment_path(root, environment.name)
    for service in services:
        asked = service.spec.resources.requests_per_second
        if asked is not None and not cluster.keda_installed:
            where = service.folder / "model.yaml"
            expected = f"nothing, or kubernetes.keda_installed in {path}: only KEDA scales on requests"
            raise SpecError(where, "resources.requests_per_second", asked, expected)


def replacing(resources: ResourceSpec, room: Headroom | None) -> tuple[int, int | str]:
    """Returns how many pods of a slot may be too many, and too few, while they change: `maxSurge`, `maxUnavailable`.

    Nodes for pods without a GPU come with them, so the old pod stays until the new one answers. A pool of GPUs may be
    full, and a new pod that waits for the GPU of the old one, which waits for the new one, waits for ever:

    - of several replicas one may go first, as its disruption budget lets a node take one; the others answer. That does
      not depend on what is counted as free, of which autoscalers may have taken some.
    - a single one goes first only where there is no room beside it: else it would leave nobody to answer for nothing.
      Where it scales, half of them may go: none of one, and one of two that have taken the room.
    """
    if resources.gpu_type is None or room is None:
        return 1, 0
    if resources.min_replicas > 1:
        return 1, 1
    if not room.beside:
        return 0, 1
    return 1, "50%" if resources.max_replicas > 1 else 0


def strategy(resources: ResourceSpec, room: Headroom | None) -> DeploymentStrategyArgs:
    """Returns how a slot's pods change, by `replacing`."""
    surge, unavailable = replacing(resources, room)
    update = RollingUpdateDeploymentArgs(max_surge=surge, max_unavailable=unavailable)
    return DeploymentStrategyArgs(type="RollingUpdate", rolling_update=update)


def scaler(
    spec: ModelSpec,
    slot: Slot,
    name: str,
    metadata: ObjectMetaArgs,
    min_replicas: int,
    prometheus: str,
    opts: pulumi.ResourceOptions,
) -> None:
    """Builds what scales one slot.

    Args:
        spec: the model.
        slot: which of its slots.
        name: of the slot's Deployment.
        metadata: of the slot's objects.
        min_replicas: as many as it begins with.
        prometheus: where requests are counted.
        opts: of the resource.
    """
    if spec.resources.requests_per_second is not None:
        CustomResource(
            f"{name}-autoscaler",
            api_version="keda.sh/v1alpha1",
            kind="ScaledObject",
            metadata=metadata,
            spec=_scaled_object(name, spec, slot, min_replicas, prometheus),
            opts=opts,
        )
        return
    HorizontalPodAutoscaler(
        f"{name}-autoscaler",
        metadata=metadata,
        spec=_autoscaler(name, min_replicas, spec.resources.max_replicas),
        # Delivery keeps the idle slot as warm as the live one.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["spec.minReplicas"])),
    )


def _autoscaler(name: str, min_replicas: int, max_replicas: int) -> HorizontalPodAutoscalerSpecArgs:
    target = MetricTargetArgs(type="Utilization", average_utilization=_CPU_PERCENT)
    return HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=CrossVersionObjectReferenceArgs(api_version="apps/v1", kind="Deployment", name=name),
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        metrics=[MetricSpecArgs(type="Resource", resource=ResourceMetricSourceArgs(name="cpu", target=target))],
    )


def _scaled_object(name: str, spec: ModelSpec, slot: Slot, min_replicas: int, prometheus: str) -> dict[str, object]:
    asked = f'sum(rate({REQUESTS_TOTAL}{{job="{MODELS_JOB}",model="{spec.name}",slot="{slot}"}}[1m]))'
    trigger = {"serverAddress": prometheus, "query": asked, "threshold": f"{spec.resources.requests_per_second:g}"}
    return {
        "scaleTargetRef": {"name": name},
        "minReplicaCount": min_replicas,
        "maxReplicaCount": spec.resources.max_replicas,
        # Without Prometheus nobody knows what is asked: no pod goes then.
        "fallback": {"failureThreshold": 3, "replicas": min_replicas, "behavior": "currentReplicasIfHigher"},
        "triggers": [{"type": "prometheus", "metadata": trigger}],
    }
