"""The HTTP contract: bodies, headers and status of each endpoint."""

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from shipway.contract.environment import Tier
from shipway.contract.metrics import Outcome
from shipway.contract.serving import FallbackSource, ServingSpec
from shipway.serving.application import build_application
from tests.shipway.serving.doubles import READ, ROW, Harness, Stored, StubModel, StubStore

Make = Callable[..., Harness]
Serve = Callable[..., httpx.Client]
BODY = {"rows": [ROW, ROW | {"amount": 4}]}


def test_a_prediction_says_which_version_answered(harness: Make, serve: Serve) -> None:
    """Body and headers carry all that a caller needs to report a wrong answer."""
    one = harness()
    answer = serve(one.runtime).post("/predict", json=BODY, headers={"x-unit-id": "unit-1"})
    assert answer.status_code == 200
    content = answer.json()
    assert set(content) == {"predictions", "prediction_ids", "source"}
    assert (content["predictions"], content["source"]) == ([2.5, 4.0], "model")
    shown = {name: answer.headers[name] for name in ("x-model-version", "x-slot", "x-served-by", "x-prediction-id")}
    assert shown == {
        "x-model-version": "abababababab",
        "x-slot": "blue",
        "x-served-by": "model",
        "x-prediction-id": content["prediction_ids"][0],
    }
    assert one.value("shipway_requests_total", outcome="ok") == 1
    assert one.value("shipway_request_seconds_count") == 1


def test_another_versions_share_is_refused(harness: Make, serve: Serve) -> None:
    """What the gateway meant for another version gets no prediction here, and counts neither for nor against it."""
    one = harness()
    client = serve(one.runtime)
    refused = client.post("/predict", json=BODY, headers={"x-shipway-versions": "cdcdcdcdcdcd,efefefefefef"})
    assert (refused.status_code, refused.headers["x-shipway-refused"]) == (503, "abababababab")
    assert refused.json() == {"error": "this slot holds abababababab, and the request is for cdcdcdcdcdcd,efefefefefef"}
    assert not any(one.value("shipway_requests_total", outcome=str(outcome)) for outcome in Outcome)
    meant = client.post("/predict", json=BODY, headers={"x-shipway-versions": "cdcdcdcdcdcd,abababababab"})
    assert (meant.status_code, "x-shipway-refused" in meant.headers) == (200, False)


def test_bad_input_is_the_callers_fault_and_is_not_timed(harness: Make, serve: Serve) -> None:
    """A rejected request counts against no version; an unknown field makes no series of its own."""
    one = harness()
    client = serve(one.runtime)
    client.post("/predict", content=b"")
    client.post("/predict", json={"rows": [ROW | {"amount": -1, "secret_field": 1}]})
    assert one.value("shipway_requests_total", outcome="rejected_input") == 2
    assert one.value("shipway_request_seconds_count") == 0
    assert one.value("shipway_violations_total", field="amount", rule="range") == 1
    assert one.value("shipway_violations_total", field="other", rule="unknown") == 1
    assert one.value("shipway_violations_total", field="secret_field", rule="unknown") is None


def test_a_fallback_is_marked_and_its_absence_is_503(harness: Make, serve: Serve) -> None:
    """Whoever reads the answer can tell a constant from a prediction; the model's outcome stays an error."""

    def raises(_: Any) -> Any:
        raise RuntimeError

    spec = ServingSpec(fallback=(FallbackSource.CONSTANT,), fallback_constant=0.25)
    one, none = harness(StubModel(), spec), harness(StubModel())
    clients = serve(one.runtime), serve(none.runtime)
    one.runtime.model.does = none.runtime.model.does = raises  # type: ignore[attr-defined]
    marked, refused = (client.post("/predict", json=BODY) for client in clients)
    assert (marked.status_code, marked.json()["source"], marked.headers["x-served-by"]) == (200, "constant", "constant")
    assert one.value("shipway_requests_total", outcome="error") == 1
    request_id = refused.json().pop("request_id")
    expected = {"error": "no prediction: the model raised RuntimeError", "request_id": request_id}
    assert (refused.status_code, refused.json(), len(request_id)) == (503, expected, 32)


