"""Real Alertmanager, receiver and Prometheus: an alarm of delivery, and an alert of the rules, reach the file."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.rpc import wait_until
from shipway.contract.alerts import AlertName
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import DELIVERY_JOB, LABELS_JOB
from shipway.contract.periodic import PERIODIC
from shipway.delivery.alarms import Alarm, Notifier
from shipway.delivery.survey import firing_alerts, loopback
from shipway.observability.alertmanager import alertmanager_config
from shipway.observability.rules import platform_rules
from shipway.observability.scrape import ALERT_RESEND_SECONDS, prometheus_config
from tests.e2e.machine import free_base
from tools.pins import ALERTMANAGER, PROMETHEUS, Tool
from tools.programs import cache_folder, locate

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).resolve().parents[2]

ENVIRONMENT = EnvironmentSpec.model_validate(
    {
        "name": "local",
        "tier": "local",
        "target": "local",
        "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1},
        "ports": {"base": 8080},
        "scrape_interval_seconds": 0.25,
    },
    strict=False,
)

ALARM = Alarm(
    AlertName.ROLLOUT_PAUSED,
    "digits",
    "vision",
    "lead",
    "https://example.com/r",
    "https://example.com/own",
    "waits",
    "2026-01-02T03:04:05+00:00",
)


def executable(tool: Tool, name: str) -> str:
    """Returns the path of a program as `make setup` finds it."""
    linked = REPOSITORY / ".shipway" / "bin" / name
    found = linked.parent if linked.exists() else locate(tool, REPOSITORY, os.environ, cache_folder(os.environ)).folder
    return str(found / name)


@contextmanager
def process(log: Path, *command: str | Path) -> Generator[None]:
    """Runs a program while the block runs; its output goes into `log`."""
    with log.open("wb") as output:
        running = subprocess.Popen([str(word) for word in command], cwd=REPOSITORY, stdout=output, stderr=output)
        try:
            yield
        finally:
            running.terminate()
            running.wait(20)


def answers(url: str) -> bool:
    """Returns whether `url` gives 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def layout(tmp_path: Path) -> LocalLayout:
    return LocalLayout(tmp_path, "local")


@pytest.fixture
def ports(layout: LocalLayout) -> Iterator[PortsSpec]:
    """Yields the ports of a stack whose Alertmanager and receiver run."""
    found = PortsSpec(base=free_base(), span=40)
    layout.alertmanager.mkdir(parents=True)
    config = layout.alertmanager / "alertmanager.yml"
    config.write_text(alertmanager_config(f"http://127.0.0.1:{found.alert_receiver}/alerts"))
    receiver = [sys.executable, "-m", "shipway.observability.receiver", "--port", str(found.alert_receiver)]
    alertmanager = [
        executable(ALERTMANAGER, "alertmanager"),
        f"--config.file={config}",
        f"--storage.path={layout.alertmanager / 'data'}",
        f"--web.listen-address=127.0.0.1:{found.alertmanager}",
        "--cluster.listen-address=",
    ]
    with ExitStack() as stack:
        stack.enter_context(process(layout.state / "receiver.log", *receiver, "--file", layout.alerts))
        stack.enter_context(process(layout.state / "alertmanager.log", *alertmanager))
        for port, path in ((found.alert_receiver, "ready"), (found.alertmanager, "-/ready")):
            assert wait_until(lambda url=f"http://127.0.0.1:{port}/{path}": answers(url), 20), f"{port} answers nothing"
        yield found


def told(layout: LocalLayout, name: AlertName) -> list[dict[str, Any]]:
    """Returns what the file holds of an alert."""
    lines = layout.alerts.read_text().splitlines() if layout.alerts.exists() else []
    return [one for one in map(json.loads, lines) if one["name"] == name]


def statuses(layout: LocalLayout, name: AlertName) -> Callable[[], list[str]]:
    return lambda: [one["status"] for one in told(layout, name)]


def test_an_alarm_of_delivery_and_its_end_reach_the_file(layout: LocalLayout, ports: PortsSpec) -> None:
    """Within seconds, with owner and runbook, and without any Prometheus; meanwhile the survey lists it."""
    notifier, found = Notifier(ports.alertmanager), statuses(layout, ALARM.name)
    assert firing_alerts(loopback(ports.alertmanager)) == []
    with notifier.running():
        notifier.show([ALARM])
        assert wait_until(lambda: found() == ["firing"], 5), found()
        (standing,) = firing_alerts(loopback(ports.alertmanager)) or [None]
        assert standing is not None
        assert (standing.name, standing.owner, standing.model) == (ALARM.name, "vision", "digits")
        notifier.show([])
        assert wait_until(lambda: found() == ["firing", "resolved"], 5), found()
    assert firing_alerts(loopback(ports.alertmanager)) == []
    first = told(layout, ALARM.name)[0]
    kept = ("severity", "owner", "model", "summary", "runbook_url", "escalation")
    assert [first[key] for key in kept] == ["ticket", "vision", "digits", "waits", "https://example.com/r", "lead"]


def test_an_alert_of_the_rules_reaches_the_file(layout: LocalLayout, ports: PortsSpec) -> None:
    """Prometheus hears nothing of delivery and says so, under the very files that a stack gets."""
    for folder in ("rules", "targets", "rollout"):
        (layout.prometheus / folder).mkdir(parents=True)
    config = prometheus_config(
        ENVIRONMENT,
        gateway=f"127.0.0.1:{ports.gateway_admin}",
        delivery=f"127.0.0.1:{ports.delivery_metrics}",
        workers={LABELS_JOB: f"127.0.0.1:{ports.worker_metrics(LABELS_JOB)}"},
        alertmanager=f"127.0.0.1:{ports.alertmanager}",
    )
    (layout.prometheus / "prometheus.yml").write_text(config)
    missed = replace(PERIODIC[DELIVERY_JOB], objective_seconds=2)
    (layout.prometheus / "rules" / "platform.yml").write_text(
        platform_rules(ENVIRONMENT, scraped=(), periodic=[missed])
    )
    command = [
        executable(PROMETHEUS, "prometheus"),
        f"--config.file={layout.prometheus / 'prometheus.yml'}",
        f"--storage.tsdb.path={layout.prometheus / 'data'}",
        f"--web.listen-address=127.0.0.1:{ports.prometheus}",
        f"--rules.alert.resend-delay={ALERT_RESEND_SECONDS}s",
    ]
    with process(layout.state / "prometheus.log", *command):
        found = statuses(layout, AlertName.SILENT)
        assert wait_until(lambda: found() == ["firing"], 2 * ALERT_RESEND_SECONDS), found()
    (alert,) = told(layout, AlertName.SILENT)
    kept = [alert[key] for key in ("severity", "owner", "runbook_url")]
    assert kept == ["page", "platform", "docs/alerts.md#shipwaysilent"]


def test_nobody_at_the_port_is_no_answer() -> None:
    """Without an Alertmanager it is not known what fires, which is not the same as nothing."""
    assert firing_alerts(loopback(free_base())) is None
