"""The program under the real engine on a real API server; Pulumi's own provider is stood in for (tests/standins)."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import gateway_class, namespace, node
from tests.components.conftest import REPOSITORY, Project
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

ROUTE = ("httproute", "digits", "-n", f"shipway-{STACK}-models")


class Engine:
    """Pulumi on the stack of a cluster, with a backend of its own and the stand-in as its provider.

    `said` is all that it printed, to either side.
    """

    def __init__(
        self, root: Path, plane: ControlPlane, variables: Mapping[str, str] | None = None, stack: str = STACK
    ) -> None:
        self.root, self.stack, self.said = root, stack, ""
        (root / "state").mkdir()
        programs = root / "programs"
        programs.mkdir()
        provider = programs / "pulumi-resource-kubernetes"
        # The engine starts it in a folder of its own choice.
        provider.write_text(
            f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} -m tests.standins.kubernetes_provider "$@"\n'
        )
        provider.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        path = [programs, plane.programs, REPOSITORY / ".shipway" / "bin", Path(sys.executable).parent]
        self.environment = kept | {
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
            "KUBECONFIG": str(plane.kubeconfig),
            "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **(variables or {}),
        }
        self.run("stack", "init", stack, "--no-select")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Runs one command and returns what it printed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.said += done.stdout + done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def up(self) -> str:
        return self.run("up", "-s", self.stack, "--yes", "--skip-preview")

    def destroy(self) -> str:
        return self.run("destroy", "-s", self.stack, "--yes", "--skip-preview")

    def changes(self) -> dict[str, str]:
        """Returns resource -> operation of what `up` would do, without what stays the same or is only read."""
        steps = json.loads(self.run("preview", "-s", self.stack, "--json"))["steps"]
        found = {step["urn"].rpartition("::")[2]: step["op"] for step in steps}
        return {name: op for name, op in found.items() if op not in ("same", "read")}


def prepared(folder: Path, plane: ControlPlane) -> Path:
    """Returns a project with the example environment on the control plane, every chart's part there already."""
    root = folder / "project"
    root.mkdir()
    project = Project(root)
    project.add_service("digits", STACK, blue=FIRST, green=SECOND)
    store = {"host": "store.example.com", "port": 5432, "address_range": "192.0.2.64/28"}
    cluster = Cluster(project)
    cluster.change(
        gpu_pools=[],
        kubernetes__context="test",
        kubernetes__api_server_range="127.0.0.1/32",
        kubernetes__admission__installed=True,
        kubernetes__gpu_operator_installed=True,
        kubernetes__postgres_operator_namespace="databases",
        kubernetes__gateway__installed={"class_name": "envoy", "namespace": "gateways"},
        kubernetes__monitoring={
            "installed": {
                "namespace": "monitoring",
                "prometheus_url": "http://prometheus.monitoring:9090",
                "alertmanager": "alertmanager.monitoring:9093",
            }
        },
        # Its definition asks the controller's own webhook, and there is no controller.
        kubernetes__admission=None,
        kubernetes__mlflow_postgres__installed=store,
        kubernetes__feast_postgres__installed=store,
        kubernetes__redis__installed=store,
    )
    plane.apply(*map(namespace, ("gateways", "monitoring", "databases")), gateway_class("envoy"), node("cpu-7"))
    return root


@pytest.fixture
def engine(tmp_path: Path, plane: ControlPlane) -> Iterator[Engine]:
    """The engine on such a project; what it made is destroyed at the end."""
    made = Engine(prepared(tmp_path, plane), plane)
    try:
        yield made
    finally:
        made.destroy()


def rules(plane: ControlPlane) -> list[dict[str, Any]]:
    """Returns the rules of the model's route."""
    return plane.get(*ROUTE)["spec"]["rules"]


def test_the_platform_comes_up_and_keeps_out_of_deliverys_way(engine: Engine, plane: ControlPlane) -> None:
    """A second `up` changes nothing, weights of delivery survive an unrelated change, and nothing is left behind."""
    engine.up()
    assert engine.changes() == {}
    assert [backend["weight"] for backend in rules(plane)[0]["backendRefs"]] == [0, 0]
    moved = rules(plane)
    for backend, weight in zip(moved[0]["backendRefs"], (95, 5), strict=True):
        backend["weight"] = weight
    plane.kubectl("patch", *ROUTE, "--type=merge", "-p", json.dumps({"spec": {"rules": moved}}))
    model = engine.root / "services" / "digits" / "model.yaml"
    document = yaml.safe_load(model.read_text())
    document["owner"]["contact"] = "somebody.else@example.com"
    model.write_text(yaml.safe_dump(document))
    engine.up()
    assert [backend["weight"] for backend in rules(plane)[0]["backendRefs"]] == [95, 5]
    assert engine.changes() == {}
    engine.destroy()
    left = {one["metadata"]["name"] for one in plane.get("namespaces")["items"]}
    assert not any(name.startswith(f"shipway-{STACK}") for name in left)


def test_a_live_slot_keeps_its_pods_when_it_gets_an_autoscaler(engine: Engine, plane: ControlPlane) -> None:
    """The pods of three replicas stay when three may become six; what the autoscaler asked for survives an update."""
    models = f"shipway-{STACK}-models"
    slot = ("deployment", "digits-blue", "-n", models)

    def pods() -> set[str]:
        found = plane.get("pods", "-n", models, "-l", "shipway/slot=blue")["items"]
        return {one["metadata"]["name"] for one in found if not one["metadata"].get("deletionTimestamp")}

    cluster = Cluster(Project(engine.root))
    cluster.resources("digits", min_replicas=3, max_replicas=3)
    engine.up()
    before = pods()
    assert len(before) == 3
    cluster.resources("digits", min_replicas=3, max_replicas=6)
    engine.up()
    assert (plane.get(*slot)["spec"]["replicas"], pods()) == (3, before)
    plane.kubectl("scale", *slot, "--replicas=5")
    cluster.resources("digits", memory_mib=640)
    engine.up()
    assert plane.get(*slot)["spec"]["replicas"] == 5
    assert engine.changes() == {}
