"""What fires now, as Alertmanager says it."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shipway.delivery.survey import FiringAlert, firing_alerts, loopback


class _Canned(http.server.BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@contextmanager
def alertmanager(body: bytes, status: int = 200) -> Iterator[int]:
    """Yields the port of an Alertmanager that always answers the same."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Canned) as server:
        server.body, server.status = body, status  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def alert(name: str, severity: str, starts_at: str) -> dict[str, Any]:
    labels = {"alertname": name, "severity": severity, "owner": "vision", "model": "digits"}
    return {"labels": labels, "annotations": {"summary": "s", "runbook_url": "r"}, "startsAt": starts_at}


def test_pages_come_first_then_the_oldest() -> None:
    """Who reads the first line reads what matters most; what an alert does not say is empty."""
    bare = {"labels": {"alertname": "D"}, "annotations": {}, "startsAt": "2026-01-04"}
    listed = [
        alert("A", "ticket", "2026-01-01"),
        alert("B", "page", "2026-01-03"),
        alert("C", "page", "2026-01-02"),
        bare,
    ]
    with alertmanager(json.dumps(listed).encode()) as port:
        found = firing_alerts(loopback(port)) or []
    assert [one.name for one in found] == ["C", "B", "A", "D"]
    assert found[0] == FiringAlert("C", "page", "vision", "digits", "s", "r", "2026-01-02")
    assert found[-1] == FiringAlert("D", "", "", "", "", "", "2026-01-04")


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 500), (b"no JSON", 200), (b"{}", 200), (b"[1]", 200), (b'[{"labels": {}}]', 200), (b"null", 200)],
)
def test_what_is_no_list_of_alerts_is_no_answer(body: bytes, status: int) -> None:
    """Unknown is not the same as nothing fires."""
    with alertmanager(body, status) as port:
        assert firing_alerts(loopback(port)) is None


def test_an_empty_list_is_an_answer() -> None:
    """Nothing fires."""
    with alertmanager(b"[]") as port:
        assert firing_alerts(loopback(port)) == []
