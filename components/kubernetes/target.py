"""The kubernetes target: its checks, its parts in order, and a model on them. Only this file sees all siblings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi

from components.kubernetes import model_service
from components.kubernetes.access import (
    cluster_of,
    cluster_provider,
    find_kubeconfig,
    read_served_routes,
    refuse_unfit_cluster,
)
from components.kubernetes.admission import Admission, refuse_missing_images
from components.kubernetes.beneath import GIVEN, Beneath
from components.kubernetes.delivery import Delivery
from components.kubernetes.feature_files import FEATURE_STORE
from components.kubernetes.feature_store import FeatureStore
from components.kubernetes.gpu_pool import GpuPool, refuse_missing_gpus
from components.kubernetes.gpu_types import GpuTable
from components.kubernetes.labels import refuse_unfit_labels
from components.kubernetes.monitoring import Monitoring, refuse_unheard_alerts
from components.kubernetes.names import ClusterNames
from components.kubernetes.postgres import PostgresOperator
from components.kubernetes.registry import Registry
from components.kubernetes.retraining import refuse_unfit_schedules
from components.kubernetes.routing import Routing
from components.kubernetes.scaling import refuse_missing_scaler
from components.kubernetes.serving import Namespaces, Serving
from components.kubernetes.told import (
    alerting_outputs,
    delivery_outputs,
    gpu_pool_outputs,
    monitoring_outputs,
    registry_outputs,
    routing_outputs,
)
from components.kubernetes.workers import Workers
from components.parts import FeatureStoreOutputs, ModelOutputs, PlatformOutputs, ServingOutputs
from components.services import Service
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import Slot

__all__ = ["attach_on", "attach_parts", "build_model", "build_on", "build_parts", "refuse", "served"]


def refuse(root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
    """Raises a ShipwayError for what cannot work on this cluster, before the first resource."""
    cluster = cluster_of(root, environment)
    find_kubeconfig(root, environment)
    refuse_unfit_labels(root, environment, services)
    refuse_unheard_alerts(root, environment, cluster)
    refuse_missing_gpus(root, environment, services, GIVEN.gpu_table)
    refuse_missing_images(environment, services)
    model_service.refuse_unknown_bundles(services)
    refuse_missing_scaler(root, environment, services)
    refuse_unfit_schedules(root, environment, cluster, services)
    refuse_unfit_cluster(root, environment, GIVEN.gpu_table)


def served(root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
    """Returns model -> the slot that takes traffic now and its digest, as the cluster's routes say."""
    return read_served_routes(root, environment)


def build_parts(parent: pulumi.Resource, root: Path, environment: EnvironmentSpec) -> PlatformOutputs:
    """Builds the parts in order; each is told of those before it that it needs."""
    provider, cluster = cluster_provider("cluster", root, environment, parent), cluster_of(root, environment)
    namespaces = Namespaces("namespaces", environment, cluster, _parts(parent, provider))
    platform, models = namespaces.platform, namespaces.models
    return build_on(parent, root, environment, cluster, provider, GIVEN, platform=platform, models=models)


def build_on(
    parent: pulumi.Resource,
    root: Path,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    provider: pulumi.ProviderResource,
    beneath: Beneath,
    *,
    platform: pulumi.Resource,
    models: pulumi.Resource,
) -> PlatformOutputs:
    """Builds the parts on a cluster that is there already or that another target has just made.

    Pods of the platform's and of the models' namespace wait for `platform` and for `models`.
    """
    part = _parts(parent, provider)
    monitoring = Monitoring("monitoring", environment, cluster, platform, part)
    monitors = monitoring.ready
    gpu_pool = GpuPool("gpu-pool", environment, cluster, beneath, [platform, *monitors], part).outputs
    postgres = PostgresOperator("postgres-operator", environment, cluster, part).ready
    registry = Registry("registry", environment, cluster, beneath, [*postgres, platform], part).outputs
    feature_store = FeatureStore(
        "feature-store",
        environment,
        cluster,
        beneath,
        platform=[*postgres, platform],
        models=models,
        monitors=monitors,
        opts=part,
    ).outputs
    delivery = Delivery(
        "delivery",
        environment,
        cluster,
        monitoring=monitoring.outputs,
        alerting=monitoring.alerting,
        platform=platform,
        models=models,
        monitors=monitors,
        opts=part,
    ).outputs
    Workers("workers", environment, cluster, platform=platform, monitors=monitors, opts=part)
    routing = Routing("routing", environment, cluster, beneath, monitors, part)
    admitted = Admission("admission", environment, cluster, models, part).ready
    serving = Serving("serving", environment, provider, [admitted, routing.ready, *monitors], part).outputs
    return PlatformOutputs(
        root=root,
        environment=environment,
        gpu_pool=gpu_pool,
        registry=registry,
        feature_store=feature_store,
        serving=serving,
        alerting=monitoring.alerting,
        monitoring=monitoring.outputs,
        delivery=delivery,
        routing=routing.outputs,
    )


def _parts(parent: pulumi.Resource, provider: pulumi.ProviderResource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(parent=parent, providers=[provider])


def attach_parts(root: Path, environment: EnvironmentSpec, platform: pulumi.StackReference) -> PlatformOutputs:
    """Returns the parts as the environment alone describes them: the same kubeconfig leads to the same cluster."""
    provider = cluster_provider("cluster", root, environment, None)
    return attach_on(root, environment, cluster_of(root, environment), provider, platform, GIVEN.gpu_table)


def attach_on(
    root: Path,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    provider: pulumi.ProviderResource,
    platform: pulumi.Resource,
    gpu_table: GpuTable,
) -> PlatformOutputs:
    """Returns the parts that `platform` provisioned; models wait for it and for nothing else."""
    names = ClusterNames(environment.name)
    return PlatformOutputs(
        root=root,
        environment=environment,
        gpu_pool=gpu_pool_outputs(environment.gpu_pools, gpu_table),
        registry=registry_outputs(names, cluster),
        feature_store=FeatureStoreOutputs(FEATURE_STORE, platform),
        serving=ServingOutputs(provider, platform),
        alerting=alerting_outputs(names, cluster),
        monitoring=monitoring_outputs(names, cluster),
        delivery=delivery_outputs(names),
        routing=routing_outputs(cluster),
    )


def build_model(parent: pulumi.Resource, service: Service, platform: PlatformOutputs) -> ModelOutputs:
    """Builds one model's own resources."""
    cluster = cluster_of(platform.root, platform.environment)
    return model_service.build_model(parent, service, platform, cluster, GIVEN.gpu_table)
