"""The stack on which faults are tried: real gateway, real delivery, real Prometheus, slots that are real processes."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LABELS_JOB, MODELS_JOB, REQUESTS_TOTAL, Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState
from shipway.delivery.client import act, looks
from shipway.delivery.control import Command
from shipway.observability.scrape import prometheus_config
from shipway.observability.targets import model_targets
from tests.e2e.machine import free_base
from tests.faults.slots import SlotProcess
from tests.shipway.delivery.stack import ENVIRONMENT, PROJECT, FakeSlot, Stack, bootstrap, digest, wait_until

MODEL = "digits"
# A gateway, Prometheus or delivery process that is told to stop has this long.
STOP_SECONDS = 15.0


def find_prometheus() -> str:
    """Returns the pinned Prometheus as `make setup` leaves it."""
    places = [str(PROJECT / ".shipway" / "bin"), os.environ.get("PATH", "")]
    found = shutil.which("prometheus", path=os.pathsep.join(places))
    assert found, "no prometheus in .shipway/bin or on PATH; run `make setup`"
    return found


@dataclass
class Rig:
    """One stack in a folder of its own, and what a fault does to its parts.

    Args:
        root: the folder.
        seed: of everything that is left to chance.
    """

    root: Path
    seed: int
    slots: dict[Slot, SlotProcess] = field(default_factory=dict[Slot, SlotProcess])
    gateway: subprocess.Popen[bytes] | None = None
    delivery: subprocess.Popen[bytes] | None = None
    prometheus: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.stack = Stack(self.root, free_base())
        self._neighbours: list[SlotProcess] = []
        self._readers: list[threading.Thread] = []
        for slot in Slot:
            self._hold_port(SlotProcess(MODEL, slot, "", self._port(slot), (), self.root, self.seed))
        document = {
            "name": ENVIRONMENT,
            "tier": "local",
            "target": "local",
            "ports": {"base": self.stack.base_port, "span": 40},
            "cpu_pool": {"cpu_millicores": 2000, "memory_mib": 2000},
        }
        (self.root / "stacks").mkdir(parents=True)
        config = {"config": {"shipway:environment": document}}
        (self.root / "stacks" / f"Pulumi.{ENVIRONMENT}.yaml").write_text(yaml.safe_dump(config))
        self.layout.envoy.mkdir(parents=True)
        (self.layout.envoy / "bootstrap.yaml").write_text(json.dumps(bootstrap(self.stack)))

    @property
    def layout(self) -> LocalLayout:
        return self.stack.layout

    @property
    def ports(self) -> Any:
        ports = load_environment(self.root, ENVIRONMENT).ports
        assert ports is not None
        return ports

    @property
    def delivery_log(self) -> str:
        """What the delivery process has said so far."""
        path = self.root / "delivery.log"
        return path.read_text() if path.exists() else ""

    def state(self, model: str = MODEL) -> RolloutState:
        """Returns the served state of a model."""
        return self.stack.state(model)

    def slot(self, slot: Slot, letter: str, **behaviour: object) -> SlotProcess:
        """Returns the process of a version in a slot, not started; the slot's port stays the same."""
        other = self.slots.get(slot.other)
        held = digest(letter)
        references = [held, *([other.digest] if other else [])]
        # Another letter is another version: its errors fall on other requests.
        seed = self.seed * 100 + ord(letter)
        made = SlotProcess(MODEL, slot, held, self._port(slot), references, self.root, seed, dict(behaviour))
        self.slots[slot] = made
        self._hold_port(made)
        return made

    def neighbour(self, model: str, letter: str, **changes: object) -> None:
        """Starts another model's first version and declares it; its way to the gateway may be refused."""
        port = self.stack.base_port + 30
        held = digest(letter)
        process = SlotProcess(model, Slot.BLUE, held, port, (held,), self.root, self.seed)
        self._hold_port(process)
        self._neighbours.append(process)
        process.start()
        self.stack.declare(blue=letter, model=model, **cast(Any, changes))

    def _port(self, slot: Slot) -> int:
        return self.stack.base_port + 20 + list(Slot).index(slot)

    def _hold_port(self, process: SlotProcess) -> None:
        self.stack.slots[process.model, process.slot] = cast(FakeSlot, process)

    def declare(self, rollout: Mapping[str, Any], slo: Mapping[str, Any] | None = None, **changes: object) -> None:
        """Writes the route of the model as Pulumi does, with what each slot was last given."""
        letters = {str(slot): one.digest[-1] for slot, one in self.slots.items()}
        targets = {slot: f"127.0.0.1:{one.port}" for slot, one in self.slots.items()}
        folder = self.layout.prometheus / "targets"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".next").write_text(model_targets(MODEL, ENVIRONMENT, targets))
        (folder / ".next").rename(folder / f"{MODEL}.json")
        values: dict[str, Any] = {
            **letters,
            "rollout": RolloutSpec(**rollout),
            "slo": SloSpec(**(slo or {})),
            **changes,
        }
        self.stack.declare(**values)

    def start_gateway(self) -> None:
        """Starts Envoy the way the supervisor does, and returns once it answers."""
        self.gateway = self.stack.start_gateway()

    def start_prometheus(self) -> None:
        """Starts Prometheus with the project's own configuration, and returns once it answers."""
        folder = self.layout.prometheus
        for name in ("targets", "rules", "rollout"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        text = prometheus_config(
            load_environment(self.root, ENVIRONMENT),
            gateway=f"127.0.0.1:{self.ports.gateway_admin}",
            delivery=f"127.0.0.1:{self.ports.delivery_metrics}",
            workers={LABELS_JOB: f"127.0.0.1:{self.ports.worker_metrics(LABELS_JOB)}"},
            alertmanager=f"127.0.0.1:{self.ports.alertmanager}",
        )
        (folder / "prometheus.yml").write_text(text)
        arguments = [
            find_prometheus(),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.ports.prometheus}",
        ]
        with (self.root / "prometheus.log").open("ab") as log:
            self.prometheus = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=self.root)
        wait_until(lambda: self._get(self.ports.prometheus, "/-/ready") is not None, "Prometheus is ready", 20)

    def forget_evidence(self) -> None:
        """Starts Prometheus anew without its data, as on a machine that was replaced."""
        self.stop(self.prometheus)
        shutil.rmtree(self.layout.prometheus / "data")
        self.start_prometheus()

    def scraped_requests(self, slot: Slot) -> int:
        """Returns how many requests of a slot Prometheus has read from the job of all slots."""
        query = urllib.parse.quote(f'sum({REQUESTS_TOTAL}{{job="{MODELS_JOB}",slot="{slot}"}})')
        answer = self._get(self.ports.prometheus, f"/api/v1/query?query={query}")
        found: list[Any] = json.loads(answer)["data"]["result"] if answer else []
        return int(found[0]["value"][1]) if found else 0

    def start_delivery(
        self, *, failpoint: str = "", module: str = "shipway.delivery", wait: bool = True
    ) -> subprocess.Popen[bytes]:
        """Starts the delivery process, and returns it once it answers where it is told to `wait`.

        What it says goes through a pipe, as under a supervisor: a full disk takes its files, not its voice.
        """
        arguments = [sys.executable, "-m", module, "serve", "--root", str(self.root), "--env", ENVIRONMENT]
        variables = os.environ | ({"SHIPWAY_FAILPOINT": failpoint} if failpoint else {})
        self.delivery = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=PROJECT, env=variables
        )
        reader = threading.Thread(target=_copy, args=(self.delivery, self.root / "delivery.log"), daemon=True)
        reader.start()
        self._readers.append(reader)
        if wait:
            wait_until(self.delivery_answers, "delivery answers", 20)
        return self.delivery

    def delivery_answers(self) -> bool:
        """Returns whether the delivery process has its control socket open."""
        return looks(self.layout) is not None

    def look(self) -> Look | None:
        """Returns the newest look at the model's rollout."""
        return (looks(self.layout) or {}).get(MODEL)

    def ask(self, verb: str, **options: Any) -> dict[str, Any]:
        """Returns what a command of a person did."""
        command = Command(verb=verb, model=MODEL, actor="ada", reason="a fault test", **options)
        return act(self.layout, self.ports.gateway, self.ports.gateway_admin, command)

    def problems(self) -> set[str]:
        """Returns the subjects that delivery tells Prometheus something is wrong with: what an alarm fires on."""
        page = self._get(self.ports.delivery_metrics, "/metrics") or ""
        lines = [line for line in page.splitlines() if line.startswith("shipway_delivery_problem{")]
        return {line.split('subject="')[1].split('"')[0] for line in lines}

    def heartbeat_seconds(self) -> float:
        """Returns when delivery last finished a round, as it tells Prometheus."""
        page = self._get(self.ports.delivery_metrics, "/metrics") or ""
        lines = [line for line in page.splitlines() if line.startswith("shipway_heartbeat_timestamp_seconds{")]
        return float(lines[0].split()[-1]) if lines else 0.0

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        """Ends a process in good order, also one that is stopped."""
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Ends every process and removes what lies outside the folder."""
        for process in (self.delivery, self.prometheus, self.gateway):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(STOP_SECONDS)
        for reader in self._readers:
            reader.join(STOP_SECONDS)
        for one in (*self.slots.values(), *self._neighbours):
            one.kill()
        self.stack.slots.clear()
        self.stack.end()

    def _get(self, port: int, path: str) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            text = response.read().decode()
        except OSError:
            return None
        finally:
            connection.close()
        return text if response.status == http.client.OK else None


def _copy(process: subprocess.Popen[bytes], path: Path) -> None:
    assert process.stdout is not None
    with path.open("ab") as log, process.stdout as pipe:
        for line in pipe:
            log.write(line)
            log.flush()
