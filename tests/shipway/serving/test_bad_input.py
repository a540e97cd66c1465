"""What bad input gets: every kind, its status and its words; the slot answers a good request after all of them."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from shipway.contract.serving import ServingSpec
from tests.shipway.serving.bad.kinds import BIG, GOOD, VERSION, body
from tests.shipway.serving.bad.table import KINDS, send
from tests.shipway.serving.doubles import ROW, Harness

Start = Callable[..., httpx.Client]


@pytest.fixture
def client(harness: Callable[..., Harness], serve: Start) -> httpx.Client:
    return serve(harness(spec=ServingSpec(max_body_bytes=BIG)).runtime)


def test_the_table_is_as_long_as_it_says() -> None:
    """At least five hundred kinds, no two of them the same request."""
    asked = {(kind.method, kind.path, kind.content, tuple(kind.headers)) for kind in KINDS.values()}
    assert len(KINDS) == len(asked) >= 500


def test_every_kind_of_bad_input_is_refused_in_words(client: httpx.Client) -> None:
    """Each gets its status, the row, field and rule of its first violation and what was expected; then a good one."""
    assert send(client, KINDS) == {}
    answer = client.post("/predict", content=GOOD)
    assert (answer.status_code, answer.json()["predictions"]) == (200, [2.5])
    assert answer.headers["x-model-version"] == VERSION


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


def test_two_different_unit_ids_are_refused(client: httpx.Client) -> None:
    """The gateway routed by the header; a body that says otherwise would be logged under the wrong unit."""
    document = {"rows": [ROW], "unit_id": "a"}
    answer = client.post("/predict", json=document, headers={"x-unit-id": "b"})
    assert answer.json()["violations"][0]["rule"] == "differs"
    assert client.post("/predict", json=document, headers={"x-unit-id": "a"}).status_code == 200
