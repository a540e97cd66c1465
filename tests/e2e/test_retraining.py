"""Retraining with real processes: a whole run by command, and the scheduler with its runs, killed and started again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from components.local.providers.rpc import wait_until
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint
from shipway.contract.workers import WORKERS
from shipway.delivery.envoy.configuration import compose_routes
from shipway.delivery.served import ServedModel
from shipway.logs.schemas import LABEL_SCHEMA, PREDICTION_SCHEMA
from tests.e2e.machine import free_base
from tests.shipway.training.conftest import MODEL, SCHEMA, SERVICE, TRAIN

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

NAME = "toy-train"
START = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = 800
STACK = {"name": "local", "tier": "local", "target": "local", "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1}}
READY_SECONDS = 60


class Project:
    """A project with the model `toy-train`, its champion live and its traffic labelled."""

    def __init__(self, root: Path) -> None:
        self.layout, self.base = LocalLayout(root, "local"), free_base()
        self.service = root / "services" / "toy_train"
        (root / "stacks").mkdir(parents=True)
        (root / "Pulumi.yaml").write_text("name: shipway\n")
        stack = {"config": {"shipway:environment": STACK | {"ports": {"base": self.base}}}}
        (root / "stacks" / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
        self.service.mkdir(parents=True)
        for name, text in (("__init__", '"""Toy."""\n'), ("schema", SCHEMA), ("train", TRAIN), ("service", SERVICE)):
            (self.service / f"{name}.py").write_text(text)
        self.describe()

    def describe(self, **retraining: Any) -> None:
        """Writes model.yaml with another rule."""
        document = yaml.safe_load(MODEL) | {"segments": ["colour"], "retraining": {"minimum_rows": 300, **retraining}}
        (self.service / "model.yaml").write_text(yaml.safe_dump(document))

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs `shipway` in the project."""
        command = [str(Path(sys.executable).with_name("shipway")), *words]
        return subprocess.run(command, cwd=self.layout.root, capture_output=True, text=True, check=False, timeout=200)

    def go_live(self, digest: str) -> None:
        """Writes the served route as delivery would."""
        blue, green = SlotEndpoint(port=1, digest=digest), SlotEndpoint(port=2, digest="")
        spec = RouteSpec(model=NAME, owner="toys", blue=blue, green=green, timeout_seconds=1.0, max_body_bytes=1)
        state = RolloutState(live=Slot.BLUE, live_digest=digest)
        self.layout.served_routes.parent.mkdir(parents=True)
        self.layout.served_routes.write_text(compose_routes({NAME: ServedModel(spec, state)}).text)

    def log(self) -> None:
        """Writes an hour of predictions and their labels, drawn as the toy's own data."""
        rng = np.random.default_rng(99)
        folder = self.layout.predictions / NAME
        predictions, labels = list[dict[str, Any]](), list[dict[str, Any]]()
        for number in range(ROWS):
            x, at = rng.uniform(-1, 1), START + timedelta(seconds=number)
            fields = json.dumps({"x": x, "colour": ("red", "blue")[number % 2]})
            record = {"prediction_id": f"p{number}", "unit_id": f"asked-{number}", "event_time": at, "fields": fields}
            predictions.append(dict.fromkeys(PREDICTION_SCHEMA.names) | record | {"features": []})
            label = {"prediction_id": f"p{number}", "label": float(x + rng.normal(scale=0.5) > 0), "event_time": at}
            labels.append(dict.fromkeys(LABEL_SCHEMA.names) | label)
        for kind, schema, records in (
            ("predictions", PREDICTION_SCHEMA, predictions),
            ("labels", LABEL_SCHEMA, labels),
        ):
            (folder / kind / "2020-01-01T00").mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(records, schema), folder / kind / "2020-01-01T00" / "a.parquet")

    def drift(self) -> None:
        """Writes one verdict of drift, as the detector does."""
        path = self.layout.state / "drift" / NAME / "verdicts.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        window = {"name": "day", "start": START.isoformat(), "end": (START + timedelta(days=2)).isoformat()}
        path.write_text(json.dumps({"window": window, "status": "drifted", "kind": "input", "feature": "x"}) + "\n")

    def outcomes(self) -> list[dict[str, Any]]:
        """Returns every outcome of the model, in order."""
        paths = sorted((self.layout.retraining / NAME / "runs").glob("*.json"))
        return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"))
    trained = made.command("train", NAME, "--json")
    assert trained.returncode == 0, trained.stderr
    made.go_live(json.loads(trained.stdout)["digest"])
    made.log()
    return made


