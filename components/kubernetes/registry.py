"""Registry: MLflow with Postgres and object storage; bundles lie in the object storage, images in any OCI registry."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import (
    ContainerArgs,
    ContainerPortArgs,
    HTTPGetActionArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    Service,
    ServiceAccount,
    ServicePortArgs,
    ServiceSpecArgs,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpecArgs

from components.kubernetes import edges
from components.kubernetes.beneath import Beneath
from components.kubernetes.labels import labels, pod_labels
from components.kubernetes.names import MLFLOW_PORT, ClusterNames
from components.kubernetes.places import (
    CREDENTIALS,
    MLFLOW,
    credential_files,
    export_postgres,
    mlflow_database,
    mlflow_host,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
)
from components.kubernetes.pods import pod_template, resources
from components.kubernetes.postgres import postgres_cluster
from components.kubernetes.told import registry_outputs
from components.parts import RegistryOutputs
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.telemetry import MLFLOW_SILENT

__all__ = ["Registry"]

_CPU_MILLICORES, _MEMORY_MIB = 500, 1536
_SELECTOR = {"shipway/part": MLFLOW}


class Registry(pulumi.ComponentResource):
    """Where versions and their bundles are kept; nothing reads it while a model serves."""

    outputs: RegistryOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        beneath: Beneath,
        waits: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:Registry", name, {}, opts)
        names = ClusterNames(environment.name)
        given = {**labels(environment, MLFLOW), **_SELECTOR}
        metadata = ObjectMetaArgs(name=MLFLOW, namespace=names.platform, labels=given)
        child = pulumi.ResourceOptions(parent=self, depends_on=list(waits))
        ready: list[pulumi.Resource] = list(waits)
        if cluster.mlflow_postgres.installed is None:
            spec, clients = cluster.mlflow_postgres, [edges.pods(names.platform, _SELECTOR)]
            ready = [postgres_cluster(MLFLOW, spec, environment, cluster, clients=clients, parent=self, waits=waits)]
        ServiceAccount(f"{name}-account", metadata=metadata, automount_service_account_token=False, opts=child)
        _edges(name, metadata, names, cluster, child)
        Deployment(
            f"{name}-mlflow",
            metadata=metadata,
            spec=DeploymentSpecArgs(
                replicas=2,
                selector=LabelSelectorArgs(match_labels=_SELECTOR),
                template=_pod(pod_labels(environment, given), names, cluster, beneath),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready),
        )
        PodDisruptionBudget(
            f"{name}-budget",
            metadata=metadata,
            spec=PodDisruptionBudgetSpecArgs(max_unavailable=1, selector=LabelSelectorArgs(match_labels=_SELECTOR)),
            opts=child,
        )
        port = ServicePortArgs(name="http", port=MLFLOW_PORT, target_port="http")
        Service(
            f"{name}-service",
            metadata=metadata,
            spec=ServiceSpecArgs(selector=_SELECTOR, ports=[port]),
            opts=child,
        )
        self.outputs = registry_outputs(names, cluster)
        self.register_outputs({})


def _edges(
    name: str, metadata: ObjectMetaArgs, names: ClusterNames, cluster: KubernetesSpec, opts: pulumi.ResourceOptions
) -> None:
    database = mlflow_database(names, cluster)
    edges.allow(
        f"{name}-edges",
        metadata,
        _SELECTOR,
        # The tracking API has no accounts of its own: only pods of this namespace reach it.
        ingress=[edges.from_peer(edges.pods(names.platform), MLFLOW_PORT)],
        egress=[
            edges.name_service(),
            edges.to_peer(database.peer, database.port),
            *object_storage_edges(cluster),
        ],
        opts=opts,
    )


def _pod(given: dict[str, str], names: ClusterNames, cluster: KubernetesSpec, beneath: Beneath) -> PodTemplateSpecArgs:
    database, credentials = mlflow_database(names, cluster), f"{CREDENTIALS}/postgres"
    host = mlflow_host(names, cluster, beneath)
    backend = pulumi.Output.concat("postgresql+psycopg2://", host, f":{database.port}/{MLFLOW}?sslmode=require")
    server = [
        *("mlflow", "server", "--host", "0.0.0.0", "--port", str(MLFLOW_PORT)),  # noqa: S104 - a pod's own address
        *("--backend-store-uri", "'{}'", "--serve-artifacts"),
        *("--artifacts-destination", f"'{cluster.object_storage.url}/mlflow'"),
        # It answers to no other Host header: a page in somebody's browser must not reach it by a name of its own.
        # `localhost` is who trains outside the cluster, through a forwarded port.
        *("--allowed-hosts", f"'{names.service(MLFLOW, names.platform)}*,localhost:*'"),
    ]
    start = f"{export_postgres(cluster, credentials)}; exec {' '.join(server)}"
    return pod_template(
        labels=given,
        selector=_SELECTOR,
        service_account=MLFLOW,
        container=ContainerArgs(
            name=MLFLOW,
            image=cluster.images.mlflow,
            command=["/bin/sh", "-ec", pulumi.Output.format(start, backend)],
            ports=[ContainerPortArgs(name="http", container_port=MLFLOW_PORT)],
            resources=resources(_CPU_MILLICORES, _MEMORY_MIB),
            # Its first start creates the tables.
            startup_probe=_probe(failure_threshold=60),
            readiness_probe=_probe(failure_threshold=3),
            liveness_probe=_probe(failure_threshold=6),
        ),
        # Without them it tells its makers who uses it; the network policy would stop that, and it tries again.
        variables=object_storage_environment(cluster) | MLFLOW_SILENT,
        temporary_mib=512,
        mounts=[
            credential_files(cluster, cluster.mlflow_postgres.secret, credentials),
            *object_storage_files(cluster),
        ],
    )


def _probe(failure_threshold: int) -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path="/health", port="http"),
        period_seconds=5,
        timeout_seconds=5,
        failure_threshold=failure_threshold,
    )
