"""The runtime decides who answers: the model, a constant or nobody; and counts it the same way each time."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from shipway.contract.metrics import PREDICTION_BINS, Outcome
from shipway.contract.serving import FallbackSource, ServingSpec
from shipway.serving.requests import Asked
from shipway.serving.runtime import Overloaded, Unanswered
from shipway.serving.units import RolloutStep
from tests.shipway.serving.doubles import READ, ROW, Harness, Stored, StubModel, StubStore

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
CONSTANT = ServingSpec(timeout_seconds=0.2, fallback=(FallbackSource.CONSTANT,), fallback_constant=0.25)
UNIT_BINS = "shipway_unit_prediction_bin_total"
Make = Callable[..., Harness]


def asked(rows: int = 1, *, at: RolloutStep | None = None, key: str = "unit-1") -> Asked:
    many = [dict(ROW) for _ in range(rows)]
    return Asked(rows=many, unit_id="unit-1", event_time=NOW, routing_key=key, rollout_step=at)


def raises(_: object) -> object:
    raise KeyError("a personal value")


def test_the_model_answers_and_is_counted(harness: Make) -> None:
    """Each row gets a prediction and an id of its own; the bin and the time are counted."""
    one = harness()
    answer, outcome = asyncio.run(one.runtime.answer(asked(3)))
    assert (answer.predictions, answer.source, outcome) == ([2.5, 2.5, 2.5], "model", Outcome.OK)
    assert len(set(answer.prediction_ids)) == 3
    assert one.value("shipway_prediction_bin_total", bin="2") == 3
    assert one.value("shipway_inference_seconds_count") == 1


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_exists_at_zero_from_the_start(harness: Make, outcome: Outcome) -> None:
    """A counter that first appears with 1 is not seen by a rate."""
    assert harness().value("shipway_requests_total", outcome=str(outcome)) == 0


@pytest.mark.parametrize(
    ("does", "outcome", "cause"),
    [
        (raises, Outcome.ERROR, "the model raised KeyError"),
        (lambda rows: [float("nan")], Outcome.INVALID_OUTPUT, "a number that is not finite"),
        (lambda rows: [float("inf")], Outcome.INVALID_OUTPUT, "a number that is not finite"),
        (lambda rows: [1.0, 2.0], Outcome.INVALID_OUTPUT, r"shape \(2,\), expected \(1,\)"),
        (lambda rows: [[1.0]], Outcome.INVALID_OUTPUT, r"shape \(1, 1\), expected \(1,\)"),
        (lambda rows: 1.0, Outcome.INVALID_OUTPUT, r"shape \(\), expected \(1,\)"),
        (lambda rows: None, Outcome.INVALID_OUTPUT, r"shape \(\), expected \(1,\)"),
        (lambda rows: ["high"], Outcome.INVALID_OUTPUT, "returned list, expected 1 numbers"),
        (lambda rows: {"a": 1}, Outcome.INVALID_OUTPUT, "returned dict, expected 1 numbers"),
    ],
)
def test_a_failing_model_is_replaced_by_the_declared_constant_or_by_nobody(
    harness: Make, does: Callable[..., Any], outcome: Outcome, cause: str
) -> None:
    """With a constant the answer says so and is counted; without one the caller learns the cause."""
    one = harness(StubModel(does), CONSTANT)
    answer, found = asyncio.run(one.runtime.answer(asked()))
    assert (answer.predictions, answer.source, found) == ([0.25], "constant", outcome)
    assert one.value("shipway_fallbacks_total", source="constant") == 1
    with pytest.raises(Unanswered, match=cause) as refused:
        asyncio.run(harness(StubModel(does)).runtime.answer(asked()))
    assert refused.value.outcome is outcome


def test_a_slow_model_times_out_and_keeps_its_place(harness: Make) -> None:
    """A thread that hangs still counts against the limit: a timeout does not make room that is not there."""
    release = threading.Event()

    def hangs(rows: Any) -> Any:
        release.wait(10)
        return np.zeros(len(rows))

    one = harness(StubModel(hangs), ServingSpec(timeout_seconds=0.05, max_concurrency=2))

    async def scenario() -> None:
        for _ in range(2):
            with pytest.raises(Unanswered, match=r"longer than 0\.05 s"):
                await one.runtime.answer(asked())
        with pytest.raises(Overloaded):
            await one.runtime.answer(asked())
        release.set()
        async with asyncio.timeout(5):
            while True:
                try:
                    await one.runtime.answer(asked())
                    return
                except Overloaded:
                    await asyncio.sleep(0.005)

    asyncio.run(scenario())


def test_a_row_that_hangs_costs_its_neighbours_a_wait_and_no_answer(harness: Make) -> None:
    """Requests that come together share a call; the one that hangs times out alone, and no place is lost for good."""
    release, together = threading.Event(), list[int]()

    def does(rows: Any) -> Any:
        together.append(len(rows))
        if any(row["amount"] == 7 for row in rows):
            release.wait(10)
        return [row["amount"] for row in rows]

    spec = CONSTANT.model_copy(update={"timeout_seconds": 2.0, "max_concurrency": 3})
    one = harness(StubModel(does), spec)

    async def run() -> None:
        rows = [{**ROW, "amount": amount} for amount in (1.0, 7.0, 2.0)]
        each = [asked()._replace(rows=[row]) for row in rows]
        first, hanging, last = await asyncio.gather(*map(one.runtime.answer, each))
        assert [(answer.predictions, answer.source) for answer, _ in (first, last)] == [
            ([1.0], "model"),
            ([2.0], "model"),
        ]
        assert (hanging[0].source, hanging[1]) == ("constant", Outcome.TIMEOUT)
        release.set()
        # Three places, and all of them are free again.
        async with asyncio.timeout(10):
            while one.runtime._busy:
                await asyncio.sleep(0.001)
            answers = await asyncio.gather(*(one.runtime.answer(asked()) for _ in range(3)))
        assert [answer.source for answer, _ in answers] == ["model"] * 3

    asyncio.run(run())
    assert together[0] == 3


def test_entities_that_raise_are_the_models_fault(harness: Make) -> None:
    """`entities` is the service's own code: its error takes the same way as the model's, and frees its place."""
    model = StubModel()
    model.entities = raises  # type: ignore[method-assign]
    one = harness(model, ServingSpec(max_concurrency=1), StubStore())
    for _ in range(3):
        with pytest.raises(Unanswered, match="the model raised KeyError"):
            asyncio.run(one.runtime.answer(asked()))


def test_a_fresh_feature_reaches_the_model(harness: Make) -> None:
    """The model sees the stored value under the name of model.yaml, and its age is counted."""
    model = StubModel()
    store = StubStore({READ.name: Stored(3.5, NOW - timedelta(minutes=10))})
    one = harness(model, store=store)
    asyncio.run(one.runtime.answer(asked()))
    assert model.rows[0][READ.name] == 3.5
    assert one.value("shipway_feature_age_seconds_sum", feature=READ.name) == 600
    assert one.value("shipway_feature_missing_total", feature=READ.name) == 0


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {READ.name: Stored(None, NOW)},
        {READ.name: Stored(3.5, None)},
        {READ.name: Stored(float("nan"), NOW)},
        {READ.name: Stored(3.5, NOW - timedelta(seconds=3601))},
        {READ.name: Stored(3.5, NOW + timedelta(seconds=60))},
    ],
    ids=["unknown", "null", "no time", "NaN", "stale", "from the future"],
)
def test_what_is_not_fresh_is_the_declared_default_and_counted_once_a_request(
    harness: Make, stored: dict[str, Stored]
) -> None:
    """Age is measured against the event's own time; a value from after the event is knowledge of the future."""
    model = StubModel()
    one = harness(model, store=StubStore(stored))
    asyncio.run(one.runtime.answer(asked(rows=2)))
    assert [row[READ.name] for row in model.rows] == [READ.default] * 2
    assert one.value("shipway_feature_missing_total", feature=READ.name) == 1
    assert one.value("shipway_feature_missing_requests_total") == 1


