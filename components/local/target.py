"""The local target: its checks, its parts in order, and a model on them. Only this file sees all siblings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.local import model_service
from components.local.alerting import Alerting
from components.local.delivery import Delivery
from components.local.feature_store import FeatureStore
from components.local.gpu_pool import GpuPool, refuse_overbooking
from components.local.monitoring import Monitoring
from components.local.programs import ALERTMANAGER, AMTOOL, ENVOY, PROMETHEUS, PROMTOOL, program
from components.local.providers.base import Machine
from components.local.registry import Registrar, Registry, refuse_missing_bundles
from components.local.routing import Routing
from components.local.serving import Serving
from components.local.workers import Workers
from components.parts import ModelOutputs, PlatformOutputs
from components.services import Service
from shipway.contract.environment import CpuPoolSpec, EnvironmentSpec, PortsSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.route import read_rollout_states
from shipway.contract.route import served as served_slots

__all__ = ["attach_parts", "build_model", "build_parts", "refuse", "served"]


def refuse(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Raises a ShipwayError for what cannot work here, before the first resource."""
    pool, _ports = _local(root, environment)
    for name in (ENVOY, PROMETHEUS, PROMTOOL, ALERTMANAGER, AMTOOL):
        program(name)
    refuse_overbooking(root, environment.name, pool, services)
    refuse_missing_bundles(LocalLayout(root, environment.name), services)


def served(root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, as the served routes say."""
    return served_slots(read_rollout_states(LocalLayout(root, environment.name).served_routes))


def build_parts(parent: pulumi.Resource, root: Path, environment: EnvironmentSpec) -> PlatformOutputs:
    """Builds the parts in order; each is told of those before it that it needs."""
    layout = LocalLayout(root, environment.name)
    pool, ports = _local(root, environment)
    machine = Machine("machine", pulumi.ResourceOptions(parent=parent))
    part = pulumi.ResourceOptions(parent=parent, providers=[machine])
    gpu_pool = GpuPool("gpu-pool", pool, part).outputs
    registry = Registry("registry", layout, part).outputs
    feature_store = FeatureStore("feature-store", layout, part).outputs
    serving = Serving("serving", layout, machine, part).outputs
    alerting = Alerting("alerting", layout, environment, ports, serving, part).outputs
    monitoring = Monitoring("monitoring", layout, environment, ports, serving, alerting, part).outputs
    delivery = Delivery("delivery", layout, environment, ports, serving, part).outputs
    routing = Routing("routing", layout, ports, serving, part).outputs
    Workers("workers", layout, environment, ports, serving, part)
    Registrar("registrar", layout, serving, part)
    return PlatformOutputs(
        root=root,
        environment=environment,
        gpu_pool=gpu_pool,
        registry=registry,
        feature_store=feature_store,
        serving=serving,
        alerting=alerting,
        monitoring=monitoring,
        delivery=delivery,
        routing=routing,
    )


def attach_parts(root: Path, environment: EnvironmentSpec, platform: pulumi.StackReference) -> PlatformOutputs:
    """Raises a SpecError: what runs on a laptop is one stack."""
    del platform
    expected = "a cluster: on a laptop platform and models are one stack"
    raise SpecError(environment_path(root, environment.name), "target", str(environment.target), expected)


def build_model(parent: pulumi.Resource, service: Service, platform: PlatformOutputs) -> ModelOutputs:
    """Builds one model's own resources."""
    layout = LocalLayout(platform.root, platform.environment.name)
    _pool, ports = _local(platform.root, platform.environment)
    return model_service.build_model(parent, service, platform, layout, ports)


def _local(root: Path, environment: EnvironmentSpec) -> tuple[CpuPoolSpec, PortsSpec]:
    if environment.cpu_pool is None or environment.ports is None:
        raise SpecError(environment_path(root, environment.name), "target", str(environment.target), "target local")
    return environment.cpu_pool, environment.ports
