"""`shipway replay` as a person meets it: a whole replay against a gateway of the test's own."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from shipway.cli.app import app
from shipway.cli.main import main
from shipway.contract.errors import SpecError

ROOT = Path(__file__).resolve().parents[3]

MODEL = """
name: toy-replay
description: Nothing.
owner: {team: toys, contact: t@example.com, escalation: t@example.com, runbook_url: https://example.com}
resources: {cpu_millicores: 100, memory_mib: 100}
evaluation: {gates: [{metric: auc, minimum: 0.8}]}
"""

TRAFFIC = '''"""Traffic."""

from datetime import timedelta

from shipway.traffic.events import Ask, Label

START = "2020-01-01T00:00:00+00:00"


def events(start):
    for number in range(100):
        yield Ask(start + timedelta(minutes=number), f"u{number}", {"x": number})
        yield Label(start + timedelta(minutes=number), f"u{number}", 1.0)
'''


class Handler(BaseHTTPRequestHandler):
    """Answers as a slot behind a gateway would."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        paths: list[tuple[str, Any, str | None]] = self.server.seen  # type: ignore[attr-defined]
        paths.append((self.path, body, self.headers.get("x-event-time")))
        answer = json.dumps({"prediction_ids": [f"id-{len(paths)}"], "predictions": [0.5], "accepted": 1}).encode()
        self.send_response(503 if getattr(self.server, "refuses", False) else 200)
        for name, value in (("content-length", str(len(answer))), ("x-slot", "green"), ("x-model-version", "abc")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def gateway() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: ThreadingHTTPServer) -> Path:
    """A project whose local gateway is the test's."""
    (tmp_path / "Pulumi.yaml").write_text("name: toy\n")
    stack = yaml.safe_load((ROOT / "stacks" / "Pulumi.local.yaml").read_text())
    stack["config"]["shipway:environment"]["ports"] = {"base": gateway.server_address[1]}
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    service = tmp_path / "services" / "toy_replay"
    service.mkdir(parents=True)
    (service / "model.yaml").write_text(MODEL)
    (service / "traffic.py").write_text(TRAFFIC)
    monkeypatch.chdir(tmp_path)
    # One process holds one version of a service's code.
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy_replay"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_a_replay_sends_counts_and_labels(gateway: ThreadingHTTPServer) -> None:
    """Requests go to the model's path with unit and event time, labels follow, and the last line says it all."""
    result = CliRunner().invoke(app, ["replay", "toy-replay", "--requests", "5", "--rate", "200", "--json"])
    counted = json.loads(result.stdout)
    assert {key: counted[key] for key in ("sent", "ok", "failed", "labels_sent", "by_slot", "by_version")} == {
        "sent": 5,
        "ok": 5,
        "failed": 0,
        "labels_sent": 5,
        "by_slot": {"green": 5},
        "by_version": {"abc": 5},
    }
    asks = [seen for seen in gateway.seen if seen[0] == "/toy-replay/predict"]  # type: ignore[attr-defined]
    assert sorted(asks, key=lambda seen: seen[2])[0][1:] == ({"rows": [{"x": 0}]}, "2020-01-01T00:00:00+00:00")
    assert {seen[0] for seen in gateway.seen} == {"/toy-replay/predict", "/toy-replay/feedback"}  # type: ignore[attr-defined]


def test_a_start_that_is_no_time_is_refused() -> None:
    """The error shows what a time looks like."""
    with pytest.raises(SpecError, match=r"--start: got 'May', expected a date or time such as 2013-07-01"):
        CliRunner().invoke(app, ["replay", "toy-replay", "--start", "May"], catch_exceptions=False)


def replay(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Returns the exit code of the verb as it is typed."""
    monkeypatch.setattr("sys.argv", ["shipway", "replay", "toy-replay", "--rate", "200", "--json", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_a_replay_that_nobody_answers_has_failed(
    gateway: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, the counts all the same, and where to look."""
    gateway.refuses = True  # type: ignore[attr-defined]
    assert replay(monkeypatch, "--requests", "3") == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["failures"] == {"503": 3}
    assert "error: none of 3 requests was answered; `shipway status toy-replay --env local`" in said.err


def test_a_replay_of_no_traffic_has_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was sent, and why is said."""
    traffic = project / "services" / "toy_replay" / "traffic.py"
    traffic.write_text(TRAFFIC.replace("range(100)", "range(0)"))
    assert replay(monkeypatch, "--start", "2031-01-01") == 1
    assert "error: there is no traffic of toy-replay from 2031-01-01T00:00:00+00:00 on" in capsys.readouterr().err


def test_what_traffic_prints_is_no_part_of_the_result(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output is one line of JSON whatever the service's own code, or what it starts, prints."""
    traffic = project / "services" / "toy_replay" / "traffic.py"
    own = "    import os\n    print('from my own code')\n    os.system('echo from a child')\n    for number"
    traffic.write_text(TRAFFIC.replace("    for number", own))
    assert replay(monkeypatch, "--requests", "1") == 0
    said = capfd.readouterr()
    assert json.loads(said.out)["ok"] == 1
    assert "from my own code\n" in said.err
    assert "from a child\n" in said.err
