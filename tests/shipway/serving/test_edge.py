"""The edge passes what the contract knows, and says that the slot is leaving before it leaves."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shipway.contract.serving import ServingRuntime
from shipway.serving.edge import DRAIN_SECONDS, Edge
from tests.shipway.serving.doubles import Harness
from tests.shipway.serving.test_last_answers import Clock

Make = Callable[..., Harness]
Serve = Callable[..., httpx.Client]


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-inner", b"yes")]})
    await send({"type": "http.response.body", "body": b"{}"})


def ask(edge: Edge, path: str) -> tuple[int, dict[str, str]]:
    """Returns status and headers of the answer at a path."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(edge({"type": "http", "path": path, "method": "GET", "headers": []}, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


KNOWN = (
    *("/predict", "/feedback", "/openapi.json", "/livez", "/readyz", "/healthz", "/metrics", "/metrics/evidence"),
    *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/a.b", "/v2/models/a.b/ready", "/v2/models/a.b/infer"),
    *(f"/v2/models/a.b/versions/abc{rest}" for rest in ("", "/ready", "/infer")),
)
READINESS = ("/readyz", "/v2/health/ready", "/v2/models/a.b/ready", "/v2/models/a.b/versions/abc/ready")


@pytest.mark.parametrize("hosted", [ServingRuntime.DIRECT])
def test_the_page_of_metrics_is_compressed_for_who_takes_it(harness: Make, serve: Serve) -> None:
    """It says the same, in less than half the bytes; no other answer is touched."""
    client = serve(harness().runtime)
    plain = client.get("/metrics", headers={"accept-encoding": "identity"})
    small = client.get("/metrics", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert small.num_bytes_downloaded < len(plain.content) / 2
    assert "shipway_feature_bin_total{" in small.text
    assert "shipway_requests_total{" in small.text
    assert "content-encoding" not in client.get("/openapi.json", headers={"accept-encoding": "gzip"}).headers


@pytest.mark.parametrize("path", KNOWN)
def test_every_path_of_the_contract_passes(path: str) -> None:
    """As it is, and not a sign more; the model's name is no pattern."""
    edge = Edge(inner, "a.b", "abc")
    assert ask(edge, path)[0] == 200
    for other in (f"{path}/", f"{path}x", f"/x{path}", path.replace("a.b", "axb").upper()):
        assert ask(edge, other)[0] == 404


def test_a_slot_that_leaves_is_unready_first_and_answers_on() -> None:
    """Every question of readiness gets 503 at once; a request is answered, and its connection ends with it."""
    edge = Edge(inner, "a.b", "abc")
    assert "connection" not in ask(edge, "/predict")[1]
    edge.drain()
    for path in KNOWN:
        status, headers = ask(edge, path)
        if path in READINESS:
            assert (status, headers["x-envoy-immediate-health-check-fail"]) == (503, "true")
        else:
            assert (status, headers["connection"], headers["x-inner"]) == (200, "close", "yes")


def test_only_a_slot_that_had_requests_lately_waits() -> None:
    """Nobody was sent to the other one, so nobody has to be sent away; questions of probes are no requests."""
    clock = Clock()
    edge = Edge(inner, "a.b", "abc", clock)
    ask(edge, "/readyz")
    assert edge.drain() == 0
    edge.draining = False
    ask(edge, "/predict")
    clock.now_seconds += 9.9
    assert edge.drain() == DRAIN_SECONDS
    clock.now_seconds += 0.2
    assert edge.drain() == 0