def test_what_a_rollout_reads_exists_at_zero_from_the_start(harness: Make) -> None:
    """All twenty bins of both references are there, however few edges a reference has."""
    one = harness()
    assert one.value("shipway_units_total") == 0
    assert one.value("shipway_feature_missing_requests_total") == 0
    for reference in ("abababababab", "cdcdcdcdcdcd"):
        found = [one.value(UNIT_BINS, reference=reference, bin=str(number)) for number in range(PREDICTION_BINS)]
        assert found == [0] * PREDICTION_BINS


def test_a_unit_counts_once_a_step_and_its_first_prediction_once_a_rollout(harness: Make) -> None:
    """Of several rows the first counts, on live's edges too; a unit without a key is one of its own."""
    one = harness()

    async def scenario() -> None:
        for step_index, key in [(0, "a"), (0, "a"), (0, "b"), (1, "a"), (1, ""), (1, "")]:
            await one.runtime.answer(asked(2, at=RolloutStep(1, step_index), key=key))
        await one.runtime.answer(asked(key="c"))

    asyncio.run(scenario())
    assert one.value("shipway_units_total") == 5
    assert one.value(UNIT_BINS, reference="abababababab", bin="2") == 4
    assert one.value(UNIT_BINS, reference="cdcdcdcdcdcd", bin="1") == 4


