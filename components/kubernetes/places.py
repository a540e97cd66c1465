"""Who listens and asks where, whether the platform brings it or it is there already."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pulumi_kubernetes.networking.v1 import NetworkPolicyPeerArgs

from components.kubernetes import edges
from components.kubernetes.names import HTTPS_PORT, POSTGRES_PORT, REDIS_PORT, ClusterNames
from components.kubernetes.pods import Mount, secret_files
from shipway.contract.kubernetes import InstalledStore, KubernetesSpec

__all__ = [
    "CREDENTIALS",
    "FEAST",
    "MLFLOW",
    "ONLINE_STORE",
    "Store",
    "export_postgres",
    "feast_database",
    "gateway_namespace",
    "mlflow_database",
    "monitoring_namespace",
    "object_storage_environment",
    "object_storage_files",
    "object_store",
    "online_store",
    "port_of",
]

# Databases and their owners, by what uses them.
FEAST, MLFLOW = "feast", "mlflow"
ONLINE_STORE = "online-store"

_HTTP_PORT = 80

# Where a pod finds the files of its Secrets.
CREDENTIALS = "/run/secrets/shipway"


@dataclass(frozen=True)
class Store:
    """Where a store listens, and whom a network policy must let a pod talk to for that."""

    host: str
    port: int
    peer: NetworkPolicyPeerArgs


def mlflow_database(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns MLflow's database."""
    return _database(names, MLFLOW, cluster.mlflow_postgres.installed)


def feast_database(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns the database of Feast's registry."""
    return _database(names, FEAST, cluster.feast_postgres.installed)


def online_store(names: ClusterNames, cluster: KubernetesSpec) -> Store:
    """Returns the online store."""
    if (there := cluster.redis.installed) is not None:
        return Store(there.host, there.port, edges.addresses(there.address_range))
    peer = edges.pods(names.platform, {"shipway/part": ONLINE_STORE})
    return Store(names.service(ONLINE_STORE, names.platform), REDIS_PORT, peer)


def object_store(cluster: KubernetesSpec) -> Store:
    """Returns the object storage, which is never the platform's to bring."""
    storage = cluster.object_storage
    url = storage.endpoint_url or "https://s3.amazonaws.com"
    return Store(urlsplit(url).hostname or "", port_of(url), edges.addresses(storage.address_range))


def object_storage_files(cluster: KubernetesSpec) -> Mount:
    """Returns the credentials of the object storage as files."""
    return secret_files(cluster.object_storage.secret, f"{CREDENTIALS}/object-storage")


def object_storage_environment(cluster: KubernetesSpec) -> dict[str, str]:
    """Returns the variables that name, and do not hold, the credentials of the object storage."""
    found = {"AWS_SHARED_CREDENTIALS_FILE": f"{CREDENTIALS}/object-storage/credentials"}
    endpoint = cluster.object_storage.endpoint_url
    return {**found, "AWS_ENDPOINT_URL": endpoint} if endpoint else found


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


def export_postgres(path: str) -> str:
    """Returns the shell command that hands user and password to libpq, from files to this process alone."""
    return f'export PGUSER="$(cat {path}/username)" PGPASSWORD="$(cat {path}/password)"'


def _database(names: ClusterNames, database: str, there: InstalledStore | None) -> Store:
    if there is not None:
        return Store(there.host, there.port, edges.addresses(there.address_range))
    # CloudNativePG's Service of the instance that takes writes.
    host = names.service(f"{database}-postgres-rw", names.platform)
    return Store(host, POSTGRES_PORT, edges.pods(names.platform, {"cnpg.io/cluster": f"{database}-postgres"}))
