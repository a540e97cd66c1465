"""Labels that are none, headers that lie, and paths that are not there."""

import gzip
import json
from typing import Any

from tests.shipway.serving.bad.kinds import BIG, GOOD, JSON_WORDS, VERSION, Kind
from tests.shipway.serving.doubles import ROW

__all__ = ["FEEDBACK", "HEADERS", "PATHS"]

ID = "0123456789abcdef" * 2
LABEL: dict[str, Any] = {"prediction_id": ID, "label": 1}
OFFSET = "an ISO 8601 time with an offset"


def labels(document: object, field: str, rule: str, expected: str, row: int = -1) -> Kind:
    """Returns a kind of feedback."""
    error = "the body is not a list of labels" if row < 0 else "in the labels"
    return Kind(json.dumps(document).encode(), field, rule, expected, row, error=error, path="/feedback")


def label(field: str, rule: str, expected: str, **changes: Any) -> Kind:
    """Returns a kind with one wrong label."""
    return labels({"labels": [LABEL | changes]}, field, rule, expected, 0)


def literal(text: str) -> Kind:
    """Returns a kind whose label is written as `text`."""
    content = json.dumps({"labels": [LABEL | {"label": "@"}]}).replace('"@"', text).encode()
    return Kind(content, "label", "type", "a finite number", 0, error="in the labels", path="/feedback")


MANY = "labels: 1 to 10000 of them"

FEEDBACK: dict[str, Kind] = {
    "feedback: empty": Kind(b"", "", "json", JSON_WORDS, path="/feedback"),
    "feedback: a list": Kind(json.dumps([LABEL]).encode(), "", "type", JSON_WORDS, path="/feedback"),
    "feedback: deep": Kind(b'{"labels": ' + b"[" * 20_000, "", "depth", JSON_WORDS, path="/feedback"),
    "feedback: over the limit": Kind(b" " * (BIG + 1), "", "size", "", status=413, error="larger", path="/feedback"),
    "feedback: nothing": labels({}, "labels", "type", MANY),
    "feedback: one label": labels(LABEL, "labels", "type", MANY),
    "feedback: no labels": labels({"labels": []}, "labels", "type", MANY),
    "feedback: null": labels({"labels": None}, "labels", "type", MANY),
    "feedback: an object": labels({"labels": LABEL}, "labels", "type", MANY),
    "feedback: a key more": labels({"labels": [LABEL], "more": 1}, "labels", "type", MANY),
    "feedback: rows": labels({"rows": [ROW]}, "labels", "type", MANY),
    "feedback: too many": labels({"labels": [1] * 10_001}, "labels", "type", MANY),
    **{
        f"feedback: a label {one!r}": labels({"labels": [one]}, "", "type", "an object", 0)
        for one in (1, None, "1", [], True, 1.5)
    },
    "feedback: the second label wrong": labels({"labels": [LABEL, {}]}, "prediction_id", "prediction_id", "32", 1),
    "feedback: an extra key": label("", "unknown", "only prediction_id, label and event_time", more=1),
    **{
        f"feedback: id {str(one)[:24]!r}": label("prediction_id", "prediction_id", "32 hexadecimal", prediction_id=one)
        for one in (
            *(None, 7, True, [], {}, "", "x", ID[:-1], ID + "0", ID.upper(), f" {ID}", f"{ID}\n", "../../etc/passwd"),
            *("0" * 31 + "\0", "\u0660" * 32, "g" * 32, "0123456789abcdef-0123-456789abcdef", "x" * 10_000),
        )
    },
    **{
        f"feedback: label {one!r}": label("label", "type", "a finite number", label=one)
        for one in (None, "1", "", True, False, [], [1], {}, "NaN")
    },
    "feedback: no label": labels({"labels": [{"prediction_id": ID}]}, "label", "type", "a finite number", 0),
    **{f"feedback: label {text[:12]}": literal(text) for text in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 400)},
    **{
        f"feedback: time {str(one)[:24]!r}": label("event_time", "timestamp", OFFSET, event_time=one)
        for one in (
            *("today", "", 5, True, [], {}, "2013-05-01", "2013-05-01T12:00:00", "2013-02-30T12:00:00Z"),
            *("0001-01-01T00:00:00+23:59", "10000-01-01T00:00:00Z", "x" * 10_000),
        )
    },
}


def header(name: str, value: str | bytes, field: str, rule: str, expected: str, **more: Any) -> Kind:
    """Returns a kind whose body is good and one header is not."""
    return Kind(more.pop("content", GOOD), field, rule, expected, headers=[(name, value)], **more)


ENCODED = {"status": 415, "error": "expected "}

