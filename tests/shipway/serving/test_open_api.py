"""The OpenAPI document is true: what it allows is answered, what it forbids is refused, each answer is as it says."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shipway.serving.open_api import open_api
from tests.shipway.serving.doubles import ROW, SCHEMA, Harness

CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = open_api("stub", "abababababab", SCHEMA)
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
POSTS = [one for one in OPERATIONS if one.method.upper() == "POST"]
Make, Serve = Callable[..., Harness], Callable[..., httpx.Client]


@pytest.fixture
def client(harness: Make, serve: Serve) -> httpx.Client:
    return serve(harness().runtime)


def drive(
    client: httpx.Client, operation: Any, mode: GenerationMode, examples: int
) -> tuple[set[int], set[tuple[str, str]]]:
    """Sends what schemathesis makes of an operation, checks every answer against the document, and returns the answers'
    statuses and the fields and rules of all violations.
    """
    seen, refused = set[int](), list[tuple[str, str]]()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        answer = case.call(base_url=str(client.base_url), headers={"connection": "close"})
        case.validate_response(answer, checks=CONFORMS)
        seen.add(answer.status_code)
        refused.extend((one["field"], one["rule"]) for one in answer.json().get("violations", []))

    send()
    return seen, set(refused)


# What no schema can say: that two places agree, that a number has no point, that text can be printed.
UNSAID = {("unit_id", "differs"), ("unit_id", "unit_id"), ("x-unit-id", "unit_id"), ("count", "type")}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_what_the_document_allows_is_answered(client: httpx.Client, operation: Any) -> None:
    """Every valid request gets 200, save for what no schema can say; least can be said of how tensors fit together."""
    seen, refused = drive(client, operation, GenerationMode.POSITIVE, 25)
    assert seen <= {200, 400}
    assert refused <= UNSAID or operation.label.endswith("/infer")


@pytest.mark.parametrize("operation", POSTS, ids=lambda one: one.label)
def test_what_the_document_forbids_is_refused(client: httpx.Client, operation: Any) -> None:
    """Every invalid request is refused with its violations; the slot answers a good one afterwards."""
    seen, refused = drive(client, operation, GenerationMode.NEGATIVE, 60)
    assert seen <= {400, 413}
    assert refused
    assert client.post("/predict", json={"rows": [ROW]}).json()["predictions"] == [2.5]


def test_the_document_is_served_and_says_what_the_schema_says(client: httpx.Client) -> None:
    """Its rows are the schema's fields, with their limits; it is the same for whoever asks."""
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.json()) == (200, json.loads(json.dumps(DOCUMENT)))
    row = answer.json()["components"]["schemas"]["Row"]
    assert row["required"] == list(SCHEMA.names)
    assert row["properties"]["amount"] == {"type": "number", "minimum": 0, "maximum": 100, "examples": [1.0]}
    assert row["properties"]["colour"] == {"type": "string", "enum": ["red", "green"]}
    assert row["properties"]["who"] == {"type": ["string", "null"], "maxLength": 20}
    assert row["properties"]["pixels"]["items"] == {"type": "number", "minimum": 0, "maximum": 16}
