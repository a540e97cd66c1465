"""What each part of the platform lets its siblings and the services know, the same on every target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import Slot

__all__ = [
    "HANDOVER",
    "AlertingOutputs",
    "DeliveryOutputs",
    "FeatureStoreOutputs",
    "GpuPoolOutputs",
    "ModelOutputs",
    "MonitoringOutputs",
    "PlatformOutputs",
    "RegistryOutputs",
    "RoutingOutputs",
    "ServingOutputs",
    "SlotOutputs",
]

# The output by which the stack of a platform tells the stack of its models what the environment does not say.
HANDOVER = "handover"


@dataclass(frozen=True)
class GpuPoolOutputs:
    """What the pool can hand out to all slots together; None where a cluster's scheduler alone knows."""

    cpu_millicores: int | None
    memory_mib: int | None
    gpus: Mapping[str, int]


@dataclass(frozen=True)
class RegistryOutputs:
    """Where versions are registered and where their bundles lie."""

    tracking_uri: str
    artifacts: str


@dataclass(frozen=True)
class FeatureStoreOutputs:
    """The feature repository, and the resource that a service's views wait for."""

    repository: str
    ready: pulumi.Resource


@dataclass(frozen=True)
class ServingOutputs:
    """What runs the slots: the provider of their resources and the one resource they wait for."""

    provider: pulumi.ProviderResource
    ready: pulumi.Resource


@dataclass(frozen=True)
class AlertingOutputs:
    """Where alerts are sent, as host:port."""

    address: str


@dataclass(frozen=True)
class MonitoringOutputs:
    """Where metrics are asked for."""

    url: str


@dataclass(frozen=True)
class DeliveryOutputs:
    """Where delivery reports its heartbeat."""

    metrics_url: str


@dataclass(frozen=True)
class RoutingOutputs:
    """Where requests go in; a model answers below `<url>/<model>/`."""

    url: str


@dataclass(frozen=True)
class PlatformOutputs:
    """All that a ModelService may know of the platform.

    Args:
        handover: what a stack that holds the models alone is told by reference, and cannot know from the environment.
        cloud: the provider of what a model has outside the cluster, on a target where it has any.
    """

    root: Path
    environment: EnvironmentSpec
    gpu_pool: GpuPoolOutputs
    registry: RegistryOutputs
    feature_store: FeatureStoreOutputs
    serving: ServingOutputs
    alerting: AlertingOutputs
    monitoring: MonitoringOutputs
    delivery: DeliveryOutputs
    routing: RoutingOutputs
    handover: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    cloud: pulumi.ProviderResource | None = None


@dataclass(frozen=True)
class SlotOutputs:
    """Where a slot listens and the digest released into it, empty for none."""

    url: pulumi.Input[str]
    digest: str


@dataclass(frozen=True)
class ModelOutputs:
    """Where one model answers, and its two slots behind that."""

    url: str
    slots: Mapping[Slot, SlotOutputs]
