"""A stack with a real gateway, fake slots and nothing else: what delivery needs, in a folder of its own."""

import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import REFUSED_HEADER, VERSIONS_HEADER, Slot
from shipway.contract.release import short_digest
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint, read_rollout_states
from shipway.delivery.controller import Controller, utc_now
from shipway.delivery.envoy.admin import Admin
from shipway.delivery.local import local_controller
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.rollouts import Rollouts
from tests.e2e.machine import free_base, free_port

ENVIRONMENT = "test"
PROJECT = Path(__file__).parents[3]


def digest(letter: str) -> str:
    """Returns a digest made of one hexadecimal digit."""
    return "sha256:" + letter * 64


def wait_until(condition: Callable[[], object], what: str, timeout_seconds: float = 10) -> None:
    """Returns once `condition` holds; fails the test naming `what` when it never does."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_seconds} s in vain until {what}"
        time.sleep(0.01)


def find_envoy() -> str:
    """Returns the pinned Envoy as `make setup` leaves it."""
    places = [PROJECT / ".shipway" / "bin", *Path("~/.cache/shipway/tools").expanduser().glob("envoy-*")]
    found = shutil.which("envoy", path=os.pathsep.join([*map(str, places), os.environ.get("PATH", "")]))
    assert found, "no envoy in .shipway/bin, in the tool cache or on PATH; run `make setup`"
    return found


class FakeSlot:
    """A slot's process as the gateway sees it: readiness, its version, and answers that may take their time."""

    def __init__(self, slot: Slot, held: str, port: int = 0) -> None:
        self.slot, self.digest, self.ready = slot, held, True
        self._server = _FakeServer(("127.0.0.1", port), _FakeHandler)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the process: open connections are cut, new ones refused."""
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()
        self._thread.join()


class _FakeServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    fake: FakeSlot

    def __init__(self, *arguments: object) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*arguments)  # type: ignore[arg-type]

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self.open.add(request)
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: socket.socket) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self.open):
            with_suppressed_shutdown(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """A cut connection is what the test asked for."""


def with_suppressed_shutdown(connection: socket.socket) -> None:
    """Cuts a connection that its peer may have closed already."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        connection.close()


