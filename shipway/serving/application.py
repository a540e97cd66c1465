"""The HTTP contract as an application: `/predict`, the Open Inference Protocol, `/feedback`; the same on every target.

    POST /predict    {"rows": [{field: value}], "unit_id": "..."}
                     -> {"predictions": [...], "prediction_ids": [...], "source": "model"}
    POST /feedback   {"labels": [{"prediction_id": "...", "label": 1, "event_time": "..."}]}   event_time is optional
                     -> {"accepted": 1}
    POST /v2/models/<model>/infer, GET /v2/models/<model>, /v2/models/<model>/ready, /v2/health/live, /v2/health/ready

Whatever is wrong with a request gets status 400 and {"error": "...", "violations": [{row, field, rule, got,
expected}]}; row -1 is the request itself. Too large is 413, too many at once 429, no answer and no fallback 503, and so
is a request whose share the gateway gave to another version than this slot's; that one is counted nowhere.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shipway.contract.environment import Tier
from shipway.contract.metrics import EVIDENCE_PATH, REFUSED_HEADER, VERSIONS_HEADER, Outcome
from shipway.contract.schema import Violation
from shipway.serving.open_inference import metadata, response, rows_of
from shipway.serving.requests import BODY, MAX_VIOLATIONS, Rejected, check_rows, parse_object, parse_time
from shipway.serving.runtime import Answer, Overloaded, Runtime, Unanswered

__all__ = ["PATHS", "build_application"]

# Every path there is; the launcher refuses others before BentoML would make a metric series of each.
PATHS = re.compile(
    r"/(?:predict|feedback|livez|readyz|healthz|metrics(?:/evidence)?|v2/health/(?:live|ready)"
    r"|v2/models/[a-z0-9-]+(?:/infer|/ready)?)"
)

_PREDICTION_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LABELS = 10_000
# Above this size a body is parsed in a thread: a megabyte of JSON would hold up every other request for 50 ms.
_SMALL_BODY_BYTES = 65_536
_RETRY_AFTER_SECONDS = "1"

_Handler = Callable[[Request, Runtime], Awaitable[Response]]


def build_application(runtime: Callable[[], Runtime]) -> Starlette:
    """Returns the application; `runtime` is asked at each request, because BentoML creates the service later."""

    def on(path: str, method: str, handler: _Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return await handler(request, runtime())

        return Route(path, endpoint, methods=[method])

    return Starlette(
        routes=[
            on("/predict", "POST", _predict),
            on("/feedback", "POST", _feedback),
            on("/v2/models/{model}/infer", "POST", _infer),
            on("/v2/models/{model}/ready", "GET", _model_ready),
            on("/v2/models/{model}", "GET", _model_metadata),
            on(EVIDENCE_PATH, "GET", _evidence),
            on("/v2/health/live", "GET", _live),
            on("/v2/health/ready", "GET", _ready),
        ]
    )


async def _predict(request: Request, runtime: Runtime) -> Response:
    def show(_: dict[str, Any], answer: Answer) -> dict[str, Any]:
        return {
            "predictions": answer.predictions,
            "prediction_ids": answer.prediction_ids,
            "source": answer.source,
        }

    return await _answered(request, runtime, lambda document: document, show)


async def _infer(request: Request, runtime: Runtime) -> Response:
    if request.path_params["model"] != runtime.name:
        return _unknown_model(request, runtime)

    def rows(document: dict[str, Any]) -> dict[str, Any]:
        return {"rows": rows_of(document, runtime.schema)}

    def show(document: dict[str, Any], answer: Answer) -> dict[str, Any]:
        parameters = {"source": answer.source, "prediction_ids": answer.prediction_ids}
        return response(runtime.name, runtime.version, document, answer.predictions, parameters)

    return await _answered(request, runtime, rows, show)


async def _answered(
    request: Request,
    runtime: Runtime,
    rows: Callable[[dict[str, Any]], dict[str, Any]],
    show: Callable[[dict[str, Any], Answer], dict[str, Any]],
) -> Response:
    versions = request.headers.get(VERSIONS_HEADER, runtime.version)
    if runtime.version not in versions.split(","):
        return _not_meant(runtime, versions)
    started = time.perf_counter()
    outcome = Outcome.ERROR
    try:
        document = await _document(request, runtime)
        asked = check_rows(rows(document), _believed(request, runtime), runtime.schema, _now)
        answer, outcome = await runtime.answer(asked)
        headers = {"x-prediction-id": answer.prediction_ids[0], "x-served-by": answer.source}
        return JSONResponse(show(document, answer), headers=_headers(runtime, headers))
    except Rejected as rejected:
        outcome = Outcome.REJECTED_INPUT
        runtime.measures.violations(rejected.violations)
        return _refusal(rejected, runtime)
    except ClientDisconnect:
        outcome = Outcome.REJECTED_INPUT
        return Response(status_code=400)
    except Overloaded:
        # Counted as an error: a version that is too slow for its traffic must not look better for turning it away.
        return _overloaded(runtime, f"{runtime.spec.max_concurrency} requests are in the model, its limit")
    except Unanswered as unanswered:
        outcome = unanswered.outcome
        return JSONResponse({"error": f"no prediction: {unanswered}"}, 503, _headers(runtime))
    finally:
        runtime.measures.request(outcome, time.perf_counter() - started)


async def _feedback(request: Request, runtime: Runtime) -> Response:
    try:
        labels = _labels(await _document(request, runtime))
    except Rejected as rejected:
        return _refusal(rejected, runtime)
    except ClientDisconnect:
        return Response(status_code=400)
    if not runtime.labels.append(labels):
        return _overloaded(runtime, "the queue of labels is full")
    return JSONResponse({"accepted": len(labels)}, headers=_headers(runtime))


def _labels(document: dict[str, Any]) -> list[dict[str, Any]]:
    items = document.get("labels")
    if set(document) != {"labels"} or not isinstance(items, list) or not 0 < len(cast(list[Any], items)) <= _MAX_LABELS:
        keys = ", ".join(sorted(document)[:20])
        violation = Violation(
            row=BODY,
            field="labels",
            rule="type",
            got=f"keys {keys[:100]}",
            expected=f"labels: 1 to {_MAX_LABELS} of them",
        )
        raise Rejected("the body is not a list of labels", [violation])
    received, found, labels = _now(), list[Violation](), list[dict[str, Any]]()
    for number, item in enumerate(cast(list[Any], items)):
        label = _label(item, number, received, found)
        if label is not None:
            labels.append(label)
    if found:
        raise Rejected(f"{len(found)} violation{'s' if len(found) > 1 else ''} in the labels", found)
    return labels


def _label(item: object, number: int, received: datetime, found: list[Violation]) -> dict[str, Any] | None:
    def violates(field: str, rule: str, expected: str) -> None:
        found.append(Violation(row=number, field=field, rule=rule, got="something else", expected=expected))

    if not isinstance(item, dict):
        return violates("", "type", "an object")
    content = cast(dict[str, Any], item)
    prediction_id, label, stamp = (content.get(key) for key in ("prediction_id", "label", "event_time"))
    if set(content) - {"prediction_id", "label", "event_time"}:
        violates("", "unknown", "only prediction_id, label and event_time")
    if not isinstance(prediction_id, str) or not _PREDICTION_ID.fullmatch(prediction_id):
        violates("prediction_id", "prediction_id", "an id from a prediction's answer: 32 hexadecimal digits")
    if isinstance(label, bool) or not isinstance(label, int | float) or label - label != 0:
        violates("label", "type", "a finite number")
    event_time = received
    if stamp is not None:
        try:
            event_time = parse_time(stamp if isinstance(stamp, str) else "")
        except ValueError:
            violates("event_time", "timestamp", "an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z")
    return {"prediction_id": prediction_id, "label": label, "event_time": event_time, "received_at": received}


async def _model_metadata(request: Request, runtime: Runtime) -> Response:
    if request.path_params["model"] != runtime.name:
        return _unknown_model(request, runtime)
    return JSONResponse(metadata(runtime.name, runtime.version, runtime.schema), headers=_headers(runtime))


async def _model_ready(request: Request, runtime: Runtime) -> Response:
    if request.path_params["model"] != runtime.name:
        return _unknown_model(request, runtime)
    return await _ready(request, runtime)


async def _evidence(request: Request, runtime: Runtime) -> Response:
    return Response(runtime.measures.evidence(), media_type=CONTENT_TYPE_LATEST)


async def _live(request: Request, runtime: Runtime) -> Response:
    return JSONResponse({"live": True})


async def _ready(request: Request, runtime: Runtime) -> Response:
    return JSONResponse({"ready": runtime.ready}, 200 if runtime.ready else 503)


async def _document(request: Request, runtime: Runtime) -> dict[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > runtime.spec.max_body_bytes:
            expected = f"at most {runtime.spec.max_body_bytes} bytes"
            violation = Violation(row=BODY, field="", rule="size", got="a larger body", expected=expected)
            raise Rejected(f"the body is larger than {runtime.spec.max_body_bytes} bytes", [violation], status=413)
    if len(body) <= _SMALL_BODY_BYTES:
        return parse_object(bytes(body))
    return await asyncio.to_thread(parse_object, bytes(body))


def _believed(request: Request, runtime: Runtime) -> Mapping[str, str]:
    """Returns the headers that count: only a replay on a laptop may say when its event happened."""
    headers = dict(request.headers)
    if runtime.tier is not Tier.LOCAL:
        headers.pop("x-event-time", None)
    return headers


def _refusal(rejected: Rejected, runtime: Runtime) -> JSONResponse:
    shown = rejected.violations[:MAX_VIOLATIONS]
    content: dict[str, Any] = {"error": rejected.error, "violations": [one.model_dump() for one in shown]}
    if len(shown) < len(rejected.violations):
        content["violations_left_out"] = len(rejected.violations) - len(shown)
    return JSONResponse(content, rejected.status, _headers(runtime))


def _overloaded(runtime: Runtime, cause: str) -> JSONResponse:
    headers = _headers(runtime, {"retry-after": _RETRY_AFTER_SECONDS})
    return JSONResponse({"error": f"too many requests at once: {cause}"}, 429, headers)


def _not_meant(runtime: Runtime, versions: str) -> JSONResponse:
    """Returns the answer to a share that another version earned; the gateway sees the header and asks live."""
    text = f"this slot holds {runtime.version}, and the request is for {versions[:100]}"
    return JSONResponse({"error": text}, 503, _headers(runtime, {REFUSED_HEADER: runtime.version}))


def _unknown_model(request: Request, runtime: Runtime) -> JSONResponse:
    asked = str(request.path_params["model"])[:100]
    return JSONResponse({"error": f"no model {asked!r} here, expected {runtime.name!r}"}, 404, _headers(runtime))


def _headers(runtime: Runtime, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"x-model-version": runtime.version, "x-slot": str(runtime.slot), **(more or {})}


def _now() -> datetime:
    return datetime.now(UTC)
