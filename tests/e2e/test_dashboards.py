"""Every question of every dashboard, asked of a real Prometheus that scrapes a real process; and the pictures."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from components.local.providers.rpc import wait_until
from shipway.cli.app import app
from shipway.contract.environment import EnvironmentSpec, PortsSpec
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import ALERTS_JOB
from shipway.contract.model import ModelSpec
from shipway.observability.answers import concrete
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.rules import model_rules, platform_rules
from shipway.observability.scrape import prometheus_config
from tests.e2e.machine import free_base
from tests.e2e.test_alerting import answers, executable, process
from tests.shipway.labels.logs import MODEL, STACK, Logs
from tools.pins import PROMETHEUS

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, PortsSpec]]:
    """Yields a project and its ports, where Prometheus scrapes the receiver and evaluates every rule."""
    root, found = tmp_path_factory.mktemp("project"), PortsSpec(base=free_base(), span=40)
    Logs(root).stack(found.base)
    (root / "Pulumi.yaml").write_text("name: shipway\n")
    layout = LocalLayout(root, "local")
    for folder in ("rules", "targets", "rollout"):
        (layout.prometheus / folder).mkdir(parents=True)
    environment = EnvironmentSpec.model_validate(
        STACK | {"ports": {"base": found.base}, "scrape_interval_seconds": 0.25}, strict=False
    )
    config = prometheus_config(
        environment,
        gateway=f"127.0.0.1:{found.gateway_admin}",
        delivery=f"127.0.0.1:{found.delivery_metrics}",
        workers={ALERTS_JOB: f"127.0.0.1:{found.alert_receiver}"},
        alertmanager=f"127.0.0.1:{found.alertmanager}",
    )
    (layout.prometheus / "prometheus.yml").write_text(config)
    (layout.prometheus / "rules" / "platform.yml").write_text(platform_rules(environment))
    model = ModelSpec.model_validate(MODEL, strict=False)
    (layout.prometheus / "rules" / "model.yml").write_text(model_rules(model, environment, released=True))
    prometheus = [
        executable(PROMETHEUS, "prometheus"),
        f"--config.file={layout.prometheus / 'prometheus.yml'}",
        f"--storage.tsdb.path={layout.prometheus / 'data'}",
        f"--web.listen-address=127.0.0.1:{found.prometheus}",
    ]
    receiver = [sys.executable, "-m", "shipway.observability.receiver", "--port", str(found.alert_receiver)]
    with ExitStack() as stack:
        stack.enter_context(process(layout.state / "receiver.log", *receiver, "--file", layout.alerts))
        stack.enter_context(process(layout.state / "prometheus.log", *prometheus))
        assert wait_until(lambda: answers(f"http://127.0.0.1:{found.prometheus}/-/ready"), 20)
        yield root, found


def test_prometheus_understands_every_question(ports: tuple[Path, PortsSpec]) -> None:
    """None is refused, over time as at one moment; so is none that Grafana would ask for one model."""
    url, now = f"http://127.0.0.1:{ports[1].prometheus}/api/v1", time.time()
    with httpx.Client(trust_env=False, timeout=20) as client:
        for panel in (panel for one in DASHBOARDS for panel in one.panels):
            for query in panel.queries:
                for expr in (concrete(query.expr), query.expr.replace("$model", "toy-labels")):
                    span = {"query": expr, "start": str(now - 60), "end": str(now), "step": "15"}
                    for path, asked in (("query", {"query": expr}), ("query_range", span)):
                        answer = client.get(f"{url}/{path}", params=asked).json()
                        assert answer["status"] == "success", f"{panel.title}: {answer.get('error')}: {expr}"


def test_the_command_draws_what_prometheus_knows(
    ports: tuple[Path, PortsSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three pictures; what is known has lines, and of what nobody exports here it is said that there is no data."""
    root, found = ports
    monkeypatch.chdir(root)
    silent = f"http://127.0.0.1:{found.prometheus}/api/v1/query?query=shipway:last_work_timestamp_seconds"
    assert wait_until(lambda: httpx.get(silent, trust_env=False).json()["data"]["result"] != [], 10)
    done = CliRunner().invoke(app, ["dashboards", "--png", str(tmp_path), "--range", "1m", "--json"])
    assert done.exit_code == 0, done.output
    drawn = json.loads(done.stdout.strip().splitlines()[-1])
    for dashboard in DASHBOARDS:
        one = drawn[dashboard.name]
        assert Path(one["file"]).read_bytes().startswith(b"\x89PNG")
        assert one["panels"] == len(dashboard.panels)
    assert "Time since each part last worked" not in drawn["engineer"]["no_data"]
    assert {"Requests", "Response time"} <= set(drawn["engineer"]["no_data"])
    assert set(drawn["product"]["no_data"]) == {panel.title for panel in DASHBOARDS[1].panels}


def test_a_prometheus_that_does_not_answer_draws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error with the address, and no picture that would look like a quiet day."""
    Logs(tmp_path).stack(free_base())
    (tmp_path / "Pulumi.yaml").write_text("name: shipway\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["dashboards", "--png", "out"])
    assert done.exit_code != 0
    assert "does not answer" in str(done.exception)
    assert not (tmp_path / "out").exists()
