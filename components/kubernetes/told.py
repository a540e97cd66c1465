"""What each part tells, from the environment alone: the stack that provisioned it and the models' own stack agree."""

from collections import defaultdict
from collections.abc import Sequence

from components.kubernetes.gpu_types import GpuTable
from components.kubernetes.names import (
    ALERTMANAGER_PORT,
    DELIVERY_METRICS_PORT,
    MLFLOW_PORT,
    PROMETHEUS_PORT,
    ClusterNames,
)
from components.kubernetes.places import MLFLOW
from components.parts import (
    AlertingOutputs,
    DeliveryOutputs,
    GpuPoolOutputs,
    MonitoringOutputs,
    RegistryOutputs,
    RoutingOutputs,
)
from shipway.contract.environment import GpuPoolSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import DELIVERY_JOB

__all__ = [
    "MONITORING_RELEASE",
    "alerting_outputs",
    "delivery_outputs",
    "gpu_pool_outputs",
    "monitoring_outputs",
    "registry_outputs",
    "routing_outputs",
]

# What kube-prometheus-stack is installed as; its Services are called after it.
MONITORING_RELEASE = "monitoring"


def gpu_pool_outputs(pools: Sequence[GpuPoolSpec], table: GpuTable) -> GpuPoolOutputs:
    """Returns the GPUs of all pools at their largest, by type."""
    found: defaultdict[str, int] = defaultdict(int)
    for pool in pools:
        found[pool.gpu_type] += pool.max_nodes * table.rows[pool.gpu_type].gpus_per_node
    return GpuPoolOutputs(cpu_millicores=None, memory_mib=None, gpus=dict(found))


def registry_outputs(names: ClusterNames, cluster: KubernetesSpec) -> RegistryOutputs:
    """Returns where MLflow answers and where bundles lie."""
    url = f"http://{names.service(MLFLOW, names.platform)}:{MLFLOW_PORT}"
    return RegistryOutputs(url, f"{cluster.object_storage.url}/artifacts")


def monitoring_outputs(names: ClusterNames, cluster: KubernetesSpec) -> MonitoringOutputs:
    """Returns where Prometheus is asked."""
    if cluster.monitoring.installed is not None:
        return MonitoringOutputs(cluster.monitoring.installed.prometheus_url)
    prometheus = names.service(f"{MONITORING_RELEASE}-prometheus", names.monitoring)
    return MonitoringOutputs(f"http://{prometheus}:{PROMETHEUS_PORT}")


def alerting_outputs(names: ClusterNames, cluster: KubernetesSpec) -> AlertingOutputs:
    """Returns where alerts are sent."""
    if cluster.monitoring.installed is not None:
        return AlertingOutputs(cluster.monitoring.installed.alertmanager)
    alertmanager = names.service(f"{MONITORING_RELEASE}-alertmanager", names.monitoring)
    return AlertingOutputs(f"{alertmanager}:{ALERTMANAGER_PORT}")


def delivery_outputs(names: ClusterNames) -> DeliveryOutputs:
    """Returns where delivery reports its heartbeat."""
    return DeliveryOutputs(f"http://{names.service(DELIVERY_JOB, names.platform)}:{DELIVERY_METRICS_PORT}/metrics")


def routing_outputs(cluster: KubernetesSpec) -> RoutingOutputs:
    """Returns where requests go in."""
    return RoutingOutputs(f"https://{cluster.gateway.hostname}")
