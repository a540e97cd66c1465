"""`shipway status` and `shipway ledger` as a person meets them."""

import http.server
import json
import socketserver
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipway.contract.metrics import Slot
from shipway.contract.route import RolloutState
from shipway.contract.workers import WORKERS
from shipway.delivery.ledger import Ledger
from shipway.delivery.survey import Rates, loopback, process_states, rates, request_rates
from tests.e2e.machine import free_port
from tests.shipway.cli.project import run, serve
from tests.shipway.delivery.stack import ENVIRONMENT, Stack

PLATFORM = ("gateway", "prometheus", "alertmanager", "alert-receiver", "delivery", *WORKERS, "registrar")

FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class _Canned(http.server.BaseHTTPRequestHandler):
    """Answers everything with the server's `body`."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body: bytes = self.server.body  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def address_string(self) -> str:
        return "test"

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@contextmanager
def canned(server: socketserver.BaseServer, body: bytes) -> Iterator[None]:
    """Answers with `body` while the block runs."""
    server.body = body  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def supervisor(path: Path, **states: str) -> Iterator[None]:
    """A supervisor on the socket `path` whose processes are in the given states."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    listed = [{"name": name, "statename": state} for name, state in states.items()]
    body = xmlrpc.client.dumps((listed,), methodresponse=True).encode()
    with canned(socketserver.UnixStreamServer(str(path), _Canned), body):
        yield


@contextmanager
def prometheus(port: int, *rows: tuple[str, str, str]) -> Iterator[None]:
    """A Prometheus that answers every query with (model, outcome, value) rows."""
    result = [{"metric": {"model": m, "outcome": o}, "value": [1, value]} for m, o, value in rows]
    body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
    with canned(http.server.HTTPServer(("127.0.0.1", port), _Canned), body):
        yield


def test_status_shows_traffic_rates_and_processes(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line a model: owner, phase, slots with digest and weight, rates; then which process is down."""
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=FIRST), FIRST, SECOND)
    up = dict.fromkeys((*PLATFORM, "digits-blue", "digits-green"), "RUNNING")
    rows = (("digits", "ok", "9"), ("digits", "error", "1"), ("digits", "rejected_input", "5"))
    with prometheus(project.base_port + 2, *rows):
        with supervisor(project.layout.supervisor_socket, **up):
            assert run(monkeypatch, "status") == 0
        assert capsys.readouterr().out.splitlines() == [
            "MODEL   OWNER   PHASE    LIVE  BLUE                GREEN             REQUESTS/S  ERRORS",
            "digits  vision  settled  blue  aaaaaaaaaaaa 100 %  bbbbbbbbbbbb 0 %  15.0        10.00%",
            f"all {len(up)} processes run",
            "alerts: unknown, Alertmanager does not answer",
        ]
        project.layout.supervisor_socket.unlink()
        with supervisor(project.layout.supervisor_socket, **(up | {"prometheus": "FATAL", "digits-green": "BACKOFF"})):
            assert run(monkeypatch, "status", "digits") == 1
    assert capsys.readouterr().out.splitlines()[-2] == "down: prometheus (FATAL), digits-green (BACKOFF)"


def test_status_as_json(project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The same as one line of JSON, with whole digests; what cannot be read is null, never zero."""
    serve(project.layout, RolloutState(live=Slot.BLUE, live_digest=FIRST), FIRST, "")
    assert run(monkeypatch, "status", "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert result["down"] == [*PLATFORM, "digits-blue"]
    assert set(result["processes"].values()) == {"ABSENT"}
    (model,) = result["models"]
    assert (model["requests_per_second"], model["error_ratio"]) == (None, None)
    assert model["slots"]["blue"] == {"digest": FIRST, "weight_percent": 100, "port": 2000, "process": "ABSENT"}
    assert model["slots"]["green"]["process"] is None


def test_an_unknown_model(project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelled model is one line with the nearest name."""
    for verb in ("status", "ledger"):
        assert run(monkeypatch, verb, "digitz") == 1
        assert "no model 'digitz'" in capsys.readouterr().err


def test_a_model_that_is_not_deployed(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service without a route is listed as such."""
    assert run(monkeypatch, "status", "digits") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["digits", "vision", "not", "deployed", "-", "empty", "empty", "unknown", "unknown"]
    assert lines[2] == f"down: everything (no supervisor answers); run `make up ENV={ENVIRONMENT}`"


def test_the_ledger_is_listed(
    project: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who did what, when and why, as a table and as JSON."""
    assert run(monkeypatch, "ledger") == 0
    assert capsys.readouterr().out == "the ledger is empty\n"
    ledger = Ledger(project.layout.ledger)
    ledger.append(time="t", actor="ada", action="released", model="digits", digests={"released": FIRST}, reason="why")
    assert run(monkeypatch, "ledger", "digits") == 0
    assert capsys.readouterr().out.splitlines() == [
        "TIME  ACTOR  MODEL   ACTION    DIGESTS                REASON",
        "t     ada    digits  released  released=aaaaaaaaaaaa  why",
    ]
    assert run(monkeypatch, "ledger", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["number"], entry["actor"], entry["digests"]) == (1, "ada", {"released": FIRST})


def test_rates_count_only_what_a_version_is_answerable_for() -> None:
    """A caller's bad request is traffic but neither success nor error; NaN is no number; no traffic has no ratio."""
    rows = [("a", "ok", 6.0), ("a", "timeout", 1.0), ("a", "invalid_output", 1.0), ("a", "rejected_input", 2.0)]
    assert rates(rows) == {"a": Rates(10.0, 0.25)}
    assert rates([("a", "ok", 0.0)]) == {"a": Rates(0.0, None)}
    assert rates([("a", "ok", float("nan"))]) == {}


def test_what_does_not_answer_is_unknown(tmp_path: Path) -> None:
    """A Prometheus that is down, hangs or talks nonsense, and a supervisor that is down, are None within the bound."""
    assert request_rates(loopback(free_port())) is None
    assert process_states(tmp_path / "none.sock") is None
    port = free_port()
    with canned(http.server.HTTPServer(("127.0.0.1", port), _Canned), b'{"status": "error"}'):
        assert request_rates(loopback(port)) is None
    hung = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    try:
        began = time.monotonic()
        assert request_rates(loopback(hung.server_address[1])) is None
        assert time.monotonic() - began < 2
    finally:
        hung.server_close()


def test_the_verbs_start_light() -> None:
    """`status`, `release` and `promote` import no science stack: a person at night waits for none of it."""
    program = (
        "import sys, shipway.cli.release, shipway.cli.status;"
        "heavy = {'numpy', 'pandas', 'bentoml', 'feast', 'mlflow', 'httpx', 'prometheus_client'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