def test_one_request_too_many_is_told_when_to_come_again(harness: Make, serve: Serve) -> None:
    """The bulkhead answers at once; liveness and metadata stay open."""
    inside, release = threading.Event(), threading.Event()

    def waits(rows: Any) -> Any:
        inside.set()
        release.wait(10)
        return np.zeros(len(rows))

    one = harness(StubModel(), ServingSpec(max_concurrency=1, timeout_seconds=10))
    client = serve(one.runtime)
    one.runtime.model.does = waits  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.post, "/predict", json=BODY)
        assert inside.wait(5)
        second = client.post("/predict", json=BODY)
        alive = client.get("/v2/health/live")
        release.set()
        assert first.result().status_code == 200
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert second.json() == {"error": "too many requests at once: 1 requests are in the model, its limit"}
    assert alive.status_code == 200
    assert one.value("shipway_requests_total", outcome="error") == 1


@pytest.mark.parametrize(("tier", "missing"), [(Tier.LOCAL, 0), (Tier.NONPROD, 1), (Tier.PROD, 1)])
def test_only_a_local_slot_believes_an_event_time(harness: Make, serve: Serve, tier: Tier, missing: int) -> None:
    """A replay may say it is 2013; elsewhere the same header would make stale features fresh."""
    then = datetime(2013, 5, 1, 12, tzinfo=UTC)
    store = StubStore({READ.name: Stored(3.5, then - timedelta(minutes=1))})
    one = harness(store=store, tier=tier)
    headers = {"x-event-time": "2013-05-01T14:00:00+02:00"}
    assert serve(one.runtime).post("/predict", json=BODY, headers=headers).status_code == 200
    assert one.value("shipway_feature_missing_total", feature=READ.name) == missing


@pytest.mark.parametrize(
    ("headers", "units"),
    [
        ({"x-shipway-rollout": "3/1"}, 2),
        ({"x-shipway-rollout": "3/1", "x-unit-id": "unit-1"}, 1),
        ({"x-unit-id": "unit-1"}, 0),
        ({"x-shipway-rollout": "3"}, 0),
        ({"x-shipway-rollout": "3/1/2"}, 0),
        ({"x-shipway-rollout": "-3/1"}, 0),
        ({"x-shipway-rollout": ""}, 0),
        ({"x-shipway-rollout": "9" * 10 + "/0"}, 0),
    ],
)
def test_units_count_only_for_the_gateways_header(
    harness: Make, serve: Serve, headers: dict[str, str], units: int
) -> None:
    """Rejected input counts nothing; a body's unit id is no routing key; the log says which rollout it was."""
    one = harness()
    client = serve(one.runtime)
    for body in (BODY | {"unit_id": "unit-1"}, BODY, {"rows": []}):
        client.post("/predict", json=body, headers=headers)
    assert one.value("shipway_units_total") == units
    asyncio.run(one.runtime.stop())
    rows = [row for path in (one.folder / "predictions").rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert [row["rollout"] for row in rows] == [3 if units else 0] * 4


def tensors(**changes: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "amount": {"datatype": "FP64", "shape": [2], "data": [2.5, 4]},
        "count": {"datatype": "INT64", "shape": [2, 1], "data": [[3], [3]]},
        "colour": {"datatype": "BYTES", "shape": [2], "data": ["red", "green"]},
        "who": {"datatype": "BYTES", "shape": [2], "data": [None, "N1"]},
        "when": {"datatype": "BYTES", "shape": [2], "data": [ROW["when"]] * 2},
        "pixels": {"datatype": "FP32", "shape": [2, 3], "data": [0, 1, 2, 3, 4, 5]},
    }
    return {"id": "42", "inputs": [{"name": name, **column} for name, column in (columns | changes).items()]}


def test_the_open_inference_protocol_gives_the_same_predictions(harness: Make, serve: Serve) -> None:
    """Existing clients speak tensors; the request's id comes back."""
    model = StubModel()
    client = serve(harness(model).runtime)
    answer = client.post("/v2/models/stub/infer", json=tensors())
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert (content["id"], content["model_name"], content["model_version"]) == ("42", "stub", "abababababab")
    (output,) = content["outputs"]
    assert output == {"name": "prediction", "datatype": "FP64", "shape": [2], "data": [2.5, 4.0]}
    assert [row["pixels"] for row in model.rows[-2:]] == [[0, 1, 2], [3, 4, 5]]
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/stub/ready").status_code == 200
    metadata = client.get("/v2/models/stub").json()
    assert metadata["inputs"][5] == {"name": "pixels", "datatype": "FP64", "shape": [-1, 3]}


# An inference request -> field and rule of its first violation.
NO_ROWS: list[tuple[dict[str, Any], str, str]] = [
    ({}, "inputs", "type"),
    ({"inputs": {}}, "inputs", "type"),
    ({"inputs": [1]}, "inputs", "type"),
    ({"inputs": []}, "amount", "missing"),
    (tensors(colours={"datatype": "BYTES", "shape": [2], "data": ["red", "red"]}), "inputs", "unknown"),
    ({"inputs": tensors()["inputs"] * 2}, "amount", "duplicate"),
    (tensors(amount={"datatype": "BYTES", "shape": [2], "data": ["1", "2"]}), "amount", "datatype"),
    (tensors(amount={"datatype": "FP64", "shape": [3], "data": [1, 2]}), "amount", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": [-2], "data": [1, 2]}), "amount", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": "2", "data": [1, 2]}), "amount", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": [True], "data": [1]}), "amount", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": [1], "data": [1]}), "inputs", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": [2], "data": 1}), "amount", "type"),
    (tensors(amount={"datatype": "FP64", "shape": [2], "data": [1, "2"]}), "amount", "type"),
    (tensors(amount={"datatype": "FP64", "shape": [2], "data": [1, 101]}), "amount", "range"),
    (tensors(pixels={"datatype": "FP64", "shape": [2, 4], "data": [0] * 8}), "pixels", "shape"),
    (tensors(pixels={"datatype": "FP64", "shape": [6], "data": [0] * 6}), "pixels", "shape"),
    (tensors(amount={"datatype": "FP64", "shape": [10**15], "data": [1]}), "amount", "shape"),
]