def test_a_unit_without_a_prediction_counts_as_a_unit_until_it_gets_one(harness: Make) -> None:
    """A fallback's constant is no prediction; the first that the model makes for the unit is."""
    model = StubModel(raises)
    one = harness(model, CONSTANT)
    at = RolloutStep(1, 0)
    asyncio.run(one.runtime.answer(asked(at=at)))
    assert one.value("shipway_units_total") == 1
    assert one.value(UNIT_BINS, reference="abababababab", bin="2") == 0
    model.does = None
    asyncio.run(one.runtime.answer(asked(at=at)))
    assert one.value("shipway_units_total") == 1
    assert one.value(UNIT_BINS, reference="abababababab", bin="2") == 1


def test_a_store_that_raises_or_hangs_costs_the_declared_wait_at_most(harness: Make) -> None:
    """The request is answered with defaults; when every thread hangs, later requests do not wait at all."""
    release = threading.Event()

    def broken() -> None:
        raise OSError("disk")

    for does in (broken, lambda: release.wait(10)):
        model = StubModel()
        one = harness(model, store=StubStore(does=does))

        async def scenario(one: Harness = one) -> None:
            for _ in range(6):
                await one.runtime.answer(asked())

        asyncio.run(asyncio.wait_for(scenario(), 2))
        assert [row[READ.name] for row in model.rows] == [READ.default] * 6
        assert one.value("shipway_feature_missing_total", feature=READ.name) == 6
    release.set()


def test_a_burst_waits_for_a_healthy_store(harness: Make) -> None:
    """More requests at once than the store is read by: each gets its stored value, none a default."""
    model = StubModel()
    stored = {READ.name: Stored(3.5, NOW - timedelta(minutes=1))}
    one = harness(model, store=StubStore(stored, does=lambda: time.sleep(0.005)))

    async def scenario() -> None:
        await asyncio.gather(*(one.runtime.answer(asked()) for _ in range(12)))

    asyncio.run(scenario())
    assert [row[READ.name] for row in model.rows] == [3.5] * 12


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("not loaded yet"), r"\(ValueError: not loaded yet\)"),
        # Not of ours: where it was raised, and never its words.
        (ConnectionError("store.internal:6379, password hunter2"), r"\(ConnectionError at .*test_runtime\.py:\d+\)"),
        (
            AttributeError("'NoneType' object has no attribute 'predict'"),
            r"\(AttributeError at .*test_runtime\.py:\d+\)",
        ),
    ],
)
def test_the_slot_is_ready_only_after_a_warm_up_prediction(
    harness: Make, caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    """A model that cannot predict the schema's example never takes traffic; one that recovers does, whatever it was."""
    broken = threading.Event()
    broken.set()

    def does(rows: Any) -> Any:
        if broken.is_set():
            raise error
        return np.zeros(len(rows))

    one = harness(StubModel(does))

    async def scenario() -> None:
        await one.runtime.start()
        await asyncio.sleep(0.05)
        assert not one.runtime.ready
        broken.clear()
        async with asyncio.timeout(5):
            while not one.runtime.ready:
                await asyncio.sleep(0.01)

    asyncio.run(scenario())
