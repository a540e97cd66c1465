"""What bad input gets: every kind, its status and its words; the slot answers a good request after all of them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from shipway.contract.serving import ServingSpec
from tests.shipway.serving.doubles import ROW, Harness

Start = Callable[..., httpx.Client]


def body(**changes: Any) -> bytes:
    return json.dumps({"rows": [ROW | changes]}).encode()


def without(name: str) -> bytes:
    return json.dumps({"rows": [{key: value for key, value in ROW.items() if key != name}]}).encode()


def raw(field: str, literal: str) -> bytes:
    return body(**{field: "@"}).replace(b'"@"', literal.encode())


GOOD = body()

# What is sent -> row, field and rule of its first violation, and words of what was expected.
KINDS: dict[str, tuple[bytes, int, str, str, str]] = {
    "empty": (b"", -1, "", "json", "a JSON object in UTF-8"),
    "spaces": (b"  \n", -1, "", "json", "a JSON object in UTF-8"),
    "broken JSON": (b'{"rows": [', -1, "", "json", "a JSON object in UTF-8"),
    "trailing comma": (b'{"rows": [],}', -1, "", "json", "a JSON object in UTF-8"),
    "trailing garbage": (GOOD + b"x", -1, "", "json", "a JSON object in UTF-8"),
    "two documents": (GOOD + GOOD, -1, "", "json", "a JSON object in UTF-8"),
    "single quotes": (b"{'rows': []}", -1, "", "json", "a JSON object in UTF-8"),
    "form body": (b"amount=1&count=2", -1, "", "json", "a JSON object in UTF-8"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, -1, "", "json", "a JSON object in UTF-8"),
    "not UTF-8": (b'{"rows": "\xff"}', -1, "", "utf-8", "a JSON object in UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), -1, "", "utf-8", "a JSON object in UTF-8"),
    "gzip": (b"\x1f\x8b\x08\x00" + GOOD, -1, "", "utf-8", "a JSON object in UTF-8"),
    "half a surrogate": (raw("who", '"\\ud800"'), -1, "", "unicode", "a JSON object in UTF-8"),
    "control character": (raw("who", '"\x01"'), -1, "", "json", "a JSON object in UTF-8"),
    "deep arrays": (b"[" * 100_000, -1, "", "depth", "a JSON object in UTF-8"),
    "deep objects": (b'{"a":' * 20_000, -1, "", "depth", "a JSON object in UTF-8"),
    "deep in a field": (raw("amount", "[" * 100_000 + "]" * 100_000), -1, "", "depth", "a JSON object in UTF-8"),
    "array at the top": (b"[]", -1, "", "type", "a JSON object in UTF-8"),
    "number at the top": (b"1", -1, "", "type", "a JSON object in UTF-8"),
    "text at the top": (b'"rows"', -1, "", "type", "a JSON object in UTF-8"),
    "null at the top": (b"null", -1, "", "type", "a JSON object in UTF-8"),
    "NaN at the top": (b"NaN", -1, "", "type", "a JSON object in UTF-8"),
    "no rows": (b"{}", -1, "rows", "missing", "a list of 1 to 1000 rows"),
    "null rows": (b'{"rows": null}', -1, "rows", "type", "a list of 1 to 1000 rows"),
    "rows an object": (b'{"rows": {}}', -1, "rows", "type", "a list of 1 to 1000 rows"),
    "zero rows": (b'{"rows": []}', -1, "rows", "length", "1 to 1000 rows"),
    "too many rows": (b'{"rows": [' + b"1," * 1000 + b"1]}", -1, "rows", "length", "1 to 1000 rows"),
    "extra key": (b'{"extra": 1, ' + GOOD[1:], -1, "extra", "unknown", "only rows and unit_id"),
    "duplicate rows": (GOOD[:-1] + b', "rows": []}', -1, "rows", "duplicate", "each key once"),
    "unit id a number": (b'{"unit_id": 7, ' + GOOD[1:], -1, "unit_id", "unit_id", "1 to 200 printable characters"),
    "unit id empty": (b'{"unit_id": "", ' + GOOD[1:], -1, "unit_id", "unit_id", "1 to 200 printable characters"),
    "unit id long": (
        b'{"unit_id": "' + b"x" * 201 + b'", ' + GOOD[1:],
        -1,
        "unit_id",
        "unit_id",
        "1 to 200 printable characters",
    ),
    "unit id with a newline": (b'{"unit_id": "a\\nb", ' + GOOD[1:], -1, "unit_id", "unit_id", "printable"),
    "row a number": (b'{"rows": [1]}', 0, "", "type", "an object"),
    "row null": (b'{"rows": [null]}', 0, "", "type", "an object"),
    "row a list": (b'{"rows": [[]]}', 0, "", "type", "an object"),
    "row empty": (b'{"rows": [{}]}', 0, "amount", "missing", "a value"),
    "field missing": (without("amount"), 0, "amount", "missing", "a value"),
    "nullable field missing": (without("who"), 0, "who", "missing", "a value"),
    "extra field": (body(extra=1), 0, "extra", "unknown", "one of amount, count"),
    "field in capitals": (body(Amount=1), 0, "Amount", "unknown", "one of amount, count"),
    "field twice": (GOOD.replace(b'"amount": 2.5', b'"amount": 2.5, "amount": 3'), 0, "amount", "duplicate", "once"),
    "null": (body(amount=None), 0, "amount", "null", "a value"),
    "text for a number": (body(amount="2.5"), 0, "amount", "type", "a number"),
    "true for a number": (body(amount=True), 0, "amount", "type", "a number"),
    "list for a number": (body(amount=[2.5]), 0, "amount", "type", "a number"),
    "object for a number": (body(amount={}), 0, "amount", "type", "a number"),
    "NaN": (raw("amount", "NaN"), 0, "amount", "finite", "a finite number"),
    "Infinity": (raw("amount", "Infinity"), 0, "amount", "finite", "a finite number"),
    "minus Infinity": (raw("amount", "-Infinity"), 0, "amount", "finite", "a finite number"),
    "1e999": (raw("amount", "1e999"), 0, "amount", "finite", "a finite number"),
    "a number of 5000 digits": (raw("amount", "9" * 5000), 0, "amount", "finite", "a finite number"),
    "a number of 400 digits": (raw("amount", "-" + "9" * 400), 0, "amount", "finite", "a finite number"),
    "below the range": (body(amount=-0.001), 0, "amount", "range", "a value from 0.0 to 100.0"),
    "above the range": (body(amount=100.001), 0, "amount", "range", "a value from 0.0 to 100.0"),
    "number for an integer": (body(count=3.5), 0, "count", "type", "an integer"),
    "whole float for an integer": (body(count=3.0), 0, "count", "type", "an integer"),
    "huge integer": (raw("count", "9" * 5000), 0, "count", "type", "an integer"),
    "unknown category": (body(colour="blue"), 0, "colour", "category", "one of red, green"),
    "category in capitals": (body(colour="RED"), 0, "colour", "category", "one of red, green"),
    "category a number": (body(colour=1), 0, "colour", "type", "text"),
    "text too long": (body(who="x" * 21), 0, "who", "length", "at most 20 characters"),
    "text a number": (body(who=14228), 0, "who", "type", "text"),
    "time without offset": (body(when="2013-05-01T12:00:00"), 0, "when", "timezone", "a time with an offset"),
    "no time": (body(when="tomorrow"), 0, "when", "timestamp", "an ISO 8601 time"),
    "impossible date": (body(when="2013-02-30T12:00:00Z"), 0, "when", "timestamp", "an ISO 8601 time"),
    "seconds for a time": (body(when=1367409600), 0, "when", "type", "text"),
    "vector too short": (body(pixels=[1, 2]), 0, "pixels", "length", "3 elements"),
    "vector too long": (body(pixels=[1, 2, 3, 4]), 0, "pixels", "length", "3 elements"),
    "vector a text": (body(pixels="123"), 0, "pixels", "type", "a list of 3 numbers"),
    "vector of text": (body(pixels=[1, "2", 3]), 0, "pixels", "type", "a number"),
    "vector nested": (body(pixels=[[1], [2], [3]]), 0, "pixels", "type", "a number"),
    "vector with null": (body(pixels=[1, None, 3]), 0, "pixels", "type", "a number"),
    "vector with NaN": (raw("pixels", "[1, NaN, 3]"), 0, "pixels", "finite", "a finite number"),
    "vector out of range": (body(pixels=[1, 2, 17]), 0, "pixels", "range", "a value from 0.0 to 16.0"),
}


@pytest.fixture
def client(harness: Callable[..., Harness], serve: Start) -> httpx.Client:
    return serve(harness(spec=ServingSpec(max_body_bytes=300_000)).runtime)


def test_every_kind_of_bad_input_is_refused_in_words(client: httpx.Client) -> None:
    """Each kind gets 400 with the row, the field, the rule and what was expected; the next request is answered."""
    for kind, (content, row, field, rule, expected) in KINDS.items():
        answer = client.post("/predict", content=content)
        assert answer.status_code == 400, kind
        first = answer.json()["violations"][0]
        assert (first["row"], first["field"], first["rule"]) == (row, field, rule), (kind, first)
        assert expected in first["expected"], kind
        assert answer.json()["error"], kind
        assert answer.headers["x-model-version"] == "abababababab", kind
    assert client.post("/predict", content=GOOD).json()["predictions"] == [2.5]


def test_all_violations_of_all_rows_are_listed(client: httpx.Client) -> None:
    """A caller can repair everything at once."""
    rows = [ROW | {"amount": -1, "colour": "blue"}, ROW, ROW | {"count": "3", "extra": 1}]
    answer = client.post("/predict", json={"rows": rows})
    assert [(one["row"], one["field"]) for one in answer.json()["violations"]] == [
        (0, "amount"),
        (0, "colour"),
        (2, "count"),
        (2, "extra"),
    ]
    assert answer.json()["error"] == "4 violations of the schema"


def test_a_hostile_body_gets_a_bounded_answer(client: httpx.Client) -> None:
    """Twenty thousand extra fields are counted, not all repeated."""
    row = ROW | {f"x{number}": 1 for number in range(20_000)}
    answer = client.post("/predict", json={"rows": [row]})
    assert answer.status_code == 400
    assert len(answer.json()["violations"]) == 1000
    assert answer.json()["violations_left_out"] == 19_000


def test_a_personal_value_is_not_repeated(client: httpx.Client) -> None:
    """What a person sent in a personal field comes back in no error."""
    answer = client.post("/predict", content=body(who="Ms Example of Example Street"))
    assert answer.json()["violations"][0]["got"] == "a personal value"
    assert "Example Street" not in answer.text


def test_a_body_over_the_limit_is_refused_by_size(client: httpx.Client) -> None:
    """The limit of model.yaml holds without a gateway, and for a body that does not say its length."""
    too_large = b" " * 300_001

    def stream() -> Iterator[bytes]:
        for _ in range(301):
            yield b" " * 1000

    for content in (too_large, stream()):
        answer = client.post("/predict", content=content)
        assert answer.status_code == 413
        assert answer.json()["error"] == "the body is larger than 300000 bytes"


@pytest.mark.parametrize(
    ("headers", "field", "rule"),
    [
        ({"x-unit-id": "x" * 201}, "x-unit-id", "unit_id"),
        ({"x-event-time": "yesterday"}, "x-event-time", "timestamp"),
        ({"x-event-time": "2013-05-01T12:00:00"}, "x-event-time", "timestamp"),
        ({"x-event-time": "0001-01-01T00:00:00+23:59"}, "x-event-time", "timestamp"),
    ],
)
def test_a_bad_header_is_refused_by_name(client: httpx.Client, headers: dict[str, str], field: str, rule: str) -> None:
    """Headers that decide something are validated as the body is."""
    answer = client.post("/predict", content=GOOD, headers=headers)
    assert answer.status_code == 400
    assert [(one["field"], one["rule"]) for one in answer.json()["violations"]] == [(field, rule)]


def test_two_different_unit_ids_are_refused(client: httpx.Client) -> None:
    """The gateway routed by the header; a body that says otherwise would be logged under the wrong unit."""
    document = {"rows": [ROW], "unit_id": "a"}
    answer = client.post("/predict", json=document, headers={"x-unit-id": "b"})
    assert answer.json()["violations"][0]["rule"] == "differs"
    assert client.post("/predict", json=document, headers={"x-unit-id": "a"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("PUT", "/predict", 405), ("GET", "/nowhere", 404), ("POST", "/v2/health/live", 405)],
)
def test_a_wrong_method_or_path_is_no_error_of_the_slot(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    """What the contract does not know is 404 or 405."""
    assert client.request(method, path).status_code == status