def test_tensors_that_form_no_rows_are_refused_by_name(harness: Make, serve: Serve) -> None:
    """A tensor gets the same kind of answer as a row."""
    client = serve(harness().runtime)
    for document, field, rule in NO_ROWS:
        answer = client.post("/v2/models/stub/infer", json=document)
        assert answer.status_code == 400, document
        first = answer.json()["violations"][0]
        assert (first["field"], first["rule"]) == (field, rule), document


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/ready"), ("POST", "/infer")])
def test_another_models_name_or_version_is_not_found(harness: Make, serve: Serve, method: str, rest: str) -> None:
    """A slot answers for itself only; the version in the path is the one that it says it is."""
    client = serve(harness().runtime)
    for path in ("other", "stub/versions/1"):
        answer = client.request(method, f"/v2/models/{path}{rest}", json=tensors())
        expected = f"no such path: /v2/models/{path}{rest}; this slot is stub version abababababab"
        assert (answer.status_code, answer.json()) == (404, {"error": expected})
    own = client.request(method, f"/v2/models/stub/versions/abababababab{rest}", json=tensors())
    assert own.status_code == 200, own.text


def test_the_application_itself_knows_its_name_too(harness: Make) -> None:
    """Whatever stands before it."""
    application = build_application(lambda: one.runtime)
    one = harness()

    async def ask(path: str) -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://slot") as client:
            return await client.get(path)

    for path, expected in (
        ("/v2/models/other", "no model 'other' here, expected 'stub'"),
        ("/v2/models/stub/versions/1/ready", "no version '1' here, expected 'abababababab'"),
        ("/nowhere", "Not Found"),
    ):
        answer = asyncio.run(ask(path))
        assert (answer.status_code, answer.json()) == (404, {"error": expected})


def test_the_server_says_what_it_is(harness: Make, serve: Serve) -> None:
    """The protocol's own three words; no extension is claimed."""
    found = serve(harness().runtime).get("/v2").json()
    assert found == {"name": "shipway", "version": version("shipway"), "extensions": []}


