"""Who listens and asks where, whether the platform brings it or it is there already."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.networking.v1 import NetworkPolicyEgressRuleArgs, NetworkPolicyPeerArgs

from components.kubernetes import edges
from components.kubernetes.beneath import Beneath
from components.kubernetes.names import HTTPS_PORT, POSTGRES_PORT, REDIS_PORT, ClusterNames
from components.kubernetes.pods import Mount, csi_files, secret_files
from shipway.contract.kubernetes import InstalledStore, KubernetesSpec

__all__ = [
    "CREDENTIALS",
    "FEAST",
    "MLFLOW",
    "ONLINE_STORE",
    "PG_SERVICE",
    "Store",
    "api_server_edges",
    "credential_files",
    "export_postgres",
    "feast_database",
    "feast_host",
    "gateway_namespace",
    "mlflow_database",
    "mlflow_host",
    "monitoring_namespace",
    "object_storage_edges",
    "object_storage_environment",
    "object_storage_files",
    "online_host",
    "online_store",
    "port_of",
]

# Databases and their owners, by what uses them.
FEAST, MLFLOW = "feast", "mlflow"
# What a `service` file calls the one database that it is about.
PG_SERVICE = "shipway"
ONLINE_STORE = "online-store"

_HTTP_PORT = 80

# Where a pod finds the files of its Secrets.
CREDENTIALS = "/run/secrets/shipway"

# Who tells a pod without a credentials file who it is: EKS Pod Identity, on every node, at this address everywhere.
_POD_IDENTITY_RANGE = "169.254.170.23/32"


@dataclass(frozen=True)
class Store:
    """Whom a network policy must let a pod talk to, and at which port."""

    port: int
    peer: NetworkPolicyPeerArgs


def mlflow_database(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns MLflow's database."""
    return _database(names, MLFLOW, cluster.mlflow_postgres.installed)


def mlflow_host(names: ClusterNames, cluster: KubernetesSpec, beneath: Beneath) -> pulumi.Input[str]:
    """Returns where MLflow's database listens."""
    return _host(MLFLOW, cluster.mlflow_postgres.installed, _writer(names, MLFLOW), beneath)


def feast_database(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns the database of Feast's registry."""
    return _database(names, FEAST, cluster.feast_postgres.installed)


def feast_host(names: ClusterNames, cluster: KubernetesSpec, beneath: Beneath) -> pulumi.Input[str]:
    """Returns where the database of Feast's registry listens."""
    return _host(FEAST, cluster.feast_postgres.installed, _writer(names, FEAST), beneath)


def online_store(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns the online store."""
    if (there := cluster.redis.installed) is not None:
        return Store(there.port, edges.addresses(there.address_range))
    return Store(REDIS_PORT, edges.pods(names.platform, {"shipway/part": ONLINE_STORE}))


def online_host(names: ClusterNames, cluster: KubernetesSpec, beneath: Beneath) -> pulumi.Input[str]:
    """Returns where the online store listens."""
    return _host(ONLINE_STORE, cluster.redis.installed, names.service(ONLINE_STORE, names.platform), beneath)


def api_server_edges(cluster: KubernetesSpec) -> list[NetworkPolicyEgressRuleArgs]:
    """Returns the edges to the API server."""
    ranges = [one for one in (cluster.api_server_range, cluster.api_server_service) if one]
    return [edges.to_peer(edges.addresses(one), HTTPS_PORT, cluster.api_server_port) for one in ranges]


def object_storage_edges(cluster: KubernetesSpec) -> list[NetworkPolicyEgressRuleArgs]:
    """Returns the edges to the object storage, and to who tells the pod its identity where it has no credentials."""
    storage = cluster.object_storage
    port = HTTPS_PORT if storage.endpoint_url is None else port_of(storage.endpoint_url)
    reach = [edges.to_peer(edges.addresses(storage.address_range), port)]
    return reach if storage.secret else [*reach, edges.to_peer(edges.addresses(_POD_IDENTITY_RANGE), _HTTP_PORT)]


def object_storage_files(cluster: KubernetesSpec) -> list[Mount]:
    """Returns the credentials of the object storage as files; none where a pod is known by its own identity."""
    secret = cluster.object_storage.secret
    return [credential_files(cluster, secret, f"{CREDENTIALS}/object-storage")] if secret else []


def object_storage_environment(cluster: KubernetesSpec) -> dict[str, str]:
    """Returns the variables that name, and do not hold, the credentials of the object storage."""
    storage, found = cluster.object_storage, dict[str, str]()
    if storage.secret:
        found["AWS_SHARED_CREDENTIALS_FILE"] = f"{CREDENTIALS}/object-storage/credentials"
    if storage.endpoint_url:
        found["AWS_ENDPOINT_URL"] = storage.endpoint_url
    return found


def credential_files(cluster: KubernetesSpec, secret: str, path: str, only: Sequence[str] = ()) -> Mount:
    """Returns a Secret's files, wherever this cluster keeps its secrets.

    Args:
        cluster: says where.
        secret: name of the Secret, or of the SecretProviderClass in its place.
        path: the folder of the files.
        only: the keys of a Secret that the pod may see; all by default.
    """
    return csi_files(secret, path) if cluster.secrets_by_csi else secret_files(secret, path, only)


def port_of(url: str) -> int:
    """Returns the port of a web address: a network policy knows ports only as numbers.

    >>> port_of("http://prometheus.example.com:9090"), port_of("https://example.com")
    (9090, 443)
    """
    parts = urlsplit(url)
    return parts.port or (HTTPS_PORT if parts.scheme == "https" else _HTTP_PORT)


def monitoring_namespace(names: ClusterNames, cluster: KubernetesSpec) -> str:
    """Returns the namespace that scrapes come from."""
    installed = cluster.monitoring.installed
    return installed.namespace if installed else names.monitoring


def gateway_namespace(names: ClusterNames, cluster: KubernetesSpec) -> str:
    """Returns the namespace that requests come from."""
    installed = cluster.gateway.installed
    return installed.namespace if installed else names.gateway_namespace


def export_postgres(cluster: KubernetesSpec, path: str) -> str:
    """Returns the shell command that hands user and password to libpq, from files to this process alone."""
    if cluster.secrets_by_csi:
        # libpq reads it whenever it connects: a password that has changed since the process started is no matter.
        return f"export PGSERVICEFILE={path}/service PGSERVICE={PG_SERVICE}"
    return f'export PGUSER="$(cat {path}/username)" PGPASSWORD="$(cat {path}/password)"'


def _database(names: ClusterNames, database: str, there: InstalledStore | None) -> Store:
    if there is not None:
        return Store(there.port, edges.addresses(there.address_range))
    return Store(POSTGRES_PORT, edges.pods(names.platform, {"cnpg.io/cluster": f"{database}-postgres"}))


def _writer(names: ClusterNames, database: str) -> str:
    # CloudNativePG's Service of the instance that takes writes.
    return names.service(f"{database}-postgres-rw", names.platform)


def _host(store: str, there: InstalledStore | None, brought: str, beneath: Beneath) -> pulumi.Input[str]:
    if there is None:
        return brought
    return beneath.hosts[store] if there.host is None else there.host
