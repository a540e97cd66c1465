"""The HTTP contract as an application: `/predict`, the Open Inference Protocol, `/feedback`; the same on every target.

    POST /predict    {"rows": [{field: value}], "unit_id": "..."}
                     -> {"predictions": [...], "prediction_ids": [...], "source": "model"}
    POST /feedback   {"labels": [{"prediction_id": "...", "label": 1, "event_time": "..."}]}   event_time is optional
                     -> {"accepted": 1}
    POST /v2/models/<model>/infer, GET /v2, /v2/models/<model>, /v2/models/<model>/ready, /v2/health/live and ready;
    <model> may be followed by /versions/<version>
    GET /openapi.json   all of it, for this model's schema

Whatever is wrong with a request gets status 400 and {"error": "...", "violations": [{row, field, rule, got,
expected}]}; row -1 is the request itself. Too large is 413, encoded 415, too many at once 429, no answer and no
fallback 503, and so is a request whose share the gateway gave to another version than this slot's; that one is counted
nowhere.
"""

import asyncio
import importlib.metadata
import json
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive

from shipway.contract.environment import Tier
from shipway.contract.metrics import (
    EVENT_TIME_HEADER,
    EVIDENCE_PATH,
    REFUSED_HEADER,
    ROLLOUT_HEADER,
    UNIT_HEADER,
    VERSIONS_HEADER,
    Outcome,
)
from shipway.contract.model import LOGS_READ_DAYS
from shipway.contract.schema import Violation
from shipway.serving.features import described
from shipway.serving.feedback import labels_of
from shipway.serving.open_api import open_api
from shipway.serving.open_inference import metadata, response, rows_of, server_metadata
from shipway.serving.requests import (
    BODY,
    MAX_VIOLATIONS,
    Rejected,
    check_rows,
    parse_object,
)
from shipway.serving.runtime import Answer, Overloaded, Runtime, Unanswered

__all__ = ["build_application", "guarded", "predict"]

# Above this size a body is parsed in a thread: a megabyte of JSON would hold up every other request for 50 ms.
_SMALL_BODY_BYTES = 65_536
_RETRY_AFTER_SECONDS = "1"

_CHARSET = re.compile(r"charset\s*=\s*\"?([^\s;\"]*)", re.IGNORECASE)
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
# A client that has it sends tensors as bytes behind the JSON, an extension of the protocol.
_BINARY_HEADER = "inference-header-content-length"

# As they arrive: bytes, in lower case.
_READ_HEADERS = {
    name.encode(): name
    for name in (
        *("content-encoding", "content-type", _BINARY_HEADER),
        *(EVENT_TIME_HEADER, ROLLOUT_HEADER, UNIT_HEADER, VERSIONS_HEADER),
    )
}

_LOGGER = logging.getLogger("shipway.serving")

_Handler = Callable[[Request, Runtime], Awaitable[Response]]


