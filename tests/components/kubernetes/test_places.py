"""Where stores are, and how a pod comes by what opens them."""

from typing import Any

import pytest

from components.kubernetes.beneath import Beneath
from components.kubernetes.gpu_types import GPU_TABLE
from components.kubernetes.names import ClusterNames
from components.kubernetes.places import (
    MLFLOW,
    mlflow_host,
    object_storage_edges,
    object_storage_environment,
    object_storage_files,
)
from shipway.contract.cluster import kubernetes_spec
from shipway.contract.kubernetes import KubernetesSpec
from tests.components.aws.cloud import environment
from tests.components.kubernetes.cluster import Cluster

STORE = {"host": "store.example.com", "port": 7000, "address_range": "203.0.113.0/28"}


@pytest.fixture
def on_aws() -> KubernetesSpec:
    found = kubernetes_spec(environment())
    assert found is not None
    return found


def test_a_pod_without_credentials_may_ask_who_it_is(on_aws: KubernetesSpec) -> None:
    """No file, no variable, and one more edge: to the agent that gives it its identity."""
    assert object_storage_files(on_aws) == []
    assert object_storage_environment(on_aws) == {}
    ranges = {edge.to[0].ip_block.cidr: [port.port for port in edge.ports] for edge in object_storage_edges(on_aws)}  # pyright: ignore
    assert ranges == {"10.0.224.0/19": [443], "169.254.170.23/32": [80]}


def test_a_host_that_the_file_does_not_say_is_told_from_beneath(on_aws: KubernetesSpec) -> None:
    """Whatever made the store; nobody else's name is guessed."""
    names = ClusterNames("prod")
    assert mlflow_host(names, on_aws, Beneath(GPU_TABLE, hosts={MLFLOW: "db.example.com"})) == "db.example.com"
    with pytest.raises(KeyError, match="mlflow"):
        mlflow_host(names, on_aws, Beneath(GPU_TABLE))


def test_secrets_by_csi_are_the_same_files_of_another_volume(cluster: Cluster) -> None:
    """Every Secret of a pod is one, and libpq is pointed at the file that it reads at every connect."""
    stores = ("mlflow_postgres", "feast_postgres", "redis")
    there = {f"kubernetes__{store}__installed": STORE for store in stores}
    cluster.change(kubernetes__secrets_by_csi=True, **there)
    for name, pod in cluster.register().pods():
        volumes = pod["spec"]["volumes"]
        assert not [volume for volume in volumes if "secret" in volume], name
        for volume in volumes:
            if "csi" in volume:
                assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": volume["name"]}
        command = " ".join(_texts(pod["spec"]["containers"][0].get("command", [])))
        assert "PGPASSWORD" not in command, name
        if "mlflow-postgres" in {volume["name"] for volume in volumes}:
            assert "export PGSERVICEFILE=/run/secrets/shipway/postgres/service PGSERVICE=shipway;" in command


def _texts(command: Any) -> list[str]:
    return [str(word) for word in command]
