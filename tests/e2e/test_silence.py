"""Every periodic process, really run and then stopped, killed or kept from its output: somebody is told in time."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.rpc import wait_until
from shipway.contract.alerts import AlertName
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import ALERTS_JOB, DELIVERY_JOB, HEARTBEAT_TIMESTAMP_SECONDS, LEDGER_JOB, SCRAPE_JOB
from shipway.contract.periodic import PERIODIC, Of, Periodic
from shipway.contract.workers import WORKERS
from shipway.delivery.survey import loopback
from shipway.observability.alertmanager import alertmanager_config
from shipway.observability.rules import platform_rules
from shipway.observability.scrape import prometheus_config
from tests.e2e.machine import free_base
from tests.e2e.test_alerting import REPOSITORY, answers, executable
from tests.shipway.labels.logs import STACK, Logs
from tools.pins import ALERTMANAGER, PROMETHEUS

pytestmark = pytest.mark.e2e

# What a run may be late by, and for how long a busy machine may hold up a notification.
LATE_SECONDS, BUSY_SECONDS = 5.0, 3.0
# One after the other, so that each alert has one cause that may have raised it.
APART_SECONDS = 0.7
# Every worker imports its libraries at once.
READY_SECONDS = 60
SCRAPE_SECONDS, WATCHDOG_SECONDS = 0.25, 1.0
SOON_SECONDS = 5
# Prometheus finds Alertmanager five seconds after its own start, and nothing comes before that.
FIRST_WATCHDOG_SECONDS = 6.0


def short(thing: Periodic) -> Periodic:
    """Returns a row of the registry with an objective that a test can wait for."""
    every_seconds = {SCRAPE_JOB: SCRAPE_SECONDS, ALERTS_JOB: FIRST_WATCHDOG_SECONDS}.get(thing.job, thing.every_seconds)
    return replace(thing, every_seconds=every_seconds, objective_seconds=every_seconds + LATE_SECONDS)


# What works every few minutes cannot be waited for here: its row is tested by promtool, its heartbeat by its own tests.
SHORT = {
    job: short(thing)
    for job, thing in PERIODIC.items()
    if thing.of is Of.PLATFORM and (thing.every_seconds <= SOON_SECONDS or job in (SCRAPE_JOB, ALERTS_JOB))
}

# What the platform's processes are, and which heartbeats each of them carries.
PROCESSES: dict[str, tuple[str, tuple[str, ...]]] = {
    DELIVERY_JOB: ("delivery", (DELIVERY_JOB, LEDGER_JOB)),
    **{job: (worker.package, (job,)) for job, worker in WORKERS.items() if job in SHORT},
}


class Stack:
    """Prometheus, Alertmanager, the receiver and every periodic process of a local stack, without a supervisor."""

    def __init__(self, root: Path, exits: ExitStack) -> None:
        base = free_base()
        Logs(root).stack(base)
        self.layout, self.ports = LocalLayout(root, "local"), PortsSpec(base=base, span=40)
        self._exits = exits
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path) -> None:
        """Runs a program; it ends with the test, also when it stands still by then."""
        self.layout.state.mkdir(parents=True, exist_ok=True)
        with (self.layout.state / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([str(word) for word in command], cwd=REPOSITORY, stdout=log, stderr=log)
        self.running[name] = process
        self._exits.callback(self._end, process)

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
        process.wait(20)

    def send(self, name: str, number: signal.Signals) -> float:
        """Sends a signal and returns when."""
        os.kill(self.running[name].pid, number)
        return time.time()

    def start_processes(self) -> None:
        """Starts every process that has a heartbeat, and waits until each has shown it."""
        for name, (package, _) in PROCESSES.items():
            command = [sys.executable, "-m", f"shipway.{package}", "serve"]
            self.start(name, *command, "--root", self.layout.root, "--env", "local")
        for name, (_, jobs) in PROCESSES.items():
            port = self.ports.delivery_metrics if name == DELIVERY_JOB else self.ports.worker_metrics(name)
            log = self.layout.state / f"{name}.log"
            for job in jobs:
                assert wait_until(lambda port=port, job=job: beats(port, job), READY_SECONDS), (job, log.read_text())

    def start_watching(self) -> None:
        """Starts who tells and who is told, under the very files that a stack gets."""
        ports, layout = self.ports, self.layout
        for folder in ("rules", "targets", "rollout"):
            (layout.prometheus / folder).mkdir(parents=True)
        layout.alertmanager.mkdir()
        environment = EnvironmentSpec.model_validate(
            STACK | {"ports": {"base": ports.base}, "scrape_interval_seconds": SCRAPE_SECONDS}, strict=False
        )
        addresses = {ALERTS_JOB: ports.alert_receiver, **{job: ports.worker_metrics(job) for job in WORKERS}}
        config = layout.prometheus / "prometheus.yml"
        config.write_text(
            prometheus_config(
                environment,
                gateway=f"127.0.0.1:{ports.gateway_admin}",
                delivery=f"127.0.0.1:{ports.delivery_metrics}",
                workers={job: f"127.0.0.1:{port}" for job, port in addresses.items()},
                alertmanager=f"127.0.0.1:{ports.alertmanager}",
            )
        )
        told = layout.alertmanager / "alertmanager.yml"
        told.write_text(
            alertmanager_config(f"http://127.0.0.1:{ports.alert_receiver}/alerts", watchdog_seconds=WATCHDOG_SECONDS)
        )
        self.start(
            *("receiver", sys.executable, "-m", "shipway.observability.receiver", "--port", str(ports.alert_receiver)),
            *("--file", layout.alerts, "--objective", str(SHORT[ALERTS_JOB].objective_seconds)),
        )
        self.start(
            *("alertmanager", executable(ALERTMANAGER, "alertmanager"), f"--config.file={told}"),
            f"--storage.path={layout.alertmanager / 'data'}",
            *(f"--web.listen-address=127.0.0.1:{ports.alertmanager}", "--cluster.listen-address="),
        )
        assert wait_until(lambda: answers(f"http://127.0.0.1:{ports.alertmanager}/-/ready"), 20)
        self.start(
            *("prometheus", executable(PROMETHEUS, "prometheus"), f"--config.file={config}"),
            f"--storage.tsdb.path={layout.prometheus / 'data'}",
            *(f"--web.listen-address=127.0.0.1:{ports.prometheus}", "--rules.alert.resend-delay=1s"),
            "--web.enable-lifecycle",
        )
        # It hears of its targets five seconds after its start, sometimes ten: no objective of this test is longer.
        assert wait_until(self._scrapes, 30), (layout.state / "prometheus.log").read_text()
        rules = layout.prometheus / "rules" / "platform.yml"
        rules.write_text(platform_rules(environment, scraped=(), periodic=SHORT.values()))
        reload = urllib.request.Request(f"http://127.0.0.1:{ports.prometheus}/-/reload", method="POST")
        urllib.request.urlopen(reload, timeout=10).close()

    def _scrapes(self) -> bool:
        up: Any = loopback(self.ports.prometheus)("/api/v1/query?query=up==1")
        return bool(up) and len(up["data"]["result"]) >= len(PROCESSES)

    def told(self, part: str, status: str, since: float = 0) -> list[float]:
        """Returns when the receiver was told of a part's silence, or of its end, after a moment."""
        lines = self.layout.alerts.read_text().splitlines() if self.layout.alerts.exists() else []
        found = [one for one in map(json.loads, lines) if (one["name"], one["part"]) == (AlertName.SILENT, part)]
        times = [datetime.fromisoformat(one["time"]).timestamp() for one in found if one["status"] == status]
        return [time for time in times if time > since]

    def in_time(self, part: str, since: float) -> None:
        """Waits until a silence that began at a moment was told, and checks that its objective was kept."""
        limit = SHORT[part].objective_seconds + BUSY_SECONDS
        assert wait_until(lambda: self.told(part, "firing", since) != [], 2 * limit), part
        late = self.told(part, "firing", since)[0] - since
        assert late < limit, (part, late)
        print(f"{part}: told {late:.1f} s after its last sign, objective {SHORT[part].objective_seconds:g} s")

    def well_again(self, part: str, since: float) -> None:
        """Waits until it was told that a part is heard again."""
        assert wait_until(lambda: self.told(part, "resolved", since) != [], 15), part


