"""The program's own pods on nodes with and without GPUs, a model that comes, and one that drifts.

One platform is brought up for all claims of this file; they leave it as they found it.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from components.kubernetes.gpu_types import GPU_TABLE
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import node
from tests.cluster.test_engine import Engine, prepared
from tests.components.conftest import Project
from tests.components.kubernetes.cluster import FIRST, STACK, Cluster
from tests.shipway.delivery.stack import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

MODELS = f"shipway-{STACK}-models"
# Of this file alone: pods of other tests may still hold the GPUs of theirs.
GPU_NODES = ("gpu-pool-1", "gpu-pool-2", "gpu-pool-3", "gpu-pool-4")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane) -> Iterator[Engine]:
    """A model on GPUs, four nodes that have one each, and two that have none."""
    root = prepared(tmp_path_factory.mktemp("pools"), plane)
    cluster = Cluster(Project(root))
    cluster.change(gpu_pools=[{"name": "inference", "gpu_type": "l4", "min_nodes": 4, "max_nodes": 4}])
    cluster.resources("digits", gpu_type="l4", gpus=1)
    plane.apply(
        node("cpu-8"),
        node("cpu-9"),
        *(node(name, gpus=1, labels=GPU_TABLE.labels("l4")) for name in GPU_NODES),
    )
    made = Engine(root, plane)
    try:
        made.up()
        yield made
    finally:
        made.destroy()
        plane.kubectl("delete", "nodes", "cpu-8", "cpu-9", *GPU_NODES)


def pods(plane: ControlPlane, space: str) -> dict[str, str]:
    """Returns the kind of node of each pod of a namespace, empty while it waits for one."""
    found = plane.get("pods", "-n", space)["items"]
    return {pod["metadata"]["name"]: pod["spec"].get("nodeName", "")[:3] for pod in found}


def placed(plane: ControlPlane, model: str, count: int) -> set[str]:
    """Returns the kinds of node that `count` pods of a model are on, once its autoscalers have asked for so many."""

    def own() -> list[str]:
        return [where for name, where in pods(plane, MODELS).items() if name.startswith(f"{model}-") and where]

    wait_until(lambda: len(own()) == count, f"{count} pods of {model} have a node", 60)
    return set(own())


def test_pods_land_where_their_pool_is(engine: Engine, plane: ControlPlane) -> None:
    """A model that asks for GPUs is on GPU nodes alone, in both slots; nothing else of the program is."""
    assert placed(plane, "digits", 4) == {"gpu"}
    others = pods(plane, f"shipway-{STACK}")
    assert len(others) >= 4
    assert set(others.values()) == {"cpu"}


def test_a_second_model_adds_only_its_own(engine: Engine, plane: ControlPlane) -> None:
    """The preview changes and replaces nothing of the platform or of the model that is there."""
    assert engine.changes() == {}
    second = Project(engine.root).add_service("flight_delay", STACK, blue=FIRST)
    changes = engine.changes()
    assert set(changes.values()) == {"create"}
    assert all(name.startswith("flight-delay") for name in changes)
    engine.up()
    assert engine.changes() == {}
    assert placed(plane, "flight-delay", 2) == {"cpu"}
    remove(second)
    engine.up()


def test_what_fits_no_node_waits_and_is_told(engine: Engine, plane: ControlPlane) -> None:
    """`up` fails and names the slot; the scheduler says what there is too little of."""
    huge = Project(engine.root).add_service("flight_delay", STACK, blue=FIRST)
    model = yaml.safe_load((huge / "model.yaml").read_text())
    model["resources"]["cpu_millicores"] = 64_000
    model["rollout"] = {"prepare_seconds": 3}
    (huge / "model.yaml").write_text(yaml.safe_dump(model))
    said = engine.run("up", "-s", STACK, "--yes", "--skip-preview", code=1)
    assert re.search(rf"{MODELS}/flight-delay-blue: 0 of [12] replicas are ready", said)
    waiting = plane.get("pods", "-n", MODELS, "-l", "shipway/model=flight-delay")["items"]
    assert {pod["spec"].get("nodeName") for pod in waiting} == {None}
    assert all("Insufficient cpu" in pod["status"]["conditions"][0]["message"] for pod in waiting)
    remove(huge)
    engine.up()


def test_drift_is_shown_and_repaired(engine: Engine, plane: ControlPlane) -> None:
    """A Service that somebody deleted and an image that somebody edited show in a refresh; `up` puts both right."""
    # What the autoscalers did is known from here on.
    engine.run("refresh", "-s", STACK, "--yes", "--skip-preview")
    plane.kubectl("delete", "service", "digits-blue", "-n", MODELS)
    image = image_of(plane, "digits-green")
    plane.kubectl("set", "image", "deployment/digits-green", "model=example.com/other", "-n", MODELS)
    said = engine.run("refresh", "-s", STACK, "--preview-only")
    # The engine's JSON tells what is gone, and of what has changed only the state before.
    drifted = dict(re.findall(r"^ [~-]  kubernetes:\S+ (\S+) (update|delete)", said, re.MULTILINE))
    assert drifted == {"digits-blue-service": "delete", "digits-green": "update"}
    engine.run("up", "-s", STACK, "--yes", "--skip-preview", "--refresh")
    assert plane.get("service", "digits-blue", "-n", MODELS)["spec"]["ports"][0]["port"] == 8080
    assert image_of(plane, "digits-green") == image
    assert engine.changes() == {}


def image_of(plane: ControlPlane, slot: str) -> str:
    """Returns the image that a slot's pods run."""
    (container,) = plane.get("deployment", slot, "-n", MODELS)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def remove(service: Path) -> None:
    """Removes a service's folder."""
    for path in sorted(service.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    service.rmdir()