class _FakeHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave in two packets; without this the second waits 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    server: _FakeServer

    def do_GET(self) -> None:
        fake = self.server.fake
        self._answer(200 if fake.ready or self.path != "/readyz" else 503)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        version = short_digest(self.server.fake.digest)
        if version not in self.headers.get(VERSIONS_HEADER, version).split(","):
            return self._answer(503, refused=True)
        if self.path.startswith("/slow/"):
            time.sleep(float(self.path.removeprefix("/slow/")))
        return self._answer(200)

    def _answer(self, status: int, *, refused: bool = False) -> None:
        fake, body = self.server.fake, json.dumps({"path": self.path}).encode()
        self.send_response(status)
        for name, value in (
            ("content-length", str(len(body))),
            ("x-slot", fake.slot),
            ("x-model-version", short_digest(fake.digest)),
            *([(REFUSED_HEADER, short_digest(fake.digest))] if refused else []),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@dataclass
class Answer:
    """What one request through the gateway brought."""

    status: int
    slot: str
    version: str
    body: str


@dataclass
class Stack:
    """One local stack: its files, its gateway, its delivery process and its fake slots."""

    root: Path
    base_port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    slots: dict[tuple[str, Slot], FakeSlot] = field(default_factory=dict)

    @property
    def layout(self) -> LocalLayout:
        return LocalLayout(self.root, ENVIRONMENT)

    def controller(self) -> Controller:
        """Returns a controller in this process; the test holds the lease by being alone."""
        rollouts = Rollouts(Prometheus(self.base_port + 2), utc_now)
        return local_controller(self.layout, self.base_port, Admin(self.base_port + 1).read, rollouts)

    def state(self, model: str = "digits") -> RolloutState:
        """Returns the served state of `model`, an empty one before it is served."""
        return read_rollout_states(self.layout.served_routes).get(model, RolloutState())

    def start_slot(self, slot: Slot, letter: str, model: str = "digits") -> FakeSlot:
        """Starts the process of one slot at the port its model declared, or at a free one."""
        before = self.slots.pop((model, slot), None)
        if before is not None:
            before.stop()
        self.slots[model, slot] = FakeSlot(slot, digest(letter), before.port if before else 0)
        return self.slots[model, slot]

    def declare(self, blue: str = "", green: str = "", model: str = "digits", **changes: object) -> RouteSpec:
        """Writes the route of `model` as Pulumi would, with a digest of the given letter in each slot."""
        letters = {Slot.BLUE: blue, Slot.GREEN: green}
        ends = {
            slot: SlotEndpoint(
                port=self.slots[model, slot].port if (model, slot) in self.slots else free_port(),
                digest=digest(letter) if letter else "",
            )
            for slot, letter in letters.items()
        }
        values = {"timeout_seconds": 20.0, "max_body_bytes": 4_000_000} | changes
        spec = RouteSpec(model=model, owner="vision", blue=ends[Slot.BLUE], green=ends[Slot.GREEN], **values)
        self.layout.routes.mkdir(parents=True, exist_ok=True)
        temporary = self.layout.routes / f".{model}.tmp"
        temporary.write_text(spec.model_dump_json())
        temporary.rename(self.layout.routes / f"{model}.json")
        return spec

    def start_gateway(self) -> subprocess.Popen[bytes]:
        """Starts Envoy the way the supervisor does, and returns once it answers."""
        arguments = [sys.executable, "-m", "shipway.delivery", "prepare", "--root", str(self.root)]
        bootstrap = self.layout.envoy / "bootstrap.yaml"
        envoy = [find_envoy(), "-c", str(bootstrap), "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]
        process = self._start([*arguments, "--env", ENVIRONMENT, "--", *envoy], "gateway")
        wait_until(lambda: self._admin_ready(), "the gateway is ready")
        return process

    def start_delivery(self) -> subprocess.Popen[bytes]:
        """Starts the delivery process; it may still be starting when this returns."""
        arguments = [sys.executable, "-m", "shipway.delivery", "serve", "--root", str(self.root), "--env", ENVIRONMENT]
        return self._start(arguments, "delivery")

    def _start(self, arguments: list[str], name: str) -> subprocess.Popen[bytes]:
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.root)
        self.processes.append(process)
        return process

    def _admin_ready(self) -> bool:
        try:
            return self._request(self.base_port + 1, "GET", "/ready", b"", {}).status == 200
        except OSError:
            return False

    def call(self, path: str = "/digits/predict", body: bytes = b"{}", unit: str = "") -> Answer:
        """Returns the answer to one POST through the gateway."""
        return self._request(self.base_port, "POST", path, body, {"x-unit-id": unit} if unit else {})

    def _request(self, port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        return Answer(
            response.status, response.getheader("x-slot", ""), response.getheader("x-model-version", ""), text
        )

    def end(self) -> None:
        """Stops everything this stack started and removes what lies outside its folder."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for slot in self.slots.values():
            slot.stop()
        shutil.rmtree(self.layout.sockets, ignore_errors=True)


def bootstrap(stack: Stack) -> dict[str, object]:
    folder = stack.layout.envoy / "dynamic"

    def source(kind: str) -> dict[str, object]:
        path = {"path": str(folder / f"{kind}.json"), "watched_directory": {"path": str(folder)}}
        return {"resource_api_version": "V3", "path_config_source": path}

    address = {"socket_address": {"address": "127.0.0.1", "port_value": stack.base_port + 1}}
    return {
        "node": {"id": "gateway", "cluster": "shipway"},
        "admin": {"address": address},
        "dynamic_resources": {"cds_config": source("cds"), "lds_config": source("lds")},
    }


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack with nothing running yet."""
    made = Stack(tmp_path, free_base())
    document = {
        "name": ENVIRONMENT,
        "tier": "local",
        "target": "local",
        "ports": {"base": made.base_port, "span": 40},
        "cpu_pool": {"cpu_millicores": 2000, "memory_mib": 2000},
    }
    (tmp_path / "stacks").mkdir()
    config = {"config": {"shipway:environment": document}}
    (tmp_path / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(config))
    made.layout.envoy.mkdir(parents=True)
    (made.layout.envoy / "bootstrap.yaml").write_text(json.dumps(bootstrap(made)))
    try:
        yield made
    finally:
        made.end()