def test_a_run_compares_registers_and_proposes(project: Project) -> None:
    """On traffic, in every segment, within limits; nothing that is live moves, and the next command is printed."""
    before = project.layout.served_routes.read_bytes()
    words = ("retrain", NAME, "--as-of", "2020-01-02", "--reason", "more of it", "--set", "penalty=0.8", "--json")
    done = project.command(*words)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["status"] == "proposed"
    assert outcome["next"] == f"shipway release {NAME} {outcome['digest']} --env local --reason 'more of it'"
    assert outcome["digest"] != outcome["champion"]
    places = {finding.partition(" (")[0] for finding in outcome["findings"]}
    when = "traffic of 2020-01-01 00:00 to 2020-01-01 00:13"
    assert places == {when, f"{when}, colour blue", f"{when}, colour red"}
    assert "(800 rows): passed: auc is 0." in outcome["findings"][0]
    assert "fit: " in done.stderr
    assert project.outcomes()[-1] == outcome
    assert project.layout.served_routes.read_bytes() == before
    assert list((project.service / "releases").glob("*")) == []


def test_a_rehearsal_is_no_run_to_the_scheduler(project: Project) -> None:
    """Neither one that would pass nor one that is refused is kept: none answers a verdict, none is tried again."""
    words = ("retrain", NAME, "--as-of", "2020-01-02", "--reason", "a look", "--dry-run", "--json")
    kept = project.outcomes()
    passed = project.command(*words, "--set", "penalty=0.8")
    assert (passed.returncode, json.loads(passed.stdout)["status"]) == (0, "rehearsed"), passed.stderr
    refused = project.command(*words, "--set", "penalty=0")
    assert (refused.returncode, json.loads(refused.stdout)["status"]) == (1, "failed"), refused.stderr
    assert project.outcomes() == kept


@contextmanager
def scheduler(project: Project, temporary: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs the scheduler of the project, its temporary files in a folder of its own; what it started ends with it."""
    command = [sys.executable, "-m", "shipway.retraining", "serve"]
    command += ["--root", str(project.layout.root), "--env", "local"]
    env = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})
    running = subprocess.Popen(command, cwd=project.layout.root, env=env)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.terminate()
        running.wait(20)


def gauge(project: Project, name: str) -> float | None:
    """Returns what the scheduler exposes of the model, None while it does not."""
    port = project.base + WORKERS["retraining"].port_offset
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except OSError:
        return None
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return next((sample.value for sample in samples if sample.labels.get("model") == NAME), None)


def running(project: Project) -> bool:
    return gauge(project, "shipway_retraining_running") == 1


def test_a_killed_scheduler_finds_its_run_again(project: Project) -> None:
    """One verdict, one run: the scheduler dies, the run ends at its memory limit, and that is one failure."""
    before, served = len(project.outcomes()), project.layout.served_routes.read_bytes()
    project.describe(memory_mib=60, first_retry_seconds=3000, cool_down_seconds=0)
    project.drift()
    with scheduler(project) as first:
        assert wait_until(lambda: running(project), READY_SECONDS)
        first.send_signal(signal.SIGKILL)
        first.wait()
    with scheduler(project) as second:
        assert wait_until(lambda: gauge(project, "shipway_retraining_failed") == 1, READY_SECONDS)
        assert not running(project)
        [outcome] = project.outcomes()[before:]
        assert outcome["status"] == "failed"
        assert outcome["reason"] == "input drift in x, day to 2020-01-03T00:00:00+00:00"
        expected = "the training was not finished: it held"
        assert outcome["sentence"].startswith(expected)
        assert outcome["sentence"].endswith("MiB, expected at most memory_mib (60); it was ended")
        second.terminate()
        assert second.wait(20) == 0
    assert project.layout.served_routes.read_bytes() == served


def test_a_scheduler_that_is_told_to_stop_takes_its_run_with_it(project: Project, tmp_path: Path) -> None:
    """By SIGTERM: neither the run nor its training outlives it, and no temporary file does."""
    project.describe(cool_down_seconds=0)
    # To a scheduler that remembers nothing the verdict is a new one.
    shutil.rmtree(project.layout.retraining / NAME, ignore_errors=True)
    project.drift()
    with scheduler(project, tmp_path) as only:
        children: list[psutil.Process] = []

        def training() -> bool:
            children[:] = psutil.Process(only.pid).children(recursive=True)
            return any("train" in child.cmdline() for child in children)

        assert wait_until(training, READY_SECONDS)
        assert list(tmp_path.iterdir())
        only.terminate()
        assert only.wait(20) == 0
        assert wait_until(lambda: not any(child.is_running() for child in children), 5)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_wrong_input(project: Project) -> None:
    """Exit status 2, in one line, before anything is trained."""
    done = project.command("retrain", NAME, "--as-of", "yesterday")
    assert done.returncode == 2
    expected = "error: --as-of: got 'yesterday', expected a date or time such as 2013-07-01 or 2013-07-01T12:00:00Z\n"
    assert done.stderr == expected
