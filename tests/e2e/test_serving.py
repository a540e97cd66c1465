"""The runtime contract on real slots: hostile input, the version before, dead letters, draining, and nobody's name."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from shipway.bundle.store import ArtifactStore
from shipway.contract.release import short_digest
from shipway.contract.serving import FallbackSource, ServingRuntime, ServingSpec
from shipway.serving.dead_letters import read_dead_letters
from tests.e2e.slot_process import slot, value
from tests.shipway.serving.bad.kinds import BIG, GOOD
from tests.shipway.serving.bad.table import KINDS, send
from tests.shipway.serving.doubles import SCHEMA
from tests.shipway.serving.echo import INPUTS, put_echo, row, write_routes

pytestmark = pytest.mark.e2e

# What a caller may send that is no request at all.
GARBAGE: dict[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50,
    "half a request line": b"POST /predict",
    "no such version": b"POST /predict HTTP/9.9\r\nhost: a\r\n\r\n",
    "a header without end": b"POST /predict HTTP/1.1\r\nx: " + b"a" * 200_000,
    "ten thousand headers": b"POST /predict HTTP/1.1\r\n" + b"x: a\r\n" * 10_000,
    "a length that is none": b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: many\r\n\r\n",
    "a negative length": b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    "two lengths": b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "a length and chunks": (
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks that are none": b"POST /predict HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "a body that ends too soon": b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\n{",
    "a header in a header": b"POST /predict HTTP/1.1\r\nhost: a\r\nx-unit-id: a\nx-slot: b\r\n\r\n",
    "a NUL in a header": b"POST /predict HTTP/1.1\r\nhost: a\r\nx-unit-id: a\0b\r\n\r\n",
    "an upgrade": b"GET /predict HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "another server's": b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
}


def shout(port: int, content: bytes) -> bytes:
    """Sends bytes as they are and returns what comes back within a second, if anything does."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.settimeout(1)
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65_536)
        except OSError:
            return b""


@pytest.mark.parametrize("runtime", ServingRuntime)
def test_hostile_input_of_every_kind_leaves_a_slot_that_answers(tmp_path: Path, runtime: ServingRuntime) -> None:
    """The same table as in the tests of the application; then what is no HTTP; no label is made by a caller."""
    inputs = f"""
from shipway.contract.schema import Schema
OFFSET = 0.0
SCHEMA = Schema.model_validate_json({SCHEMA.model_dump_json()!r})
"""
    store = ArtifactStore(tmp_path / "artifacts")
    serving = ServingSpec(max_body_bytes=BIG, runtime=runtime)
    digest = put_echo(store, obeys=False, inputs=inputs, name="stub", serving=serving)
    log = tmp_path / "slot.log"
    with slot(store.path(digest), tmp_path, log=log) as (client, process):
        assert send(client, KINDS, short_digest(digest)) == {}
        port = client.base_url.port
        assert port is not None
        for name, content in GARBAGE.items():
            answer = shout(port, content)
            assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 404", b"HTTP/1.1 405"), name
        answer = client.post("/predict", content=GOOD)
        assert (answer.status_code, answer.json()["predictions"]) == (200, [2.5])
        assert process.poll() is None
        page = client.get("/metrics").text
    assert value(page, "shipway_requests_total", outcome="ok") == 1
    assert value(page, "shipway_requests_total", outcome="error") == 0
    assert (value(page, "shipway_requests_total", outcome="rejected_input") or 0) > 400
    for made in ("Lovelace", "other", "__proto__", "jndi", "nowhere"):
        assert f'"{made}' not in page.replace('field="other"', "")
    assert "Traceback" not in log.read_text(errors="replace")


NAME, MAIL, CARD = "Ada Lovelace", "ada.lovelace@example.com", 4111111111111111
SEEDS = (NAME, "Lovelace", MAIL, str(CARD))
# Free text that repeats no personal field: the schema allows it to be kept, and only in the prediction log.
ALLOWED = "the customer called about the invoice"


def personal(**changes: object) -> dict[str, object]:
    """Returns a row that names a person in every field that can."""
    note = f"{NAME} <{MAIL}> paid with {CARD}"
    return row(who=NAME, mail=MAIL, card=CARD, note=note) | changes


