"""The chain is asked in the order of model.yaml; who answers is marked and counted, and who cannot says why."""

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from shipway.bundle.store import ArtifactStore
from shipway.contract.metrics import Outcome
from shipway.contract.serving import FallbackSource, ServingSpec
from shipway.serving.dead_letters import read_dead_letters
from shipway.serving.previous import Previous
from shipway.serving.runtime import Unanswered
from tests.shipway.serving.doubles import DIGEST, ROW, Harness, StubModel
from tests.shipway.serving.echo import SERVICE, put_echo, write_routes
from tests.shipway.serving.test_last_answers import Clock
from tests.shipway.serving.test_runtime import asked

Make = Callable[..., Harness]
ALL = ServingSpec(
    timeout_seconds=0.2,
    fallback=(FallbackSource.PREVIOUS, FallbackSource.CACHED, FallbackSource.CONSTANT),
    fallback_constant=0.25,
    cached_max_age_seconds=60,
)
# The version before of the model that the harness serves.
BEFORE = "from echo.inputs import OFFSET, SCHEMA"
STUB = SERVICE.replace(
    BEFORE, "from echo.inputs import OFFSET\nfrom tests.shipway.serving.doubles import SCHEMA"
).replace("OBEYS", "False")


@pytest.fixture
def previous(tmp_path: Path) -> Previous:
    """The version before, which adds ten."""
    store, routes = ArtifactStore(tmp_path / "artifacts"), tmp_path / "rds.json"
    write_routes(routes, live=DIGEST, previous=put_echo(store, 10.0, service=STUB))
    return Previous("echo", DIGEST, routes, tmp_path / "artifacts", ALL)


def raises(_: Any) -> Any:
    raise RuntimeError("N14228")


def served(one: Harness) -> dict[str, float | None]:
    return {str(source): one.value("shipway_fallbacks_total", source=str(source)) for source in FallbackSource}


def ready(one: Harness) -> dict[str, float | None]:
    return {str(source): one.value("shipway_fallback_ready", source=str(source)) for source in FallbackSource}


def test_every_source_exists_at_zero_from_the_start(harness: Make) -> None:
    """Also those that the chain does not name; whether one could answer is known before it is needed."""
    assert served(harness()) == {"previous": 0, "cached": 0, "constant": 0}
    assert ready(harness(spec=ALL)) == {"previous": 0, "cached": 0, "constant": 1}
    assert ready(harness()) == {"previous": None, "cached": None, "constant": None}


def test_each_source_answers_where_the_one_before_it_cannot(harness: Make, previous: Previous) -> None:
    """The version before, then the last answer, then the constant; each is counted as itself."""
    model, clock = StubModel(), Clock()
    one = harness(model, ALL, previous=previous, clock=clock)

    async def answers() -> list[tuple[list[float], str, Outcome]]:
        found: list[tuple[list[float], str, Outcome]] = []

        async def ask(**changes: Any) -> None:
            request = asked()
            request.rows[0].update(changes)
            answer, outcome = await one.runtime.answer(request)
            found.append((answer.predictions, answer.source, outcome))

        await ask()
        assert ready(one) == {"previous": 0, "cached": 1, "constant": 1}
        model.does = raises
        await ask()
        await ask(amount=3.5)
        clock.now_seconds += 61
        await ask()
        await one.runtime._chain.follow()  # pyright: ignore[reportPrivateUsage]
        assert ready(one) == {"previous": 1, "cached": 1, "constant": 1}
        await ask()
        return found

    assert asyncio.run(answers()) == [
        ([2.5], "model", Outcome.OK),
        ([2.5], "cached", Outcome.ERROR),
        ([0.25], "constant", Outcome.ERROR),
        ([0.25], "constant", Outcome.ERROR),
        ([12.5], "previous", Outcome.ERROR),
    ]
    assert served(one) == {"previous": 1, "cached": 1, "constant": 2}
    assert not (one.folder / "dead-letters").exists()


