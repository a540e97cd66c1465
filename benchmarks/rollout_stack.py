"""A scratch stack to measure delivery on: real Envoy, Prometheus and delivery process, stand-ins for the models."""

import http.client
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ports import free_base, free_ports
from shipway.contract.documents import write_atomic
from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LABELS_JOB, Slot
from shipway.contract.model import RolloutSpec
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint, read_rollout_states
from shipway.contract.workers import WORKERS
from shipway.observability.scrape import prometheus_config
from shipway.observability.targets import model_targets

__all__ = ["MODEL", "A", "Answer", "B", "Load", "RolloutStack", "rollout_stack", "until"]

ENVIRONMENT, MODEL = "bench", "echo"
A, B = ("sha256:" + letter * 64 for letter in "ab")
VERSIONS = {Slot.BLUE: short_digest(A), Slot.GREEN: short_digest(B)}


def until(condition: Callable[[], object], what: str, seconds: float = 60.0, pause_seconds: float = 0.01) -> None:
    """Returns once `condition` holds.

    Raises:
        TimeoutError: naming `what`, when it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(pause_seconds)


@dataclass(frozen=True)
class Answer:
    """One request: when it began and ended on the monotonic clock, its status (0: none came), and the slot."""

    began: float
    ended: float
    status: int
    slot: str


class Load:
    """Open-loop callers: together `per_second` requests at random times, each for one of many units.

    Callers that kept time would fall into step with each other and with what is measured, and never be in its way.
    """

    def __init__(self, port: int, per_second: float, callers: int = 8, model: str = MODEL) -> None:
        self.answers: list[Answer] = []
        self._port, self._interval, self._path = port, callers / per_second, f"/{model}/predict"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _call(self, caller: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        due, number, chance = time.monotonic(), 0, random.Random(caller)  # noqa: S311 - arrivals
        while not self._stop.is_set():
            due, number = due + chance.expovariate(1 / self._interval), number + 1
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            try:
                connection.request("POST", self._path, b"{}", {"x-unit-id": f"{caller}-{number % 5000}"})
                response = connection.getresponse()
                response.read()
                status, slot = response.status, response.headers.get("x-slot", "")
            except (OSError, http.client.HTTPException):
                connection.close()
                status, slot = 0, ""
            self.answers.append(Answer(began, time.monotonic(), status, slot))
        connection.close()


@dataclass
class RolloutStack:
    """One stack in a folder of its own; every process ends with it."""

    root: Path
    base: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])
    ports: dict[tuple[str, Slot], int] = field(default_factory=dict[tuple[str, Slot], int])

    @property
    def layout(self) -> LocalLayout:
        """Where its files lie."""
        return LocalLayout(self.root, ENVIRONMENT)

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts a process that writes to its own log."""
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(words, stdout=log, stderr=log)
        return self.processes[name]

    def start_module(self, name: str, module: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts one of the project's own processes."""
        return self.start(name, sys.executable, "-m", module, *words)

    def stop(self, name: str) -> None:
        """Ends a process."""
        process = self.processes.pop(name)
        process.terminate()
        process.wait(timeout=20)

    def start_slot(self, slot: Slot, model: str = MODEL) -> None:
        """Starts the stand-in of one slot; it answers when this returns."""
        port = self.ports.setdefault((model, slot), free_ports(1)[0])
        references = ",".join(sorted(set(VERSIONS.values())))
        who = ("--model", model, "--slot", str(slot), "--version", VERSIONS[slot], "--references", references)
        self.start_module(f"{model}-{slot}", "benchmarks.slot", *who, "--port", str(port))
        until(lambda: self.get(port, "/readyz"), f"{model}-{slot} answers")

    def get(self, port: int, path: str, method: str = "GET") -> str:
        """Returns the answer of a local port, empty when there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.read().decode() if response.status == http.client.OK else ""
        except OSError:
            return ""
        finally:
            connection.close()

    def fail(self, slot: Slot, error_ratio: float) -> None:
        """Makes a slot fail that many of its next requests."""
        self.get(self.ports[MODEL, slot], f"/errors/{error_ratio}", "POST")

    def declare(self, blue: str, green: str, rollout: RolloutSpec, model: str = MODEL) -> None:
        """Writes the route that Pulumi would write."""
        ends = {slot: self.ports.setdefault((model, slot), free_ports(1)[0]) for slot in Slot}
        spec = RouteSpec(
            model=model,
            owner="benchmark",
            blue=SlotEndpoint(port=ends[Slot.BLUE], digest=blue),
            green=SlotEndpoint(port=ends[Slot.GREEN], digest=green),
            timeout_seconds=10.0,
            max_body_bytes=1_048_576,
            rollout=rollout,
        )
        write_atomic(self.layout.routes / f"{model}.json", spec.model_dump_json())
        addresses = {slot: f"127.0.0.1:{port}" for slot, port in ends.items()}
        write_atomic(self.layout.prometheus / "targets" / f"{model}.json", model_targets(model, ENVIRONMENT, addresses))

    def state(self, model: str = MODEL) -> RolloutState:
        """Returns what is served of a model."""
        return read_rollout_states(self.layout.served_routes).get(model, RolloutState())

    def start_platform(self, *, prometheus: bool = True) -> None:
        """Starts the gateway, delivery and, when it is asked for, Prometheus; all answer when this returns."""
        folder = self.layout.prometheus
        for name in ("targets", "rollout", "rules"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if prometheus:
            ports = {name: f"127.0.0.1:{self.base + at}" for name, at in _OFFSETS.items()}
            workers = {LABELS_JOB: f"127.0.0.1:{self.base + WORKERS[LABELS_JOB].port_offset}"}
            text = prometheus_config(load_environment(self.root, ENVIRONMENT), workers=workers, **ports)
            write_atomic(folder / "prometheus.yml", text)
            listen = f"--web.listen-address=127.0.0.1:{self.base + 2}"
            data = f"--storage.tsdb.path={folder / 'data'}"
            self.start("prometheus", "prometheus", f"--config.file={folder / 'prometheus.yml'}", data, listen)
            until(lambda: self.get(self.base + 2, "/-/ready"), "Prometheus is ready")
        who = ("--root", str(self.root), "--env", ENVIRONMENT)
        bootstrap = str(self.layout.envoy / "bootstrap.yaml")
        envoy = ("envoy", "-c", bootstrap, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        self.start_module("gateway", "shipway.delivery", "prepare", *who, "--", *envoy)
        until(lambda: self.get(self.base + 1, "/ready"), "the gateway is ready")
        self.start_module("delivery", "shipway.delivery", "serve", *who)
        until(self.layout.delivery_socket.exists, "delivery runs")


_OFFSETS = {"gateway": 1, "delivery": 3, "alertmanager": 4}


def _bootstrap(folder: Path, admin: int) -> dict[str, Any]:
    def source(kind: str) -> dict[str, Any]:
        path = {"path": str(folder / f"{kind}.json"), "watched_directory": {"path": str(folder)}}
        return {"resource_api_version": "V3", "path_config_source": path}

    return {
        "node": {"id": "benchmark", "cluster": "benchmark"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "dynamic_resources": {"cds_config": source("cds"), "lds_config": source("lds")},
    }


@contextmanager
def rollout_stack() -> Iterator[RolloutStack]:
    """Yields a stack with nothing running yet, and ends all of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="shipway-bench-") as folder:
        base = free_base(7)
        stack = RolloutStack(Path(folder), base)
        environment: Mapping[str, Any] = {
            "name": ENVIRONMENT,
            "tier": "local",
            "target": "local",
            "ports": {"base": base, "span": 40},
            "cpu_pool": {"cpu_millicores": 2000, "memory_mib": 2000},
        }
        path = stack.root / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml"
        write_atomic(path, yaml.safe_dump({"config": {"shipway:environment": dict(environment)}}))
        dynamic = stack.layout.envoy / "dynamic"
        write_atomic(stack.layout.envoy / "bootstrap.yaml", json.dumps(_bootstrap(dynamic, base + 1)))
        try:
            yield stack
        finally:
            for name in reversed(list(stack.processes)):
                stack.stop(name)
            shutil.rmtree(stack.layout.sockets, ignore_errors=True)