@pytest.fixture(params=ServingRuntime)
def served(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes], ArtifactStore]]:
    """A slot whose version before takes amounts up to fifty only, and answers what this one does not."""
    store, routes = ArtifactStore(tmp_path / "artifacts"), tmp_path / "rds.json"
    before = put_echo(store, 10.0, obeys=False, inputs=INPUTS.replace("maximum=100", "maximum=50"))
    serving = ServingSpec(timeout_seconds=1, fallback=(FallbackSource.PREVIOUS,), runtime=request.param)
    digest = put_echo(store, serving=serving)
    write_routes(routes, live=digest, previous=before)
    more = ("--served-routes", str(routes), "--artifacts", str(tmp_path / "artifacts"))
    with slot(store.path(digest), tmp_path, *more, log=tmp_path / "slot.log") as (client, process):
        limit = time.monotonic() + 30
        while value(client.get("/metrics").text, "shipway_fallback_ready", source="previous") != 1:
            assert time.monotonic() < limit, "the version before was not loaded within 30 s"
            time.sleep(0.05)
        yield client, process, store


def ask(client: httpx.Client, *rows: dict[str, object], **headers: str) -> httpx.Response:
    return client.post("/predict", json={"rows": rows}, headers=headers)


def test_a_slot_falls_back_drains_and_writes_nobodys_name(
    served: tuple[httpx.Client, subprocess.Popen[bytes], ArtifactStore], tmp_path: Path
) -> None:
    """Of all that a slot writes or shows (logs, pages, files) nothing holds a personal value, whatever went wrong."""
    client, process, _ = served
    for does in ("raise", "nan"):
        answer = ask(client, personal(does=does), **{"x-unit-id": f"user:{MAIL}"})
        assert (answer.status_code, answer.json()["predictions"], answer.json()["source"]) == (200, [12.5], "previous")
        assert answer.headers["x-served-by"] == "previous"
    assert ask(client, personal(note=ALLOWED), personal()).json()["source"] == "model"
    dead = ask(client, personal(does="raise", amount=80), **{"x-unit-id": MAIL})
    assert dead.status_code == 503
    refused = misplaced(client)
    pages = [client.get(path).text for path in ("/metrics", "/metrics/evidence", "/openapi.json", "/v2/models/echo")]
    assert value(pages[0], "shipway_fallbacks_total", source="previous") == 2
    assert value(pages[0], "shipway_dead_letters_total", outcome="error") == 1
    assert refused == 8
    process.send_signal(signal.SIGTERM)
    leaves(client, process)
    ((letter,), torn) = read_dead_letters(tmp_path / "predictions")
    assert (letter["request_id"], torn) == (dead.json()["request_id"], 0)
    assert letter["unit_id"] == letter["rows"][0]["mail"]
    assert letter["chain"]["previous"].endswith("does not take the request: amount breaks its rule range")
    written = [pq.read_table(path).to_pylist() for path in (tmp_path / "predictions").rglob("*.parquet")]
    texts = {"pages": "\n".join(pages), "records": json.dumps(written, default=str)}
    for path in (one for one in tmp_path.rglob("*") if one.is_file() and "artifacts" not in one.parts):
        texts[str(path)] = path.read_bytes().decode("latin-1")
    assert not {(seed, where) for where, text in texts.items() for seed in SEEDS if seed in text}
    # What the schema allows is kept, in the one place for it; and something was written everywhere that was looked at.
    assert [where for where, text in texts.items() if ALLOWED in text] == ["records"]
    for where in ("slot.log", "predictions/dead-letters/green.jsonl"):
        assert texts[str(tmp_path / where)]


def misplaced(client: httpx.Client) -> int:
    """Sends a person where none belongs; returns how many of the requests were refused."""
    answers = [
        ask(client, personal(amount=NAME)),
        ask(client, personal() | {NAME: 1}),
        ask(client, personal(who=CARD)),
        client.post("/predict", content=f'{{"rows": ["{NAME} {MAIL}"'.encode()),
        client.post("/v2/models/echo/infer", json={"inputs": [{"name": MAIL}]}),
        client.post("/feedback", json={"labels": [{"prediction_id": NAME, "label": 1, "event_time": MAIL}]}),
        client.get(f"/v2/models/{MAIL}"),
        client.get(f"/predict/{NAME}"),
    ]
    return sum(answer.status_code in (400, 404) for answer in answers)


def leaves(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Watches a slot that was told to stop: unready at once, it answers until it listens no more, and ends with 0."""
    answered = 0
    limit = time.monotonic() + 15
    while client.get("/readyz").status_code == 200:
        assert time.monotonic() < limit, "the slot was still ready 15 s after it was told to stop"
    while process.poll() is None:
        assert time.monotonic() < limit, "the slot did not end within 15 s"
        try:
            assert client.get("/readyz").status_code == 503
            answer = ask(client, row())
        except httpx.TransportError:
            continue
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        answered += 1
    assert answered > 10
    assert process.wait(20) == 0