def test_a_fallbacks_answer_is_not_remembered(harness: Make) -> None:
    """Only what the model itself said is repeated, or a constant would live on as a prediction."""
    model = StubModel(raises)
    spec = ServingSpec(
        fallback=(FallbackSource.CACHED, FallbackSource.CONSTANT), fallback_constant=0.25, cached_max_age_seconds=60
    )
    one = harness(model, spec)
    for _ in range(2):
        assert asyncio.run(one.runtime.answer(asked()))[0].source == "constant"


def test_the_answer_says_who_gave_it_and_how_old_it_is(
    harness: Make, serve: Callable[..., httpx.Client], previous: Previous
) -> None:
    """In the body, in the header, in the protocol's parameters and in the prediction log."""
    model, clock = StubModel(), Clock()
    one = harness(model, ALL, previous=None, clock=clock)
    client = serve(one.runtime)
    assert client.post("/predict", json={"rows": [ROW]}).json()["source"] == "model"
    model.does = raises
    clock.now_seconds += 30
    cached = client.post("/predict", json={"rows": [ROW]})
    assert (cached.status_code, cached.headers["x-served-by"]) == (200, "cached")
    assert {name: cached.json()[name] for name in ("source", "age_seconds")} == {"source": "cached", "age_seconds": 30}
    columns = {"datatype": "BYTES", "shape": [1]}
    kinds = {"amount": "FP64", "count": "INT64", "pixels": "FP64"}
    tensors = [
        {"name": name, **columns, "datatype": kinds.get(name, "BYTES"), "data": [value]} for name, value in ROW.items()
    ]
    tensors[-1] |= {"shape": [1, 3], "data": ROW["pixels"]}
    infer = client.post("/v2/models/stub/infer", json={"inputs": tensors}).json()
    assert infer["parameters"]["source"] == "cached"
    assert infer["parameters"]["age_seconds"] == 30
    previous.close()


def test_an_exhausted_chain_leaves_a_dead_letter(harness: Make) -> None:
    """Who was asked, why each had nothing, and the request with its personal values hashed; counted by outcome."""
    spec = ServingSpec(fallback=(FallbackSource.PREVIOUS, FallbackSource.CACHED), cached_max_age_seconds=60)
    one = harness(StubModel(raises), spec)
    assert one.value("shipway_dead_letters_total", outcome="error") == 0
    with pytest.raises(Unanswered, match="the model raised RuntimeError") as refused:
        asyncio.run(one.runtime.answer(asked(2)))
    asyncio.run(one.runtime.stop())
    ((letter,), torn) = read_dead_letters(one.folder)
    assert torn == 0
    assert letter["request_id"] == refused.value.request_id
    assert letter["chain"] == {
        "previous": "this slot was given none",
        "cached": "2 of 2 rows were not answered before",
    }
    assert (letter["outcome"], letter["cause"]) == ("error", "the model raised RuntimeError")
    assert letter["event_time"] == datetime(2013, 5, 1, 12, tzinfo=UTC).isoformat()
    assert (letter["version"], letter["slot"], letter["unit_id"]) == ("abababababab", "blue", "unit-1")
    assert letter["rows"][0] == ROW | {"who": letter["rows"][0]["who"]}
    assert letter["rows"][0]["who"].startswith("blake2:")
    assert "N14228" not in json.dumps(letter)
    assert one.value("shipway_dead_letters_total", outcome="error") == 1
    assert one.value("shipway_prediction_log_written_total", log="dead_letters") == 1


def test_the_version_before_is_gone_when_the_slot_has_stopped(harness: Make, previous: Previous) -> None:
    """Its code stays no longer than the slot."""
    one = harness(spec=ALL, previous=previous)
    previous.follow()
    assert [name for name in sys.modules if name.startswith("echo__")]
    asyncio.run(one.runtime.stop())
    assert not [name for name in sys.modules if name.startswith("echo__")]
