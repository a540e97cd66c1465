"""Delivery on a real API server: what Pulumi declares of a model, the process with the rights it gives it, traffic."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from shipway.contract.metrics import Slot
from shipway.contract.route import RolloutState
from shipway.delivery.cluster.api import HTTP_ROUTES, LEASES
from shipway.delivery.cluster.client import act, ledger
from shipway.delivery.cluster.connect import connect
from shipway.delivery.cluster.route import read_route
from shipway.delivery.control import Command
from tests.cluster.control_plane import ControlPlane
from tests.cluster.objects import node
from tests.cluster.test_onprem import objects
from tests.cluster.traffic import Alertmanager, Gateway, Pods, Prometheus
from tests.components.conftest import REPOSITORY, Project
from tests.components.kubernetes.cluster import FIRST, SECOND, STACK, Cluster
from tests.e2e.machine import free_port
from tests.shipway.delivery.stack import wait_until
from tests.standins.object_store import ObjectStore

__all__ = ["Rollout"]

ROLLOUT = {
    "steps_percent": [10, 50, 100],
    "harm_budget_ratio": 0.1,
    "min_step_seconds": 1,
    "max_step_seconds": 120,
    "prepare_seconds": 120,
    "guard_seconds": 5,
}
APPLIED = frozenset(
    {
        "ConfigMap",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Namespace",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }
)
PATIENCE_SECONDS = 60.0


@dataclass
class Rollout:
    """One environment of its own on the control plane, with one model.

    Args:
        name: the environment's.
        folder: for its files.
        plane: the control plane.
        store: where the ledger lies.
    """

    name: str
    folder: Path
    plane: ControlPlane
    store: ObjectStore
    copies: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def models(self) -> str:
        return f"shipway-{self.name}-models"

    @property
    def platform(self) -> str:
        return f"shipway-{self.name}"

    def declare(self, project: Project) -> None:
        """Applies what the program declares of the model with one slot filled; `release` fills the other one."""
        service = project.add_service("digits", STACK, blue=FIRST, green=SECOND)
        path = service / "model.yaml"
        document = yaml.safe_load(path.read_text())
        document["resources"] |= {"max_replicas": 4}
        path.write_text(yaml.safe_dump(document | {"rollout": ROLLOUT}))
        text = json.dumps(objects(Cluster(project).register())).replace(f"shipway-{STACK}", self.platform)
        found = [one for one in json.loads(text) if one["kind"] in APPLIED and self._mine(one)]
        green = [one for one in found if one["metadata"]["name"] == "digits-green"]
        (self._route,) = (one for one in found if one["metadata"]["name"] == "digits-route")
        first = json.loads(self._route["data"]["route.json"]) | {"green": {"port": 8080, "digest": ""}}
        rest = [one for one in found if one not in green and one is not self._route and one["kind"] != "Namespace"]
        self._green = green
        self.plane.apply(node("cpu-delivery"), *[one for one in found if one["kind"] == "Namespace"])
        self.plane.apply(*rest, self._route | {"data": {"route.json": json.dumps(first)}})

    def release(self) -> None:
        """Fills the other slot, as the next `up` does."""
        self.plane.apply(*self._green, self._route)

    def _mine(self, one: dict[str, Any]) -> bool:
        metadata = one["metadata"]
        if one["kind"] == "Namespace":
            return metadata["name"] in (self.models, self.platform)
        return metadata["name"].startswith("digits") or (
            metadata["name"] == "delivery"
            and one["kind"]
            in (
                "Role",
                "RoleBinding",
                "ServiceAccount",
            )
        )

    def serve(self) -> None:
        """Starts the gateway, its traffic and what scrapes it."""
        self.pods, self.alertmanager = Pods(), Alertmanager()
        self.prometheus = Prometheus(self.folder / "prometheus", self.pods, self.name)
        self.api = connect(self.plane.kubeconfig)
        self.gateway = Gateway(self.api, self.models, self.pods)
        self.gateway.start()

    def start_copy(self) -> int:
        """Starts one more copy of the process with the rights of its ServiceAccount; returns its metrics port."""
        settings = {
            "environment": self.name,
            "models_namespace": self.models,
            "lease": {"namespace": self.platform, "name": "delivery"},
            "prometheus_url": f"http://127.0.0.1:{self.prometheus.port}",
            "alertmanager": f"127.0.0.1:{self.alertmanager.server_address[1]}",
            "records": "s3://bucket/records",
            "scrape_interval_seconds": 1,
        }
        config = self.folder / "delivery.json"
        config.write_text(json.dumps(settings))
        port = free_port()
        arguments = [
            "cluster",
            "--config",
            str(config),
            "--metrics-port",
            str(port),
            "--kubeconfig",
            str(self._access()),
        ]
        with (self.folder / f"delivery-{len(self.copies)}.log").open("ab") as log:
            self.copies.append(
                subprocess.Popen(
                    [sys.executable, "-m", "shipway.delivery", *arguments],
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
                )
            )
        return port

    def _access(self) -> Path:
        token = self.plane.kubectl("create", "token", "delivery", "-n", self.platform, "--duration=1h").strip()
        document = yaml.safe_load(self.plane.kubeconfig.read_text())
        document["users"] = [{"name": "admin", "user": {"token": token}}]
        path = self.folder / "delivery.kubeconfig"
        path.touch(0o600)
        path.write_text(yaml.safe_dump(document))
        return path

    @property
    def state(self) -> RolloutState:
        """What the route says."""
        route = self.api.read(HTTP_ROUTES, self.models, "digits")
        assert route is not None
        found = read_route(route)
        return found.state if found else RolloutState()

    @property
    def lease(self) -> dict[str, Any]:
        """What the Lease says, empty before it was made."""
        found = self.api.read(LEASES, self.platform, "delivery")
        return found["spec"] if found else {}

    def act(self, verb: str) -> dict[str, Any]:
        """Carries out a person's command, as the command line does."""
        return act(self.api, self.models, Command(verb=verb, model="digits", actor="ada", reason="looked at it"))

    def wait(self, condition: Callable[[RolloutState], object], what: str) -> RolloutState:
        """Returns the first state for which `condition` holds."""
        found: list[RolloutState] = []

        def holds() -> object:
            found[:] = [self.state]
            return condition(found[0])

        try:
            wait_until(holds, what, PATIENCE_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {found[0].phase} at {found[0].weight_percent} %: {self.said()}") from None
        return found[0]

    def first_live(self) -> None:
        """Waits until the first version takes all traffic."""
        self.wait(lambda state: state.live is Slot.BLUE, "blue is live")

    def said(self) -> str:
        """Returns the last words of every copy."""
        return " | ".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("delivery-*.log")))

    def actions(self) -> list[tuple[str, str]]:
        """Returns actor and action of every entry of the ledger."""
        return [(entry.actor, entry.action) for entry in ledger("s3://bucket/records").entries("digits")]

    def metric(self, port: int, name: str) -> list[str]:
        """Returns the lines of one metric of a copy."""
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        return [line for line in page.splitlines() if line.startswith(name)]

    def end(self) -> None:
        """Stops everything; the namespaces go by themselves."""
        for copy in self.copies:
            if copy.poll() is None:
                copy.send_signal(signal.SIGCONT)
                copy.kill()
                copy.wait()
        self.gateway.stop()
        self.api.__exit__()
        self.prometheus.process.kill()
        self.prometheus.process.wait()
        for server in (self.pods, self.alertmanager):
            server.shutdown()
            server.server_close()
        # Last, for who is to be stopped above must be stopped whatever the API server says.
        self.plane.kubectl("delete", "namespace", self.models, self.platform, "--wait=false")
