"""What a pod that reads features needs: the repository, the credentials as files, and the edges to both stores."""

from collections.abc import Sequence

from pulumi_kubernetes.networking.v1 import NetworkPolicyEgressRuleArgs

from components.kubernetes import edges
from components.kubernetes.names import ClusterNames
from components.kubernetes.places import (
    CREDENTIALS,
    credential_files,
    export_postgres,
    feast_database,
    online_store,
)
from components.kubernetes.pods import Mount, config_files
from shipway.contract.kubernetes import KubernetesSpec

__all__ = [
    "FEATURE_STORE",
    "REDIS_AUTHORITY",
    "REPOSITORY",
    "export_feature_credentials",
    "feature_edges",
    "feature_mounts",
    "with_feature_credentials",
]

# The ConfigMap, and the folder in which pods see its feature_store.yaml.
FEATURE_STORE, REPOSITORY = "feature-store", "/etc/shipway/features"

_POSTGRES, _REDIS, _REDIS_TLS = f"{CREDENTIALS}/postgres", f"{CREDENTIALS}/redis", f"{CREDENTIALS}/redis-tls"
# What Feast checks the online store's certificate against.
REDIS_AUTHORITY = f"{_REDIS_TLS}/ca.crt"


def feature_mounts(cluster: KubernetesSpec) -> list[Mount]:
    """Returns the volumes with the repository's file and the credentials it needs."""
    authority = cluster.redis.tls_secret
    return [
        config_files(FEATURE_STORE, REPOSITORY),
        credential_files(cluster, cluster.feast_postgres.secret, _POSTGRES),
        credential_files(cluster, cluster.redis.secret, _REDIS),
        *([credential_files(cluster, authority, _REDIS_TLS, only=("ca.crt",))] if authority else []),
    ]


def export_feature_credentials(cluster: KubernetesSpec) -> str:
    """Returns the shell command that hands the credentials to Feast, which reads variables and no files."""
    return f'{export_postgres(cluster, _POSTGRES)} REDIS_PASSWORD="$(cat {_REDIS}/password)"'


def with_feature_credentials(cluster: KubernetesSpec, command: Sequence[str]) -> list[str]:
    """Returns the command line that runs `command` with the credentials handed over."""
    return ["/bin/sh", "-ec", f'{export_feature_credentials(cluster)}; exec "$@"', command[0], *command]


def feature_edges(names: ClusterNames, cluster: KubernetesSpec) -> list[NetworkPolicyEgressRuleArgs]:
    """Returns the edges to the online store and to the registry."""
    stores = (online_store(names, cluster), feast_database(names, cluster))
    return [edges.to_peer(store.peer, store.port) for store in stores]
