"""The labels process and the registrar as real processes, on real logs and a real registry."""

import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.local.providers.rpc import wait_until
from shipway.delivery.ledger import Ledger
from shipway.training.tables import create_tables
from tests.e2e.machine import free_base
from tests.shipway.labels.logs import Logs, new_id

pytestmark = pytest.mark.e2e

# The first round of a large log, on a busy machine.
READY_SECONDS = 60
SERIES = tuple[str, str, str]


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


@contextmanager
def process(logs: Logs, module: str, verb: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `python -m module verb` on the project of `logs`; it ends with the block."""
    command = [sys.executable, "-m", module, verb, "--root", str(logs.layout.root), "--env", "local"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def page(port: int) -> dict[SERIES, float]:
    """Returns (version, rollout, outcome) -> count of what is exposed, empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {
        (sample.labels["version"], sample.labels["rollout"], sample.labels["outcome"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "shipway_labelled_total"
    }


def resident_mib(running: subprocess.Popen[str]) -> float:
    return psutil.Process(running.pid).memory_info().rss / 2**20


def ends(running: subprocess.Popen[str]) -> int:
    """Returns the exit status after SIGTERM."""
    running.send_signal(signal.SIGTERM)
    return running.wait(10)


def test_labels_are_joined_as_they_come_and_after_a_restart(logs: Logs) -> None:
    """Counts follow the logs within seconds, SIGTERM ends it with 0, and the next process says the same at once."""
    base = free_base()
    logs.stack(base)
    ids = [new_id() for _ in range(4)]
    logs.predict([(one, 0.9, "vw"[number % 2], 3) for number, one in enumerate(ids)])
    with process(logs, "shipway.labels", "serve") as running:
        zero = {(version, "3", outcome): 0.0 for version in "vw" for outcome in ("right", "wrong")}
        assert wait_until(lambda: page(base + 6) == zero, READY_SECONDS), page(base + 6)
        logs.label([(ids[0], 1.0), (ids[1], 0.0), (ids[1], 0.0)])
        (logs.folder / "labels" / "2013-05-01T03" / "torn.parquet").write_bytes(b"PAR1")
        counted = zero | {("v", "3", "right"): 1.0, ("w", "3", "wrong"): 1.0}
        assert wait_until(lambda: page(base + 6) == counted, 10), page(base + 6)
        assert ends(running) == 0
    with process(logs, "shipway.labels", "serve") as running:
        # Nothing is on the page until all is read: a counter that starts low would count its way up again.
        assert wait_until(lambda: page(base + 6), READY_SECONDS)
        assert page(base + 6) == counted
        assert ends(running) == 0


def test_a_large_log_fits(logs: Logs) -> None:
    """Three hundred thousand predictions and their labels take less than 180 MiB, and idling takes nothing."""
    base = free_base()
    logs.stack(base)
    for part in range(60):
        ids = [new_id() for _ in range(5000)]
        logs.predict([(one, 0.9, "v", 3) for one in ids], name=f"{part:03d}")
        logs.label([(one, 1.0) for one in ids], name=f"{part:03d}")
    with process(logs, "shipway.labels", "serve") as running:
        assert wait_until(lambda: page(base + 6), READY_SECONDS)
        # The oldest predictions were dropped before their labels were read; so many cannot be.
        assert page(base + 6)["v", "3", "right"] >= 80_000
        assert resident_mib(running) < 180
        times = psutil.Process(running.pid).cpu_times
        before = times().user + times().system
        assert wait_until(lambda: False, 3) is False
        assert times().user + times().system - before < 0.3
        assert ends(running) == 0


def test_a_taken_port_is_said_and_nothing_runs(logs: Logs) -> None:
    """One line with the port, and exit status 1."""
    base = free_base()
    logs.stack(base)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 6))
        taken.listen()
        with process(logs, "shipway.labels", "serve") as running:
            _, said = running.communicate(timeout=30)
    expected = f"error: cannot serve the metrics of labels on port {base + 6} (Address already in use)\n"
    assert (running.returncode, said) == (1, expected)


def test_the_registrar_follows_the_ledger_in_a_few_mebibytes(logs: Logs) -> None:
    """A new entry starts one short process, whose report is a line of the log; between entries it stays small."""
    logs.stack(free_base())
    create_tables(logs.layout.registry)
    digests = {"live": "sha256:" + "a" * 64}
    with process(logs, "shipway.training", "follow") as running:
        Ledger(logs.layout.ledger).append(
            time="t",
            actor="delivery",
            action="first_live",
            model="toy-labels",
            digests=digests,
            reason="",
            generation=1,
        )
        assert running.stderr is not None
        assert running.stderr.readline() == (
            "toy-labels: the registry has no version of aaaaaaaaaaaa, so none is its champion\n"
        )
        assert wait_until(lambda: not psutil.Process(running.pid).children(), 10)
        assert resident_mib(running) < 40
        assert ends(running) == 0


def test_sigterm_ends_the_registrar_together_with_what_it_started(logs: Logs) -> None:
    """Told to stop while the aliases are brought up to date, it leaves no process behind."""
    logs.stack(free_base())
    create_tables(logs.layout.registry)
    Ledger(logs.layout.ledger).append(
        time="t", actor="delivery", action="first_live", model="toy-labels", digests={}, reason="", generation=1
    )
    with process(logs, "shipway.training", "follow") as running:
        children: list[psutil.Process] = []
        assert wait_until(lambda: bool(children.extend(psutil.Process(running.pid).children()) or children), 20)
        assert ends(running) == 0
        assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
