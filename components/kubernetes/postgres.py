"""Postgres by CloudNativePG: its operator, once, and a database for each part that needs one."""

from collections.abc import Sequence

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs
from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgs

from components.kubernetes import edges
from components.kubernetes.charts import CLOUDNATIVE_PG, install
from components.kubernetes.labels import labels
from components.kubernetes.names import POSTGRES_PORT, ClusterNames
from components.kubernetes.namespaces import PodSecurity, namespace
from components.kubernetes.places import api_server_edges
from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.kubernetes import KubernetesSpec, PostgresSpec

__all__ = ["PostgresOperator", "postgres_cluster"]

# What one instance answers its operator and its followers on.
_INSTANCE_STATUS_PORT = 8000


class PostgresOperator(pulumi.ComponentResource):
    """What makes and repairs databases; nothing when it, or every database, is there already."""

    ready: tuple[pulumi.Resource, ...]

    def __init__(
        self, name: str, environment: EnvironmentSpec, cluster: KubernetesSpec, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("shipway:kubernetes:PostgresOperator", name, {}, opts)
        names, brings = ClusterNames(environment.name), (cluster.mlflow_postgres, cluster.feast_postgres)
        if cluster.postgres_operator_namespace or all(one.installed for one in brings):
            self.ready = ()
        else:
            given = labels(environment, name)
            space = namespace(names.operators, PodSecurity.RESTRICTED, cluster.pod_security_version, given, self)
            self.ready = (
                install(
                    f"{name}-chart",
                    CLOUDNATIVE_PG,
                    release="cloudnative-pg",
                    namespace=names.operators,
                    values={},
                    parent=self,
                    waits=[space],
                ),
            )
        self.register_outputs({})


def postgres_cluster(
    database: str,
    spec: PostgresSpec,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    *,
    clients: Sequence[NetworkPolicyPeerArgs],
    parent: pulumi.Resource,
    waits: Sequence[pulumi.Resource],
) -> CustomResource:
    """Returns a Postgres of CloudNativePG with one database, and opens it to `clients` and to itself.

    Args:
        database: its name and its owner's.
        spec: its size and its owner's Secret.
        environment, cluster: where it runs.
        clients: the pods that ask it.
        parent: the part it belongs to.
        waits: the operator and the namespace.
    """
    metadata = ObjectMetaArgs(
        name=f"{database}-postgres",
        namespace=ClusterNames(environment.name).platform,
        labels=labels(environment, f"{database}-postgres"),
        # Without it an applied resource counts as ready, and what asks the database would start before it.
        annotations={"pulumi.com/waitFor": "condition=Ready"},
    )
    opts = pulumi.ResourceOptions(parent=parent, depends_on=list(waits))
    _edges(database, environment, cluster, clients, opts)
    storage_class = {"storageClass": cluster.storage_class} if cluster.storage_class else {}
    keeps_data = environment.tier is Tier.PROD
    return CustomResource(
        f"{database}-postgres",
        api_version="postgresql.cnpg.io/v1",
        kind="Cluster",
        metadata=metadata,
        spec={
            "instances": spec.instances,
            "bootstrap": {"initdb": {"database": database, "owner": database, "secret": {"name": spec.secret}}},
            "storage": {"size": f"{spec.storage_gib}Gi", **storage_class},
        },
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(protect=keeps_data, retain_on_delete=keeps_data)
        ),
    )


def _edges(
    database: str,
    environment: EnvironmentSpec,
    cluster: KubernetesSpec,
    clients: Sequence[NetworkPolicyPeerArgs],
    opts: pulumi.ResourceOptions,
) -> None:
    names, own = ClusterNames(environment.name), {"cnpg.io/cluster": f"{database}-postgres"}
    itself = edges.pods(names.platform, own)
    operator = edges.pods(cluster.postgres_operator_namespace or names.operators)
    edges.allow(
        f"{database}-postgres-edges",
        ObjectMetaArgs(
            name=f"{database}-postgres",
            namespace=names.platform,
            labels=labels(environment, f"{database}-postgres"),
        ),
        own,
        ingress=[
            *(edges.from_peer(client, POSTGRES_PORT) for client in clients),
            edges.from_peer(itself, POSTGRES_PORT, _INSTANCE_STATUS_PORT),
            edges.from_peer(operator, POSTGRES_PORT, _INSTANCE_STATUS_PORT),
        ],
        egress=[
            edges.name_service(),
            edges.to_peer(itself, POSTGRES_PORT, _INSTANCE_STATUS_PORT),
            *api_server_edges(cluster),
        ],
        opts=opts,
    )