def build_application(runtime: Callable[[], Runtime], lifespan: Any = None) -> Starlette:
    """Returns the application.

    Args:
        runtime: asked at each request, because BentoML creates the service later.
        lifespan: starts and stops the runtime where BentoML does not.
    """

    def on(path: str, method: str, handler: _Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return await guarded(handler, request, runtime())

        return Route(path, endpoint, methods=[method])

    def of_model(rest: str, method: str, handler: _Handler) -> list[Route]:
        async def known(request: Request, runtime: Runtime) -> Response:
            return _unknown(request, runtime) or await handler(request, runtime)

        return [on(f"/v2/models/{{model}}{version}{rest}", method, known) for version in ("", "/versions/{version}")]

    return Starlette(
        routes=[
            on("/predict", "POST", _predict),
            on("/feedback", "POST", _feedback),
            on("/openapi.json", "GET", _open_api),
            on("/v2", "GET", _server_metadata),
            *of_model("/infer", "POST", _infer),
            *of_model("/ready", "GET", _ready),
            *of_model("", "GET", _model_metadata),
            on(EVIDENCE_PATH, "GET", _evidence),
            on("/v2/health/live", "GET", _live),
            on("/v2/health/ready", "GET", _ready),
        ],
        exception_handlers={HTTPException: _in_json},
        lifespan=lifespan,
    )


async def guarded(handler: _Handler, request: Request, runtime: Runtime) -> Response:
    """Returns the handler's answer; 500 for what nobody foresaw, of which the log gets type and place alone."""
    try:
        return await handler(request, runtime)
    except Exception as error:  # noqa: BLE001 - left to the server below, its text would go into the log
        _LOGGER.error("a request ended with %s", described(error))
        return JSONResponse({"error": f"this slot failed with {type(error).__name__}"}, 500)


async def predict(request: Request, runtime: Runtime) -> Response:
    """Returns the answer to `POST /predict`, as the application's own route does."""
    return await guarded(_predict, request, runtime)


async def _predict(request: Request, runtime: Runtime) -> Response:
    return await _answered(request, runtime, lambda document: document, _shown)


def _shown(_: dict[str, Any], answer: Answer) -> str:
    # Finite floats, hexadecimal digits and a plain word: put together here in a fifth of an encoder's time.
    predictions, ids = ",".join(map(repr, answer.predictions)), '","'.join(answer.prediction_ids)
    age = "" if answer.age_seconds is None else f',"age_seconds":{answer.age_seconds!r}'
    return f'{{"predictions":[{predictions}],"prediction_ids":["{ids}"],"source":"{answer.source}"{age}}}'


async def _infer(request: Request, runtime: Runtime) -> Response:
    def rows(document: dict[str, Any]) -> dict[str, Any]:
        return {"rows": rows_of(document, runtime.schema)}

    def show(document: dict[str, Any], answer: Answer) -> str:
        parameters: dict[str, Any] = {"source": answer.source, "prediction_ids": answer.prediction_ids}
        if answer.age_seconds is not None:
            parameters["age_seconds"] = answer.age_seconds
        return _json(response(runtime.name, runtime.version, document, answer.predictions, parameters))

    return await _answered(request, runtime, rows, show)


async def _answered(
    request: Request,
    runtime: Runtime,
    rows: Callable[[dict[str, Any]], dict[str, Any]],
    show: Callable[[dict[str, Any], Answer], str],
) -> Response:
    headers = _headers_of(request)
    versions = headers.get(VERSIONS_HEADER, runtime.version)
    if runtime.version not in versions.split(","):
        return _not_meant(runtime, versions)
    started = time.perf_counter()
    outcome = Outcome.ERROR
    try:
        document = await _document(request, headers, runtime)
        asked = check_rows(rows(document), _believed(request, headers, runtime), runtime.schema, _now)
        answer, outcome = await runtime.answer(asked)
        told = {"x-prediction-id": answer.prediction_ids[0], "x-served-by": answer.source}
        return _Json(show(document, answer), _headers(runtime, told))
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
        content = {"error": f"no prediction: {unanswered}", "request_id": unanswered.request_id}
        return JSONResponse(content, 503, _headers(runtime))
    finally:
        runtime.measures.request(outcome, time.perf_counter() - started)


async def _feedback(request: Request, runtime: Runtime) -> Response:
    try:
        # A laptop is asked about the past, and reads all that it has.
        days = math.inf if runtime.tier is Tier.LOCAL else LOGS_READ_DAYS
        labels = labels_of(await _document(request, _headers_of(request), runtime), _now(), days)
    except Rejected as rejected:
        return _refusal(rejected, runtime)
    except ClientDisconnect:
        return Response(status_code=400)
    if not runtime.labels.append(labels):
        return _overloaded(runtime, "the queue of labels is full")
    return JSONResponse({"accepted": len(labels)}, headers=_headers(runtime))


async def _open_api(request: Request, runtime: Runtime) -> Response:
    return JSONResponse(open_api(runtime.name, runtime.version, runtime.schema), headers=_headers(runtime))


async def _server_metadata(request: Request, runtime: Runtime) -> Response:
    return JSONResponse(server_metadata(importlib.metadata.version("shipway")))


async def _model_metadata(request: Request, runtime: Runtime) -> Response:
    return JSONResponse(metadata(runtime.name, runtime.version, runtime.schema), headers=_headers(runtime))


async def _evidence(request: Request, runtime: Runtime) -> Response:
    return Response(runtime.measures.evidence(), media_type=CONTENT_TYPE_LATEST)


async def _live(request: Request, runtime: Runtime) -> Response:
    return JSONResponse({"live": True})


async def _ready(request: Request, runtime: Runtime) -> Response:
    return JSONResponse({"ready": runtime.ready}, 200 if runtime.ready else 503)


async def _document(request: Request, headers: Mapping[str, str], runtime: Runtime) -> dict[str, Any]:
    _check_encoding(headers)
    body = await _body(request.receive, runtime.spec.max_body_bytes)
    if len(body) <= _SMALL_BODY_BYTES:
        return parse_object(body)
    return await asyncio.to_thread(parse_object, body)


async def _body(receive: Receive, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        pieces.append(message.get("body", b""))
        size, more = size + len(pieces[-1]), message.get("more_body", False)
        if size > max_bytes:
            expected = f"at most {max_bytes} bytes"
            violation = Violation(row=BODY, field="", rule="size", got="a larger body", expected=expected)
            raise Rejected(f"the body is larger than {max_bytes} bytes", [violation], status=413)
    return b"".join(pieces)


def _headers_of(request: Request) -> dict[str, str]:
    """Returns the headers that are read here, by name; of one that came twice the first, as Starlette has it."""
    found: list[tuple[bytes, bytes]] = request.scope["headers"]
    return {_READ_HEADERS[name]: value.decode("latin-1") for name, value in reversed(found) if name in _READ_HEADERS}


# Made once: json.dumps with arguments makes one for each answer.
_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class _Json(Response):
    """An answer in JSON, encoded before, whose headers need no looking through."""

    def __init__(self, content: str, headers: Mapping[str, str]) -> None:
        self.status_code, self.background, self.body = 200, None, content.encode()
        self.raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.raw_headers += [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]


def _check_encoding(headers: Mapping[str, str]) -> None:
    """Refuses a body that says of itself that it is anything but plain UTF-8; its media type decides nothing."""
    coding = headers.get("content-encoding", "identity")
    charset = _CHARSET.search(headers.get("content-type", ""))
    if coding == "identity" and charset is None and _BINARY_HEADER not in headers:
        return
    for where, got, fits, expected in (
        ("content-encoding", coding, coding.lower() == "identity", "no encoding"),
        ("content-type", charset[1] if charset else "", not charset or charset[1].lower() in _CHARSETS, "utf-8"),
        (_BINARY_HEADER, "a header", _BINARY_HEADER not in headers, "tensors as JSON"),
    ):
        if not fits:
            violation = Violation(row=BODY, field=where, rule="encoding", got=got[:60], expected=expected)
            raise Rejected(f"{where}: expected {expected}", [violation], status=415)


def _believed(request: Request, headers: dict[str, str], runtime: Runtime) -> Mapping[str, str]:
    """Returns the headers that count: only a replay on a laptop may say when its event happened."""
    if UNIT_HEADER in headers and len(request.headers.getlist(UNIT_HEADER)) > 1:
        violation = Violation(row=BODY, field=UNIT_HEADER, rule="duplicate", got="several", expected="one unit id")
        raise Rejected("1 violation of the schema", [violation])
    if runtime.tier is not Tier.LOCAL:
        headers.pop(EVENT_TIME_HEADER, None)
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


def _unknown(request: Request, runtime: Runtime) -> Response | None:
    """Returns the answer to a path that names another model or version, None for this slot's own."""
    for name, own in (("model", runtime.name), ("version", runtime.version)):
        asked = str(request.path_params.get(name, own))
        if asked != own:
            return JSONResponse({"error": f"no {name} {asked[:100]!r} here, expected {own!r}"}, 404, _headers(runtime))
    return None


def _in_json(request: Request, error: Exception) -> Response:
    """Returns 404 and 405 in the words of all other errors."""
    problem = cast(HTTPException, error)
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


def _headers(runtime: Runtime, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"x-model-version": runtime.version, "x-slot": str(runtime.slot), **(more or {})}


def _now() -> datetime:
    return datetime.now(UTC)
