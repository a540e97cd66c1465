"""The sender as a real process, against a server that stands still for a second."""

import http.server
import os
import statistics
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from shipway.contract.errors import ShipwayError
from shipway.loadtest.arrivals import poisson
from shipway.loadtest.sending import Address, sender
from shipway.loadtest.stages import Planned, latency_of

STALL_SECONDS = 1.0
BUSY_SECONDS = 0.002


class Stalling(http.server.ThreadingHTTPServer):
    """Answers at once, but for one second in which nobody is answered, half a second after the first request."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stalls_at, self.served_by, self.units = 0.0, "model", list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def begin(self) -> None:
        """Starts the clock of a new stall at the next request."""
        self.stalls_at = 0.0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stalling

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        server = self.server
        server.units.append(self.headers["x-unit-id"])
        now = time.monotonic()
        server.stalls_at = server.stalls_at or now + 0.5
        time.sleep(BUSY_SECONDS)
        if server.stalls_at <= now < server.stalls_at + STALL_SECONDS:
            time.sleep(server.stalls_at + STALL_SECONDS - now)
        self.send_response(200)
        for name, value in (("x-model-version", "v"), ("x-served-by", server.served_by), ("content-length", "2")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@contextmanager
def served() -> Generator[Stalling]:
    server = Stalling()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_loop(url: str, seconds: float) -> list[float]:
    """Returns the latencies that one caller sees who asks again when he has his answer."""
    found: list[float] = []
    with httpx.Client(base_url=url, trust_env=False) as client:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            started = time.perf_counter()
            client.post("/predict", content=b"{}", headers={"x-unit-id": "closed"})
            found.append(time.perf_counter() - started)
    return found


def test_a_server_that_stands_still_shows_although_nobody_asked_it_meanwhile() -> None:
    """A closed loop sends one request into the stall and its p99 knows nothing of it; here all arrive and wait."""
    planned = Planned(60, 3)
    with served() as server:
        with sender(Address(server.url, "/predict", 10), ['{"rows": [{}]}'], "loadtest-1", lambda _: None) as sending:
            sent = sending.send(planned, seed=1)
            server.served_by = "constant"
            fallbacks = sending.send(Planned(60, 0.5), seed=2)
        server.begin()
        closed = closed_loop(server.url, 3)
    assert sent.requests == len(poisson(60, 3, seed=1))
    assert (sent.failures, sent.versions) == (0, {"v"})
    found, blind = latency_of(sent.latencies_seconds), latency_of(closed)
    assert found is not None
    assert blind is not None
    # Who arrives in the stall waits for what is left of it: evenly between nothing and all of a second.
    assert found.p99 > 0.8 * STALL_SECONDS
    assert found.p90 > 0.5 * STALL_SECONDS
    assert max(closed) > 0.8 * STALL_SECONDS
    assert blind.p99 < 0.25 * STALL_SECONDS
    waited = sum(1 for seconds in sent.latencies_seconds if seconds > 0.1 * STALL_SECONDS)
    assert waited > 30
    # The sender itself kept its moments, or nothing above would say anything about the server.
    assert statistics.median(sent.lags_seconds) < 0.1
    # Every request names whom it is about as made up, once.
    assert len(set(server.units)) == sent.requests + fallbacks.requests + 1
    assert {unit.rpartition("-")[0] for unit in server.units} == {"loadtest-1", ""}
    # An answer that is not the model's own is none.
    assert fallbacks.failed_by == {"answered by constant": fallbacks.requests}


def test_a_server_that_is_down_fails_every_request_and_a_bad_sender_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is counted; a sender that cannot start is one sentence with its last word."""
    with served() as server:
        url = server.url
    with sender(Address(url, "/predict", 2), ["{}"], "loadtest-1", lambda _: None) as sending:
        sent = sending.send(Planned(20, 0.5), seed=1)
        assert sent.versions == frozenset()
        assert sent.failed_by == {"ConnectionRefusedError": len(poisson(20, 0.5, seed=1))}
    monkeypatch.setattr("sys.executable", "/bin/false")
    with (
        pytest.raises(ShipwayError, match=r"the sender of requests ended with status 1: it said nothing"),
        sender(Address(url, "/predict", 2), ["{}"], "loadtest-1", lambda _: None) as sending,
    ):
        sending.send(Planned(20, 0.5), seed=1)


def test_a_sender_that_ends_between_stages_is_the_same_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written to it is not written once more when its pipe is closed."""
    os.mkfifo(gone := tmp_path / "gone")
    (script := tmp_path / "sender").write_text(
        f"#!/bin/sh\nread -r line\nexec 0<&-\necho so it ends >&2\necho >'{gone}'\nexit 3\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    with sender(Address("http://127.0.0.1:9", "/predict", 2), ["{}"], "loadtest-1", lambda _: None) as sending:
        gone.read_text()
        with pytest.raises(ShipwayError, match=r"the sender of requests ended with status 3: so it ends"):
            sending.send(Planned(20, 0.5), seed=1)