HEADERS: dict[str, Kind] = {
    **{
        f"unit header {name}": header("x-unit-id", value, "x-unit-id", "unit_id", "1 to 200 printable characters")
        for name, value in {
            "too long": "x" * 201,
            "very long": "x" * 20_000,
            "empty": "",
            "with a tab": "a\tb",
            "of a control character": b"a\x85b",
            "of a space that is none": b"a\xa0b",
            "of a hidden hyphen": b"a\xadb",
        }.items()
    },
    **{
        f"event time {value[:24]!r}": header("x-event-time", value, "x-event-time", "timestamp", OFFSET)
        for value in (
            *("yesterday", "2013-05-01T12:00:00", "2013-05-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59-23:59"),
            *("1367409600", "2013-02-30T12:00:00Z", "Wed, 01 May 2013 12:00:00 GMT", "x" * 10_000, "NaN", "null", "0"),
        )
    },
    "two unit headers": Kind(
        *(GOOD, "x-unit-id", "duplicate", "one unit id"), headers=[("x-unit-id", "a"), ("x-unit-id", "b")]
    ),
    "the unit header twice": Kind(
        *(GOOD, "x-unit-id", "duplicate", "one unit id"), headers=[("x-unit-id", "a"), ("X-Unit-Id", "a")]
    ),
    "another unit in the body": header(
        *("x-unit-id", "b", "unit_id", "differs", "a copy of the header"), content=b'{"unit_id": "a", ' + GOOD[1:]
    ),
    **{
        f"content encoding {value!r}": header(
            "content-encoding", value, "content-encoding", "encoding", "no encoding", **ENCODED
        )
        for value in ("gzip", "deflate", "br", "zstd", "compress", "gzip, identity", "aes128gcm", "x", "")
    },
    "gzip that says so": header(
        *("content-encoding", "gzip", "content-encoding", "encoding", "no encoding"),
        content=gzip.compress(GOOD, mtime=0),
        **ENCODED,
    ),
    **{
        f"charset of {value!r}": header("content-type", value, "content-type", "encoding", "utf-8", **ENCODED)
        for value in (
            *("application/json; charset=utf-16", "application/json;charset=latin-1", "application/json; charset=x"),
            *('text/plain; charset="iso-8859-1"', "application/json; CHARSET=UTF-7", "application/json; charset="),
        )
    },
    "another version's share": Kind(
        GOOD, status=503, error=f"this slot holds {VERSION}", headers=[("x-shipway-versions", "cdcdcdcdcdcd")]
    ),
    "a share of no version": Kind(GOOD, status=503, error="this slot holds", headers=[("x-shipway-versions", "")]),
}


def path(method: str, where: str, status: int, error: str) -> Kind:
    """Returns a kind that asks for what is not there."""
    return Kind(b"", path=where, method=method, status=status, error=error)


REFUSED = "Method Not Allowed"

PATHS: dict[str, Kind] = {
    **{
        f"{method} {where}": path(method, where, 405, REFUSED)
        for method, where in (
            *(("GET", "/predict"), ("PUT", "/predict"), ("DELETE", "/predict"), ("PATCH", "/predict")),
            *(("GET", "/feedback"), ("PUT", "/feedback"), ("GET", "/v2/models/stub/infer"), ("POST", "/v2")),
            *(("POST", "/v2/models/stub"), ("POST", "/v2/health/live"), ("DELETE", "/v2/models/stub")),
            *(("POST", "/openapi.json"), ("POST", "/v2/models/stub/ready"), ("OPTIONS", "/predict")),
            *(("PUT", f"/v2/models/stub/versions/{VERSION}/infer"), ("POST", "/v2/health/ready")),
        )
    },
    **{
        f"GET {where[:40]}": path("GET", where, 404, "no such path: /")
        for where in (
            *("/", "/nowhere", "/predict/", "/predict/1", "/Predict", "/v1/models/stub:predict", "/v2/", "/v2/models"),
            *("/v2/models/other", "/v2/models/other/infer", "/v2/models/stub/versions/1", "/v2/models/stub/versions"),
            *("/v2/models/stub/versions/1/infer", "/v2/models/stub/infer/x", "/v2/models/Stub", "/v2/repository/index"),
            *("/predict%00", "/predict;x=1", "/docs.json", "/schema.json", "/static_content/x", "/favicon.ico"),
            *("/v2/models/Ada%20Lovelace", f"/{'a' * 5000}", "/%2e%2e/etc/passwd", "/metrics/x", "/predict%0d%0ax"),
            *("/v2/models/stub%2finfer%2f", "/\u043fredict", "/api/predict", "/_bentoml", "/openapi.yaml"),
        )
    },
}
