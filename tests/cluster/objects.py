"""Objects that tests put into a cluster."""

from collections.abc import Mapping
from typing import Any

__all__ = ["GPU", "deployment", "gateway_class", "namespace", "node"]

GPU = "nvidia.com/gpu"


def namespace(name: str) -> dict[str, Any]:
    """Returns a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def gateway_class(name: str) -> dict[str, Any]:
    """Returns a class of gateways, of a controller that nobody runs here."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": name},
        "spec": {"controllerName": "example.com/none"},
    }


def node(name: str, gpus: int = 0, labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Returns a node without a machine; one with GPUs is tainted, as the GPU pools are."""
    capacity = {"cpu": "16", "memory": "64Gi", "pods": "110", **({GPU: str(gpus)} if gpus else {})}
    taints = [{"key": GPU, "value": "present", "effect": "NoSchedule"}] if gpus else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"shipway/pool": "gpu" if gpus else "cpu", **(labels or {})},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": taints},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def deployment(name: str, within: str, *, replicas: int = 1, gpus: int = 0) -> dict[str, Any]:
    """Returns a deployment of one container that asks for `gpus`."""
    labels = {"app": name}
    resources = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {GPU: str(gpus)} if gpus else {}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": within},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{"name": "main", "image": "example.invalid/none", "resources": resources}],
                    "tolerations": [{"key": GPU, "operator": "Exists"}] if gpus else [],
                },
            },
        },
    }
