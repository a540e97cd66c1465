"""The program under the real engine, with the platform's real processes, in a project of the tests' own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from components.local.providers.rpc import SupervisorClient, wait_until
from shipway.contract.layout import PROCESS_MARKER, LocalLayout
from shipway.contract.metrics import ALERTS_JOB, DELIVERY_JOB, GATEWAY_JOB
from shipway.contract.workers import WORKERS
from tests.e2e.machine import PORTS, free_base, listening

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

REPOSITORY = Path(__file__).resolve().parents[2]

# For the gateway to answer on a busy machine.
READY_SECONDS = 60

PLATFORM = ("alert-receiver", "alertmanager", "delivery", "gateway", "labels", "prometheus", "registrar")

MODEL = """\
name: {name}
description: a model of the tests
owner: {{team: pricing, contact: a@example.com, escalation: b@example.com, runbook_url: "{runbook}"}}
resources: {{cpu_millicores: 500, memory_mib: 512}}
evaluation: {{gates: [{{metric: auc, minimum: 0.5}}]}}
"""


def _alive(pid: int) -> bool:
    """Returns whether the process runs; one that has ended but was not yet reaped by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Engine:
    """Pulumi on one stack of a project with the real program and a backend of its own."""

    def __init__(self, root: Path, stack: str, base: int) -> None:
        self.root, self.stack, self.base = root, stack, base
        self.layout = LocalLayout(root, stack)
        self.client = SupervisorClient(self.layout.supervisor_socket)
        state = root / "state"
        state.mkdir(exist_ok=True)
        tools = [REPOSITORY / ".shipway" / "bin", REPOSITORY / ".shipway" / "venv" / "bin"]
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
            "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_HOME": str(root / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_ERROR_OUTPUT_STRING": "true",
        }
        document = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.local.yaml").read_text())
        spec = document["config"]["shipway:environment"]
        spec |= {"name": stack, "ports": {"base": base, "span": PORTS}}
        path = root / "stacks" / f"Pulumi.{stack}.yaml"
        path.write_text(yaml.safe_dump(document))
        before = path.read_text()
        self.run("stack", "init", stack, "--no-select")
        # The file is tracked: its salt belongs to the empty passphrase, so that Pulumi has nothing to write.
        assert path.read_text() == before

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int | None = 0) -> str:
        """Runs one command and returns what it printed; `code` is the exit status expected, None for any but 0."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == code if code is not None else process.returncode != 0, output
        return output

    def up(self) -> str:
        return self.run("up", "-s", self.stack, "--yes", "--skip-preview")

    def refresh(self) -> str:
        return self.run("refresh", "-s", self.stack, "--yes", "--skip-preview")

    def destroy(self) -> str:
        return self.run("destroy", "-s", self.stack, "--yes", "--skip-preview")

    def changes(self) -> dict[str, str]:
        """Returns resource -> operation of what `up` would do, without what stays the same."""
        preview = json.loads(self.run("preview", "-s", self.stack, "--json"))
        steps = {step["urn"].rpartition("::")[2]: step["op"] for step in preview["steps"]}
        return {name: op for name, op in steps.items() if op != "same"}

    def add_model(self, name: str, runbook: str = "https://example.com/r") -> Path:
        service = self.root / "services" / name
        service.mkdir(parents=True, exist_ok=True)
        (service / "model.yaml").write_text(MODEL.format(name=name, runbook=runbook))
        return service

    def pids(self) -> dict[str, int]:
        return {name: int((self.client.info(name) or {"pid": 0})["pid"]) for name in PLATFORM}

    def answers(self) -> int:
        """Returns the status of a request through the gateway, 0 when nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.base}/first/readyz", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def left_over(self) -> list[str]:
        """Returns every process, open port and socket folder of the stack."""
        found: list[str] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(PROCESS_MARKER) == str(self.layout.state):
                    found.append(" ".join(process.cmdline()))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found + listening(self.base) + [str(path) for path in [self.layout.sockets] if path.exists()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copy(REPOSITORY / "Pulumi.yaml", root)
    (root / "stacks").mkdir()
    shutil.copy(REPOSITORY / "stacks" / "__main__.py", root / "stacks")
    return root


@pytest.fixture(scope="module")
def engine(project: Path) -> Iterator[Engine]:
    """Yields a stack that is up, with one model that was never released."""
    found = Engine(project, "local", free_base())
    found.add_model("first")
    try:
        found.up()
        yield found
    finally:
        found.destroy()


def test_a_second_up_changes_nothing(engine: Engine) -> None:
    """Every resource is unchanged and every process keeps running."""
    before = engine.pids()
    assert "unchanged" in engine.up()
    assert engine.changes() == {}
    assert engine.pids() == before


def test_the_gateway_and_prometheus_answer(engine: Engine) -> None:
    """A model without a release has a route and no slot: 503, not a refused connection; Prometheus sees its targets."""
    assert wait_until(lambda: engine.answers() == 503, READY_SECONDS)

    def healthy() -> dict[str, str]:
        url = f"http://127.0.0.1:{engine.base + 2}/api/v1/targets"
        with urllib.request.urlopen(url, timeout=5) as answer:
            targets = json.load(answer)["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets}

    jobs = (GATEWAY_JOB, DELIVERY_JOB, ALERTS_JOB, *WORKERS)
    # A worker imports its libraries first.
    assert wait_until(lambda: healthy() == dict.fromkeys(jobs, "up"), 60), healthy()


def test_a_respawned_process_is_no_drift(engine: Engine) -> None:
    """After `kill -9` supervisord brings it back, and the engine sees nothing to do."""
    before = engine.pids()["prometheus"]
    os.kill(before, signal.SIGKILL)
    assert wait_until(lambda: engine.pids()["prometheus"] not in (0, before), 10)
    engine.run("refresh", "-s", engine.stack, "--preview-only", "--expect-no-changes")


def test_drift_is_seen_and_repaired_where_it_is(engine: Engine) -> None:
    """Stopped, removed and edited things, and no others, are reported by `refresh`, updated and in place again."""
    delivery = engine.layout.supervisor / "conf.d" / "delivery.conf"
    engine.client._call("stopProcess", "gateway")
    engine.client.remove("prometheus")
    delivery.write_text(delivery.read_text().replace("startretries=3", "startretries=4"))
    (engine.layout.routes / "first.json").unlink()
    engine.run("refresh", "-s", engine.stack, "--preview-only", "--expect-no-changes", code=None)
    engine.refresh()
    assert engine.changes() == dict.fromkeys(("delivery", "gateway", "prometheus", "first-route"), "update")
    engine.up()
    assert engine.changes() == {}
    assert all(engine.pids().values())


def test_after_supervisord_died_up_brings_everything_back(engine: Engine) -> None:
    """Its orphans are ended, so that no port is held by a process that nobody watches."""
    orphans = engine.pids()
    os.kill(engine.client._call("getPID"), signal.SIGKILL)
    assert wait_until(lambda: not engine.client.answers(), 5)
    engine.refresh()
    engine.up()
    assert not any(_alive(pid) for pid in orphans.values())
    assert all(engine.pids().values())
    assert engine.changes() == {}


def test_another_model_adds_its_own_resources_and_touches_no_other(engine: Engine) -> None:
    """The preview creates only what is the model's; after `up` the platform's processes are the same ones."""
    before = engine.pids()
    engine.add_model("second")
    expected = {"second", "second-ports", "second-route", "second-targets", "second-rules"}
    # The stack's own outputs list the models.
    assert {name: op for name, op in engine.changes().items() if name != "shipway-local"} == dict.fromkeys(
        expected, "create"
    )
    engine.up()
    assert engine.pids() == before


def test_a_violated_policy_stops_the_preview(engine: Engine) -> None:
    """A runbook that is a placeholder: exit status not 0, the rule, the value and what to do."""
    pack = ("--policy-pack", str(REPOSITORY / "policies"))
    engine.run("preview", "-s", engine.stack, *pack)
    engine.add_model("first", runbook="TODO")
    try:
        output = engine.run("preview", "-s", engine.stack, *pack, code=None)
    finally:
        engine.add_model("first")
    assert "[mandatory] [severity: high]  ML041" in output
    assert "owner.runbook_url is 'TODO'. Name them under `owner` in model.yaml." in output


def test_a_second_stack_runs_beside_and_a_failed_or_interrupted_up_is_resumed(project: Path, engine: Engine) -> None:
    """A taken port is named; after Ctrl-C the same command goes on; the first stack does not notice."""
    before = engine.pids()
    other = Engine(project, "other", free_base())
    try:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", other.base))
            holder.listen()
            refused = other.run("up", "-s", "other", "--yes", "--skip-preview", code=None)
        assert f"gateway: port {other.base} is taken by another process, expected it free" in refused
        assert "Traceback" not in refused

        other.client.shutdown()
        assert wait_until(lambda: not other.client.answers(), 10)
        other.refresh()
        interrupted = other.start("up", "-s", "other", "--yes", "--skip-preview")
        assert wait_until(other.client.answers, 60)
        os.killpg(interrupted.pid, signal.SIGINT)
        interrupted.communicate(timeout=120)

        other.up()
        assert other.changes() == {}
        assert wait_until(lambda: other.answers() == 503, READY_SECONDS)
    finally:
        other.destroy()
    assert other.left_over() == []
    assert engine.pids() == before


def test_destroy_leaves_no_process_port_or_socket(engine: Engine) -> None:
    """What was served is gone; the registry and the bundles stay."""
    engine.destroy()
    assert engine.left_over() == []
    assert not engine.layout.envoy.exists()
    assert engine.layout.registry.exists()
    engine.up()
    assert wait_until(lambda: engine.answers() == 503, READY_SECONDS)