def test_a_failure_of_the_slot_itself_is_told_without_its_words(
    harness: Make, serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is 500 and counts as an error; the log has its type and place, not what it quotes."""

    def raises(*_: Any) -> Any:
        raise LookupError("N14228")

    one = harness()
    client = serve(one.runtime)
    monkeypatch.setattr("shipway.serving.application.check_rows", raises)
    answer = client.post("/predict", json=BODY)
    assert (answer.status_code, answer.json()) == (500, {"error": "this slot failed with LookupError"})
    assert one.value("shipway_requests_total", outcome="error") == 1
    assert "a request ended with LookupError at " in caplog.text
    assert "N14228" not in caplog.text


def test_outputs_may_be_named(harness: Make, serve: Serve) -> None:
    """A client that asks for the one output there is, or for none in particular, gets it."""
    client = serve(harness().runtime)
    for outputs in ([], [{"name": "prediction", "parameters": {"binary_data": False}}]):
        answer = client.post("/v2/models/stub/infer", json=tensors() | {"outputs": outputs, "parameters": {"a": 1}})
        assert [one["name"] for one in answer.json()["outputs"]] == ["prediction"]


ID = "0123456789abcdef" * 2


def test_a_late_label_is_kept_by_its_prediction(harness: Make, serve: Serve) -> None:
    """What was accepted is on disk when the slot has stopped."""
    one = harness()
    client = serve(one.runtime)
    label = {"prediction_id": ID, "label": 1, "event_time": "2013-05-01T14:00:00+02:00"}
    answer = client.post("/feedback", json={"labels": [label, {"prediction_id": ID, "label": 0.5}]})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
    asyncio.run(one.runtime.stop())
    (segment,) = one.folder.glob("labels/2013-05-01T12/*.parquet")
    (record,) = pq.read_table(segment).to_pylist()
    assert (record["prediction_id"], record["label"]) == (ID, 1.0)
    assert record["event_time"] == datetime(2013, 5, 1, 12, tzinfo=UTC)


# A body of labels -> the field of its first violation.
NO_LABELS: list[tuple[dict[str, Any], str]] = [
    ({}, "labels"),
    ({"labels": []}, "labels"),
    ({"labels": {}}, "labels"),
    ({"labels": [{"prediction_id": ID, "label": 1}], "more": 1}, "labels"),
    ({"labels": [{"prediction_id": ID, "label": 1}] * 10_001}, "labels"),
    ({"labels": [1]}, ""),
    ({"labels": [{"prediction_id": ID}]}, "label"),
    ({"labels": [{"prediction_id": ID, "label": True}]}, "label"),
    ({"labels": [{"prediction_id": ID, "label": "1"}]}, "label"),
    ({"labels": [{"prediction_id": ID, "label": 1, "more": 1}]}, ""),
    ({"labels": [{"prediction_id": "../etc", "label": 1}]}, "prediction_id"),
    ({"labels": [{"prediction_id": 7, "label": 1}]}, "prediction_id"),
    ({"labels": [{"prediction_id": ID, "label": 1, "event_time": "today"}]}, "event_time"),
    ({"labels": [{"prediction_id": ID, "label": 1, "event_time": 5}]}, "event_time"),
]


def test_what_is_no_label_is_refused_whole(harness: Make, serve: Serve) -> None:
    """One wrong label refuses the request, so that the caller knows what was kept: nothing."""
    client = serve(harness().runtime)
    for document, field in NO_LABELS:
        answer = client.post("/feedback", json=document)
        assert answer.status_code == 400, document
        assert answer.json()["violations"][0]["field"] == field, document


def test_a_label_that_no_float_holds_costs_no_other(harness: Make, serve: Serve) -> None:
    """An id in the wrong column is a number too; it is kept as the nearest float, and so is what came with it."""
    one = harness()
    client = serve(one.runtime)
    for label in (1, 10**17 + 1):
        label = {"prediction_id": ID, "label": label, "event_time": "2013-05-01T12:00:00Z"}
        assert client.post("/feedback", json={"labels": [label]}).status_code == 200
    asyncio.run(one.runtime.stop())
    (segment,) = one.folder.glob("labels/*/*.parquet")
    assert sorted(pq.read_table(segment)["label"].to_pylist()) == [1.0, 1e17]


def test_a_label_that_nobody_would_read_is_refused(harness: Make, serve: Serve) -> None:
    """On a cluster the logs of forty days are read: an older event's label would be kept, and be none."""
    now = datetime.now(UTC)
    for tier, days, status in ((Tier.PROD, 41, 400), (Tier.PROD, 39, 200), (Tier.LOCAL, 5000, 200)):
        label = {"prediction_id": ID, "label": 1, "event_time": (now - timedelta(days=days)).isoformat()}
        answer = serve(harness(tier=tier).runtime).post("/feedback", json={"labels": [label]})
        assert answer.status_code == status, (tier, days)
        if status == 400:
            [violation] = answer.json()["violations"]
            assert (violation["field"], violation["rule"]) == ("event_time", "age")
            assert violation["expected"] == "at most 40 days ago: older logs are not read"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999", "9" * 400])
def test_a_label_that_is_not_finite_is_refused(harness: Make, serve: Serve, literal: str) -> None:
    """A NaN would make every average it joins a NaN."""
    content = json.dumps({"labels": [{"prediction_id": ID, "label": "@"}]}).replace('"@"', literal)
    answer = serve(harness().runtime).post("/feedback", content=content)
    assert answer.status_code == 400
    assert answer.json()["violations"][0]["expected"] == "a finite number"
