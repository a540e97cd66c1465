"""FeatureStore: Feast with Redis online and a Postgres registry, and the job that puts new values online."""

from collections.abc import Sequence

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.batch.v1 import CronJob, CronJobSpecArgs, JobSpecArgs, JobTemplateSpecArgs
from pulumi_kubernetes.core.v1 import ConfigMap, ContainerArgs, PodTemplateSpecArgs, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from components.kubernetes import edges
from components.kubernetes.beneath import Beneath
from components.kubernetes.charts import VALKEY, install
from components.kubernetes.feature_files import (
    FEATURE_STORE,
    REDIS_AUTHORITY,
    REPOSITORY,
    export_feature_credentials,
    feature_edges,
    feature_mounts,
)
from components.kubernetes.labels import labels, pod_labels
from components.kubernetes.names import REDIS_PORT, ClusterNames
from components.kubernetes.places import (
    FEAST,
    ONLINE_STORE,
    feast_database,
    feast_host,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
    online_host,
    online_store,
)
from components.kubernetes.pods import pod_template, resources
from components.kubernetes.postgres import postgres_cluster
from components.parts import FeatureStoreOutputs
from shipway.contract.documents import load_yaml
from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.kubernetes import KubernetesSpec
from shipway.contract.metrics import MATERIALISE_JOB
from shipway.observability.rules import materialise_rules

__all__ = ["FeatureStore"]

_CPU_MILLICORES, _MEMORY_MIB = 500, 2048
# A database that cannot be reached is said so by a pod, not waited for until it is given up.
_CONNECT_SECONDS = 10
_SELECTOR = {"shipway/part": MATERIALISE_JOB}


class FeatureStore(pulumi.ComponentResource):
    """The stores, the repository that slots read, and the job; values outlive the stack in prod.

    Repository and job are in the models' namespace: the job reads what slots read, with the same Secrets.
    """

    outputs: FeatureStoreOutputs

    def __init__(
        self,
        name: str,
        environment: EnvironmentSpec,
        cluster: KubernetesSpec,
        beneath: Beneath,
        *,
        platform: Sequence[pulumi.Resource],
        models: pulumi.Resource,
        monitors: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("shipway:kubernetes:FeatureStore", name, {}, opts)
        self._name, self._environment, self._cluster = name, environment, cluster
        self._names = ClusterNames(environment.name)
        clients = edges.pods(self._names.models)
        if cluster.feast_postgres.installed is None:
            spec = cluster.feast_postgres
            postgres_cluster(FEAST, spec, environment, cluster, clients=[clients], parent=self, waits=platform)
        if cluster.redis.installed is None:
            self._online_store(platform[-1])
        repository = ConfigMap(
            f"{name}-repository",
            metadata=ObjectMetaArgs(
                name=FEATURE_STORE, namespace=self._names.models, labels=labels(environment, FEATURE_STORE)
            ),
            data={"feature_store.yaml": self._repository_file(beneath)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[models]),
        )
        self._materialise(repository, monitors)
        self.outputs = FeatureStoreOutputs(FEATURE_STORE, repository)
        self.register_outputs({})

    def _repository_file(self, beneath: Beneath) -> pulumi.Output[str]:
        names, cluster = self._names, self._cluster
        database, online = feast_database(names, cluster), online_store(names, cluster)
        hosts = pulumi.Output.all(feast_host(names, cluster, beneath), online_host(names, cluster, beneath))
        return hosts.apply(
            lambda at: _feature_store_yaml(cluster, f"{at[0]}:{database.port}", f"{at[1]}:{online.port}")
        )

    def _online_store(self, space: pulumi.Resource) -> None:
        names, cluster = self._names, self._cluster
        own, given = {"shipway/part": ONLINE_STORE}, labels(self._environment, ONLINE_STORE)
        edges.allow(
            f"{self._name}-online-edges",
            ObjectMetaArgs(name=ONLINE_STORE, namespace=names.platform, labels=given),
            own,
            ingress=[edges.from_peer(edges.pods(names.models), REDIS_PORT)],
            egress=[edges.name_service()],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[space]),
        )
        install(
            f"{self._name}-online",
            VALKEY,
            release=ONLINE_STORE,
            namespace=names.platform,
            values=_valkey(cluster, {**pod_labels(self._environment, given), **own}),
            parent=self,
            waits=[space],
            keeps_data=self._environment.tier is Tier.PROD,
        )

    def _materialise(self, repository: pulumi.Resource, monitors: Sequence[pulumi.Resource]) -> None:
        names, cluster, every = self._names, self._cluster, self._cluster.materialise_every_minutes
        given = {**labels(self._environment, MATERIALISE_JOB), **_SELECTOR}
        metadata = ObjectMetaArgs(name=MATERIALISE_JOB, namespace=names.models, labels=given)
        child = pulumi.ResourceOptions(parent=self, depends_on=[repository])
        ServiceAccount(f"{self._name}-account", metadata=metadata, automount_service_account_token=False, opts=child)
        edges.allow(
            f"{self._name}-edges",
            metadata,
            _SELECTOR,
            ingress=[],
            egress=[
                edges.name_service(),
                *feature_edges(names, cluster),
                *object_storage_edges(cluster),
            ],
            opts=child,
        )
        job = JobSpecArgs(
            # A later start makes up for a failed one.
            backoff_limit=1,
            active_deadline_seconds=every * 60,
            template=_pod(given, cluster),
        )
        CronJob(
            f"{self._name}-materialise",
            metadata=metadata,
            spec=CronJobSpecArgs(
                schedule="0 * * * *" if every == 60 else f"*/{every} * * * *",
                concurrency_policy="Forbid",
                starting_deadline_seconds=every * 60,
                job_template=JobTemplateSpecArgs(metadata=ObjectMetaArgs(labels=given), spec=job),
            ),
            opts=child,
        )
        CustomResource(
            f"{self._name}-rules",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata=metadata,
            spec=load_yaml(materialise_rules(self._environment, names.models, MATERIALISE_JOB, every * 60)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[repository, *monitors]),
        )


