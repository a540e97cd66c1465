"""The section of an environment that names its cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError

EXAMPLE = Path(__file__).resolve().parents[3] / "stacks" / "Pulumi.onprem.yaml"
IMAGE = "registry.example.com/shipway/mlflow"


def load(root: Path, change: dict[str, Any]) -> None:
    """Loads the example with some keys changed; a dotted key lies deeper, None removes it."""
    document = yaml.safe_load(EXAMPLE.read_text())
    for key, value in change.items():
        place = document["config"]["shipway:environment"]
        *parents, last = key.split(".")
        for parent in parents:
            place = place[parent]
        place[last] = value
        if value is None:
            del place[last]
    (root / "stacks").mkdir()
    (root / "stacks" / EXAMPLE.name).write_text(yaml.safe_dump(document))
    load_environment(root, "onprem")


def test_the_example_is_an_environment(tmp_path: Path) -> None:
    """What the project ships loads."""
    load(tmp_path, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kubernetes": None}, "the section kubernetes with target kubernetes alone, not nothing with kubernetes"),
        ({"kubernetes.context": None}, "kubernetes: .* expected kubeconfig or context, not None and None"),
        (
            {"kubernetes.images.mlflow": f"{IMAGE}:v3"},
            f"kubernetes.images.mlflow: got '{IMAGE}:v3', expected an image HOST/PATH@sha256:DIGEST, because a tag can",
        ),
        ({"kubernetes.images.mlflow": f"{IMAGE}:v3@sha256:{'0' * 64}"}, "expected an image HOST/PATH@sha256:DIGEST"),
        ({"kubernetes.images.mlflow": f"{IMAGE}@sha256:00"}, "expected an image HOST/PATH@sha256:DIGEST"),
        (
            {"kubernetes.image_registry": "https://registry.example.com"},
            r"kubernetes.image_registry: .* expected a repository HOST\[:PORT\]/PATH without a scheme, a tag or a",
        ),
        ({"kubernetes.image_registry": "registry.example.com/models:latest"}, "without a scheme, a tag or a digest"),
        (
            {"kubernetes.api_server_range": "10.0.0.1/8"},
            r"kubernetes.api_server_range: got '10.0.0.1/8', expected an address range such as 10.0.8.0/24",
        ),
        ({"kubernetes.pod_security_version": "latest"}, "kubernetes.pod_security_version: got 'latest'"),
        ({"kubernetes.materialise_every_minutes": 7}, "kubernetes.materialise_every_minutes: got 7, expected 5, 10"),
        ({"kubernetes.redis.secret": "Online Store"}, "kubernetes.redis.secret: got 'Online Store'"),
        ({"kubernetes.object_storage.endpoint_url": "http://o.example.com"}, "kubernetes.object_storage.endpoint_url"),
        (
            {"kubernetes.secrets_by_csi": True},
            "installed stores alone, not with mlflow_postgres, feast_postgres, redis",
        ),
        (
            {"kubernetes.redis.tls_secret": None},
            "kubernetes.redis: .* tls_secret and no user without installed, not None",
        ),
        ({"kubernetes.kubeconfg": "x"}, "kubernetes.kubeconfg: got 'x', expected no such key"),
    ],
)
def test_what_cannot_be_a_cluster_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """One error, of the key that is wrong."""
    with pytest.raises(SpecError, match=said):
        load(tmp_path, change)


def test_a_laptop_has_no_cluster(tmp_path: Path) -> None:
    """The section belongs to its target."""
    local = {
        "target": "local",
        "tier": "local",
        "ports": {"base": 9000},
        "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1},
    }
    with pytest.raises(SpecError, match="the section kubernetes with target kubernetes alone, not one with local"):
        load(tmp_path, local)
