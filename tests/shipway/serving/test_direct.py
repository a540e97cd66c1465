"""Without BentoML: the pages it would have answered, and a start that fails aloud. The rest is test_application's."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shipway.contract.errors import ArtifactError
from shipway.contract.serving import ServingRuntime
from shipway.serving.direct import DirectApplication
from tests.shipway.serving.doubles import ROW, Harness, Made, StubModel

Make = Callable[..., Harness]
Serve = Callable[..., httpx.Client]

pytestmark = pytest.mark.parametrize("hosted", [ServingRuntime.DIRECT])


def test_health_and_metrics_have_their_pages(harness: Make, serve: Serve) -> None:
    """Alive from the start, ready after the warm-up; the page holds all that was counted, each series once."""
    one = harness()
    client = serve(one.runtime)
    assert client.post("/predict", json={"rows": [ROW]}).status_code == 200
    assert [client.get(path).status_code for path in ("/livez", "/healthz", "/readyz")] == [200] * 3
    assert client.head("/livez").status_code == 200
    assert client.post("/livez").status_code == 405
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=")
    lines = [line.rpartition(" ")[0] for line in page.text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(set(lines))
    for name in ("shipway_requests_total", "shipway_feature_bin_total", "shipway_prediction_bin_total"):
        assert f"{name}{{" in page.text
    one.runtime.ready = False
    assert client.get("/readyz").status_code == 503
    one.runtime.ready = True


def test_a_model_that_cannot_be_loaded_ends_the_start(harness: Make) -> None:
    """The server is told, with the error's own words, and nothing serves."""

    class Broken(StubModel):
        def load(self, files: Any) -> None:
            raise ArtifactError("model.skops: no such file")

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    application = DirectApplication(Made(harness(Broken()).runtime))
    with pytest.raises(ArtifactError, match=r"model\.skops: no such file"):
        asyncio.run(application({"type": "lifespan"}, receive, send))
    assert sent == [{"type": "lifespan.startup.failed", "message": "model.skops: no such file"}]


def test_requests_at_once_share_a_call_of_the_model(harness: Make) -> None:
    """Each gets its own answer and its own records; the model is called fewer times than it is asked."""
    one = harness()

    async def ask() -> list[float]:
        from tests.shipway.serving.test_inputs import asked

        answers = await asyncio.gather(*(one.runtime.answer(asked({"amount": number})) for number in range(8)))
        return [answer.predictions[0] for answer, _ in answers]

    assert asyncio.run(ask()) == list(range(8))
    assert (one.value("shipway_inference_seconds_count") or 8) < 8
    assert one.value("shipway_prediction_bin_total", bin="1") == 1