def _feature_store_yaml(cluster: KubernetesSpec, database: str, online: str) -> str:
    storage = cluster.object_storage
    redis = [
        online,
        "ssl=true",
        *([f"ssl_ca_certs={REDIS_AUTHORITY}"] if cluster.redis.tls_secret else []),
        *([f"username={cluster.redis.user}"] if cluster.redis.user else []),
        # Feast puts the process's own variable here when it reads the file.
        "password=${REDIS_PASSWORD}",
    ]
    return yaml.safe_dump(
        {
            "project": "shipway",
            "provider": "local",
            "registry": {
                "registry_type": "sql",
                # User and password come to libpq by its own variables.
                "path": f"postgresql+psycopg://{database}/{FEAST}?sslmode=require&connect_timeout={_CONNECT_SECONDS}",
                "cache_ttl_seconds": 600,
            },
            "online_store": {"type": "redis", "connection_string": ",".join(redis)},
            "offline_store": {
                "type": "shipway.features.asof.AsofOfflineStore",
                "files": storage.features,
                **({"endpoint_url": storage.endpoint_url} if storage.endpoint_url else {}),
            },
            "entity_key_serialization_version": 3,
        },
        sort_keys=False,
    )


def _valkey(cluster: KubernetesSpec, given: dict[str, str]) -> dict[str, object]:
    # One instance: its values are a copy that the next materialisation makes anew, and slots have defaults meanwhile.
    memory = {"memory": f"{cluster.redis.memory_mib}Mi"}
    volume: dict[str, object] = {"enabled": True, "requestedSize": f"{cluster.redis.storage_gib}Gi", "keepPvc": True}
    if cluster.storage_class:
        volume["className"] = cluster.storage_class
    return {
        "fullnameOverride": ONLINE_STORE,
        "podLabels": given,
        "auth": {
            "enabled": True,
            "usersExistingSecret": cluster.redis.secret,
            "aclUsers": {"default": {"permissions": "~* &* +@all", "passwordKey": "password"}},
        },
        "tls": {"enabled": True, "existingSecret": cluster.redis.tls_secret},
        "dataStorage": volume,
        "resources": {"requests": {"cpu": "250m", **memory}, "limits": memory},
    }


def _pod(given: dict[str, str], cluster: KubernetesSpec) -> PodTemplateSpecArgs:
    until = '"$(date -u +%Y-%m-%dT%H:%M:%S)"'
    command = f"{export_feature_credentials(cluster)}; exec feast --chdir {REPOSITORY} materialize-incremental {until}"
    return pod_template(
        labels=given,
        selector=_SELECTOR,
        service_account=MATERIALISE_JOB,
        container=ContainerArgs(
            name=MATERIALISE_JOB,
            image=cluster.images.feast,
            command=["/bin/sh", "-ec", command],
            resources=resources(_CPU_MILLICORES, _MEMORY_MIB),
        ),
        variables=object_storage_environment(cluster),
        temporary_mib=1024,
        mounts=[
            *feature_mounts(cluster),
            *object_storage_files(cluster),
        ],
        restart_policy="Never",
    )
