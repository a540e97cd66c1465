"""Models of a repository of their own, on a platform that another one brought up, as a real API server takes them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.scaffold.standalone import render_standalone
from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_engine import Engine, prepared
from tests.components.conftest import REPOSITORY
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK
from tests.tools.conftest import release

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

MODELS = f"{STACK}-models"
NAMESPACE = f"shipway-{STACK}-models"
KINDS = (
    "deployments,services,httproutes,poddisruptionbudgets,networkpolicies,servicemonitors,prometheusrules,configmaps,"
    "serviceaccounts"
)
# What the server and the autoscaler say of an object, and nobody declares.
GIVEN = ("clusterIP", "clusterIPs", "replicas")


@pytest.fixture
def platform(tmp_path: Path, plane: ControlPlane) -> Iterator[Engine]:
    """The platform alone, up; it is destroyed at the end."""
    root = prepared(tmp_path, plane)
    shutil.rmtree(root / "services")
    (root / "services").mkdir()
    path = root / "stacks" / f"Pulumi.{STACK}.yaml"
    document = yaml.safe_load(path.read_text())
    document["config"]["shipway:layers"] = ["platform"]
    path.write_text(yaml.safe_dump(document))
    # What a repository of models takes from the platform's.
    (root / "templates").symlink_to(REPOSITORY / "templates")
    shutil.copy(REPOSITORY / "requirements.lock", root)
    (root / "policies").mkdir()
    for name in ("settings.yaml", "waivers.yaml"):
        shutil.copy(REPOSITORY / "policies" / name, root / "policies")
    made = Engine(root, plane)
    try:
        made.up()
        yield made
    finally:
        made.destroy()


@pytest.fixture
def models(platform: Engine, plane: ControlPlane, tmp_path: Path) -> Iterator[Engine]:
    """The other repository's stack, on the platform's backend; it is destroyed at the end, at the latest."""
    folder = tmp_path / "churn"
    service = render_standalone(platform.root, folder, {"name": "churn"}, repository="example/shipway")
    release(service, STACK, blue=FIRST)
    made = attached(folder, platform, plane)
    try:
        yield made
    finally:
        made.destroy()


def attached(folder: Path, platform: Engine, plane: ControlPlane) -> Engine:
    backend = {"PULUMI_BACKEND_URL": platform.environment["PULUMI_BACKEND_URL"]}
    return Engine(folder, plane, backend, MODELS)


def objects(plane: ControlPlane) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns (kind, name) -> what is declared of each object of a model."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in plane.get(KINDS, "-n", NAMESPACE)["items"]:
        labels = one["metadata"].get("labels", {})
        if "churn" in one["metadata"]["name"]:
            spec = {key: value for key, value in one.get("spec", {}).items() if key not in GIVEN}
            found[one["kind"], one["metadata"]["name"]] = {"labels": labels, "spec": spec, "data": one.get("data")}
    return found


def test_a_models_stack_of_another_repository_is_the_platforms_own(
    platform: Engine, models: Engine, plane: ControlPlane, tmp_path: Path
) -> None:
    """The server takes its objects, a second version's too, and none is left; the platform has nothing to do, ever.

    The platform's repository would make the very same objects of that service.
    """
    models.up()
    assert models.changes() == {}
    assert [name for kind, name in objects(plane) if kind == "Deployment"] == ["churn-blue"]
    assert platform.changes() == {}

    service = models.root / "services" / "churn"
    release(service, STACK, blue=FIRST, green=SECOND)
    models.up()
    assert models.changes() == {}
    own = objects(plane)
    assert {name for kind, name in own if kind == "Deployment"} == {"churn-blue", "churn-green"}
    assert len(own) >= 8
    assert platform.changes() == {}

    models.destroy()
    assert objects(plane) == {}
    assert platform.changes() == {}

    monorepo = tmp_path / "monorepo"
    shutil.copytree(platform.root / "stacks", monorepo / "stacks")
    shutil.copy(platform.root / "Pulumi.yaml", monorepo)
    shutil.copytree(models.root / "services", monorepo / "services")
    # In the same two steps: the rules of a route are delivery's once it is there.
    release(monorepo / "services" / "churn", STACK, blue=FIRST)
    document = {"config": {"shipway:layers": ["models"], "shipway:platform": STACK}}
    (monorepo / "stacks" / f"Pulumi.{MODELS}.yaml").write_text(yaml.safe_dump(document))
    same = attached(monorepo, platform, plane)
    try:
        same.up()
        release(monorepo / "services" / "churn", STACK, blue=FIRST, green=SECOND)
        same.up()
        theirs = objects(plane)
        assert {key: (one, theirs.get(key)) for key, one in own.items() if one != theirs.get(key)} == {}
        assert theirs.keys() == own.keys()
    finally:
        same.destroy()
