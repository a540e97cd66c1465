"""The receiver of alerts: what it keeps, what it refuses, and that its file stays bounded."""

import http.client
import json
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from components.local.providers.rpc import wait_until
from shipway.observability.receiver import MAX_BODY_BYTES, REQUEST_TIMEOUT_SECONDS, AlertLog, Receiver, lines
from shipway.observability.watchdog import Watchdog

NOW = "2026-01-02T03:04:05.000+00:00"
JSON = {"content-type": "application/json"}
ALERT = {
    "status": "firing",
    "labels": {
        "alertname": "ShipwaySlotDown",
        "severity": "page",
        "owner": "vision",
        "model": "digits",
        "slot": "blue",
    },
    "annotations": {"summary": "slot blue is gone\nor not", "runbook_url": "https://r", "escalation": "e"},
    "startsAt": "2026-01-02T03:04:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
KEPT = {
    "time": NOW,
    "status": "firing",
    "name": "ShipwaySlotDown",
    "severity": "page",
    "owner": "vision",
    "model": "digits",
    "part": "",
    "summary": "slot blue is gone\nor not",
    "runbook_url": "https://r",
    "escalation": "e",
    "starts_at": "2026-01-02T03:04:00Z",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts" / "alerts.jsonl"


@pytest.fixture
def port(path: Path) -> Iterator[int]:
    """Yields the port of a receiver at work."""
    with Receiver(0, AlertLog(path), Watchdog(1000, time.monotonic, time.time), now=lambda: NOW) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def send(
    port: int, body: bytes, headers: Mapping[str, str] = JSON, where: str = "/alerts", timeout_seconds: float = 10
) -> tuple[int, str]:
    """Returns status and text of a POST."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        connection.request("POST", where, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def notification(*alerts: Mapping[str, Any]) -> bytes:
    return json.dumps({"version": "4", "alerts": list(alerts)}).encode()


def test_a_notification_is_one_line_an_alert(port: int, path: Path) -> None:
    """Each alert is one JSON object with its owner, model and runbook; what it lacks is empty."""
    bare = {"status": "resolved", "labels": {"alertname": "A"}, "annotations": {}, "startsAt": "t"}
    assert send(port, notification(ALERT, bare)) == (200, "")
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first == KEPT
    assert (second["status"], second["name"], second["owner"], second["summary"]) == ("resolved", "A", "", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("body", "headers", "where", "status", "said"),
    [
        pytest.param(b"{}", JSON, "/other", 404, "got '/other', expected /alerts", id="path"),
        pytest.param(b"{}", {"content-type": "text/plain"}, "/alerts", 415, "expected application/json", id="type"),
        pytest.param(b"{", JSON, "/alerts", 400, "Expecting property name", id="no JSON"),
        pytest.param(b"\xff", JSON, "/alerts", 400, "can't decode byte", id="no text"),
        pytest.param(b"[]", JSON, "/alerts", 400, "no notification of Alertmanager", id="a list"),
        pytest.param(b'{"alerts": [1]}', JSON, "/alerts", 400, "no notification of Alertmanager", id="no alert"),
        pytest.param(b"{}", JSON | {"content-length": "-1"}, "/alerts", 411, "expected a content-length", id="length"),
        pytest.param(
            b"{}",
            JSON | {"content-length": str(MAX_BODY_BYTES + 1)},
            "/alerts",
            413,
            f"got {MAX_BODY_BYTES + 1} bytes, expected at most {MAX_BODY_BYTES}",
            id="size",
        ),
    ],
)
def test_anything_else_is_refused_and_leaves_no_line(
    port: int, path: Path, body: bytes, headers: Mapping[str, str], where: str, status: int, said: str
) -> None:
    """Only Alertmanager's JSON of a bounded size is written; the receiver goes on after each refusal."""
    got, text = send(port, body, headers, where)
    assert (got, said in text) == (status, True), text
    assert not path.exists()
    assert send(port, notification(ALERT))[0] == 200


def test_what_cannot_be_written_is_asked_for_again(port: int, path: Path) -> None:
    """A file that cannot be opened is a 500, after which Alertmanager tries once more."""
    path.mkdir()
    status, text = send(port, notification(ALERT))
    assert (status, "Is a directory" in text) == (500, True), text


def test_the_file_is_turned_once_when_it_is_full(path: Path) -> None:
    """At its greatest size the file moves aside, onto the one before; two files are all there ever is."""
    log = AlertLog(path, max_bytes=100)
    for number in range(10):
        log.append([f"{number:039}"])
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["alerts.jsonl", "alerts.jsonl.1"]
    assert [int(line) for line in path.read_text().splitlines()] == [8, 9]
    assert [int(line) for line in path.with_name("alerts.jsonl.1").read_text().splitlines()] == [6, 7]


def test_a_notification_without_alerts_is_no_line() -> None:
    """An empty list is what it says."""
    assert lines({"alerts": []}, NOW) == []


def test_the_watchdog_is_no_line_but_a_heartbeat(port: int, path: Path) -> None:
    """It comes for ever and fills no file; Prometheus reads when it last came, and nothing before it first did."""
    before = page(port)
    assert before == "# TYPE shipway_heartbeat_timestamp_seconds gauge\n"
    watchdog = {"status": "firing", "labels": {"alertname": "ShipwayWatchdog"}, "annotations": {}, "startsAt": "t"}
    assert send(port, notification(watchdog)) == (200, "")
    assert not path.exists()
    (sample,) = [line for line in page(port).splitlines() if line.startswith("shipway_")]
    name, value = sample.split()
    assert name == 'shipway_heartbeat_timestamp_seconds{job="alerts"}'
    assert abs(float(value) - time.time()) < 10


def test_silence_is_a_line_and_is_told_to_whoever_hears_alerts(path: Path) -> None:
    """The receiver speaks for an Alertmanager that cannot: once when it falls silent, once when it is back."""
    clock = [100.0]
    with Receiver(0, AlertLog(path.with_name("told.jsonl")), Watchdog(1e9, time.monotonic, time.time)) as other:
        told = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        told.start()
        url = f"http://127.0.0.1:{other.server_address[1]}/alerts"
        watchdog = Watchdog(10, lambda: clock[0], time.time)
        with Receiver(0, AlertLog(path), watchdog, [url], now=lambda: NOW) as receiver:
            receiver.service_actions()
            assert not path.exists()
            clock[0] += 11
            receiver.service_actions()
            receiver.service_actions()
            watchdog.heard(firing=True)
            receiver.service_actions()
        kept = path.with_name("told.jsonl")
        assert wait_until(lambda: kept.exists() and len(kept.read_text().splitlines()) == 2, 10)
        other.shutdown()
        told.join()
    own = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["name"], one["part"], one["status"]) for one in own] == [
        ("ShipwaySilent", "alerts", "firing"),
        ("ShipwaySilent", "alerts", "resolved"),
    ]
    assert own[0]["runbook_url"] == "docs/alerts.md#shipwaysilent"
    statuses = {json.loads(line)["status"] for line in kept.read_text().splitlines()}
    assert statuses == {"firing", "resolved"}


def test_one_that_stands_still_in_the_middle_holds_up_nobody(port: int, path: Path) -> None:
    """An Alertmanager that connected and stopped delays no notification, and not the word that nothing comes."""
    clock = [100.0]
    watchdog = Watchdog(10, lambda: clock[0], time.time)
    with Receiver(0, AlertLog(path.with_name("silent.jsonl")), watchdog, now=lambda: NOW) as silent:
        serving = threading.Thread(target=silent.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        serving.start()
        addresses = [("127.0.0.1", silent.server_address[1]), ("127.0.0.1", port)]
        with socket.create_connection(addresses[0]), socket.create_connection(addresses[1]) as half:
            half.sendall(b"POST /alerts HTTP/1.1\r\ncontent-length: 100\r\n")
            clock[0] += 11
            # Sooner than a request that never ends is given up.
            assert wait_until(path.with_name("silent.jsonl").exists, REQUEST_TIMEOUT_SECONDS / 3)
            assert send(port, notification(ALERT), timeout_seconds=REQUEST_TIMEOUT_SECONDS / 3)[0] == 200
        silent.shutdown()
        serving.join()


def page(port: int) -> str:
    """Returns the page that Prometheus scrapes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
