"""Secrets as files."""

from typing import Any

import jmespath
import pytest
import yaml

from components.aws.secrets import SecretFiles
from components.kubernetes.serving import Namespaces
from shipway.contract.cluster import kubernetes_spec
from tests.components.aws.cloud import Part, environment, register

STORES = {store: f"arn:aws:secretsmanager:eu-central-1:111122223333:secret:{store}" for store in ("mlflow", "feast")}
STORES["online-store"] = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:online"
VALUE = {"username": "mlflow", "password": "s[3c=r#t"}


@pytest.fixture(scope="module")
def part() -> Part:
    def build(opts: Any) -> dict[str, Any]:
        given = environment()
        cluster = kubernetes_spec(given)
        assert cluster is not None
        namespaces = Namespaces("namespaces", given, cluster, opts)
        found = SecretFiles("secrets", given, cluster, namespaces, STORES, opts)
        return {"platform": found.platform.urn, "models": found.models.urn}

    return register(build)


def _files(part: Part, name: str) -> dict[str, str]:
    """Returns file -> content, as the provider makes them of the secret."""
    (entry,) = yaml.safe_load(part.one(f"{name}-files").inputs["spec"]["parameters"]["objects"])
    return {one["objectAlias"]: jmespath.search(one["path"], VALUE) for one in entry["jmesPath"]}


def test_each_class_lies_where_its_pods_are_and_names_one_secret(part: Part) -> None:
    """The names are those that pods mount; MLflow's password is not in the models' namespace."""
    found = {
        (one.inputs["metadata"]["namespace"], one.inputs["metadata"]["name"]): yaml.safe_load(
            one.inputs["spec"]["parameters"]["objects"]
        )[0]["objectName"]
        for one in part.all("SecretProviderClass").values()
    }
    assert found == {
        ("shipway-prod", "mlflow-postgres"): STORES["mlflow"],
        ("shipway-prod-models", "feast-postgres"): STORES["feast"],
        ("shipway-prod-models", "online-store"): STORES["online-store"],
    }


def test_libpq_gets_a_file_it_reads_at_every_connect(part: Part) -> None:
    """A service file of the one name, with user and password as they are."""
    assert _files(part, "mlflow-postgres") == {**VALUE, "service": "[shipway]\nuser=mlflow\npassword=s[3c=r#t\n"}
    assert _files(part, "online-store") == VALUE


def test_a_pod_is_known_by_its_own_identity_and_no_secret_is_made(part: Part) -> None:
    """The provider asks with the pod's rights; nothing copies the value into the cluster's own store."""
    for one in part.all("SecretProviderClass").values():
        assert one.inputs["spec"]["parameters"]["usePodIdentity"] == "true"
        assert "secretObjects" not in one.inputs["spec"]


def test_classes_come_after_the_driver_that_knows_their_kind(part: Part) -> None:
    """Pods wait for one leaf in their namespace, and that for the driver, AWS's provider and the namespace."""
    for leaf, space in (("platform", "shipway-prod"), ("models", "shipway-prod-models")):
        waits, left = set[str](), [part.outputs[leaf]]
        by_urn = {one.urn: one for one in part.found}
        while left:
            one = by_urn[left.pop()]
            waits.add(one.name)
            left += one.request.dependencies
        assert {"secrets-driver", "secrets-provider"} <= waits
        assert space in {by.inputs["metadata"]["name"] for by in part.all("Namespace").values() if by.name in waits}


def test_every_node_can_mount_them(part: Part) -> None:
    """A model with GPUs reads features too, on nodes that others are kept off."""
    assert part.one("secrets-driver").inputs["values"]["linux"]["tolerations"] == [{"operator": "Exists"}]
    assert part.one("secrets-provider").inputs["values"]["tolerations"] == [{"operator": "Exists"}]