def beats(port: int, job: str) -> bool:
    """Returns whether a page shows the heartbeat of `job`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return f'{HEARTBEAT_TIMESTAMP_SECONDS}{{job="{job}"}}' in answer.read().decode()
    except OSError:
        return False


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Yields a whole stack at work."""
    with ExitStack() as exits:
        found = Stack(tmp_path, exits)
        found.start_processes()
        found.start_watching()
        assert wait_until(lambda: beats(found.ports.alert_receiver, ALERTS_JOB), 20), "no watchdog came"
        yield found


def test_whoever_falls_silent_is_told_within_its_objective(stack: Stack) -> None:
    """Hanging, without output, or killed: each part's own alert comes in time, none comes before, and it ends."""
    # A new stack, and one at work, alarm about nothing.
    assert not wait_until(lambda: any(stack.told(part, "firing") for part in SHORT), 2), stack.layout.alerts.read_text()
    _each_is_told(stack, signal.SIGSTOP)
    again = time.time()
    for name in PROCESSES:
        stack.send(name, signal.SIGCONT)
    for _, jobs in PROCESSES.values():
        for job in jobs:
            stack.well_again(job, again)
    _without_output(stack)
    _each_is_told(stack, signal.SIGKILL)
    _nobody_hears(stack)
    # Prometheus is dead, and cannot say so: the receiver does.
    stack.in_time(ALERTS_JOB, stack.send("prometheus", signal.SIGKILL))


