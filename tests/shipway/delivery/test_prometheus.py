"""The client of Prometheus: the newest raw samples, and one bounded answer to everything else."""

import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest

from shipway.contract.errors import Retryable
from shipway.delivery.prometheus import Prometheus, Series


class Fake(http.server.ThreadingHTTPServer):
    """Answers every question with `status` and `body`, after `delay_seconds`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.delay_seconds = 200, b"", 0.0
        self.asked: list[str] = []
        self.connections = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Fake

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        time.sleep(self.server.delay_seconds)
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_newest_sample_of_each_series_with_the_time_of_its_scrape(fake: Fake) -> None:
    """A range is asked for, and of several samples the last one counts; the connection is kept."""
    metric = {"__name__": "up", "job": "rollout"}
    result = [{"metric": metric, "values": [[1.0, "1"], [1.25, "+Inf"]]}]
    fake.body = json.dumps({"data": {"result": result}}).encode()
    prometheus = Prometheus(fake.server_address[1])
    for _ in range(2):
        (found,) = prometheus.newest('up{job="rollout"}', 2.0)
        assert found[:4] == ("up", {"job": "rollout"}, float("inf"), 1.25)
        assert found.until(1.25) is found
        assert found.until(1.2) == Series("up", {"job": "rollout"}, 1.0, 1.0)
        assert found.until(0.9) is None
    prometheus.close()
    assert fake.asked[0].endswith("%5B2000ms%5D")
    assert fake.connections == 1


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b"{}", "Prometheus answered 503 on port "),
        (200, b"<html>", "Prometheus answered with no samples "),
        (200, b'{"data": {"result": [{"metric": {}, "values": []}]}}', "Prometheus answered with no samples "),
        (200, b"[]", "Prometheus answered with no samples "),
    ],
)
def test_an_answer_that_is_none_may_be_asked_for_again(fake: Fake, status: int, body: bytes, said: str) -> None:
    """Whatever comes back, it is one error that says so, and the next question is asked anew."""
    fake.status, fake.body = status, body
    with pytest.raises(Retryable, match=said):
        Prometheus(fake.server_address[1]).newest("up", 1.0)


def test_one_that_hangs_is_not_waited_for(fake: Fake) -> None:
    """The question ends in time: a stopped Prometheus must not stop the loop that rolls back."""
    fake.delay_seconds = 1.0
    began = time.monotonic()
    with pytest.raises(Retryable, match=r"Prometheus does not answer on port \d+ \(timed out\)"):
        Prometheus(fake.server_address[1], timeout_seconds=0.1).newest("up", 1.0)
    assert time.monotonic() - began < 0.8


def test_nobody_listens() -> None:
    """A port without a server is said so at once."""
    with pytest.raises(Retryable, match=r"Prometheus does not answer on port 1 \(.*refused\)"):
        Prometheus(1).newest("up", 1.0)