def _each_is_told(stack: Stack, number: signal.Signals) -> None:
    """Sends a signal to one process after the other: each one's alerts come in time, and none before its signal."""
    began, sent = time.time(), dict[str, float]()
    for name, (_, jobs) in PROCESSES.items():
        assert [job for job in jobs if stack.told(job, "firing", began)] == []
        sent |= dict.fromkeys(jobs, stack.send(name, number))
        time.sleep(APART_SECONDS)
    for job, since in sent.items():
        stack.in_time(job, since)


def _without_output(stack: Stack) -> None:
    """Delivery turns, and its ledger can take no entry: that is told of the ledger and of nothing else."""
    ledger, aside = stack.layout.ledger, stack.layout.ledger.with_name("ledger.aside")
    ledger.rename(aside)
    ledger.write_text("no folder")
    began = time.time()
    stack.in_time(LEDGER_JOB, began)
    assert stack.told(DELIVERY_JOB, "firing", began) == []
    ledger.unlink()
    aside.rename(ledger)
    stack.well_again(LEDGER_JOB, began)


def _nobody_hears(stack: Stack) -> None:
    """A receiver that stands is told of by Prometheus, to whoever else listens; and the receiver of Alertmanager."""
    ask = loopback(stack.ports.alertmanager)

    def standing() -> set[str]:
        found: list[Any] = ask("/api/v2/alerts?active=true") or []
        return {one["labels"].get("part", "") for one in found if one["labels"]["alertname"] == AlertName.SILENT}

    stack.send("receiver", signal.SIGSTOP)
    # Its page was the last one that could be scraped.
    assert wait_until(
        lambda: {ALERTS_JOB, SCRAPE_JOB} <= standing(), 2 * SHORT[ALERTS_JOB].objective_seconds + BUSY_SECONDS
    )
    stack.well_again(ALERTS_JOB, stack.send("receiver", signal.SIGCONT))
    stack.in_time(ALERTS_JOB, stack.send("alertmanager", signal.SIGSTOP))
    stack.well_again(ALERTS_JOB, stack.send("alertmanager", signal.SIGCONT))
