"""What the jobs of a cluster remember, as metrics."""

import json

import pytest

from shipway.contract.metrics import (
    HEARTBEAT_TIMESTAMP_SECONDS,
    RETRAINING_DUE_TIMESTAMP_SECONDS,
    RETRAINING_FAILED,
    RETRAINING_RUNNING,
)
from shipway.contract.retraining import RetrainingSpec
from shipway.objects.storage import ObjectStorage
from shipway.retraining.measures import Measures
from shipway.retraining.memory import Memory, Planned
from shipway.retraining.stored import StoredState
from shipway.retraining.watching import StoredRounds
from tests.standins.object_store import ObjectStore

RULE = RetrainingSpec(every_seconds=5000, timeout_seconds=50)


class World:
    """An object store and the worker that reads it."""

    def __init__(self, store: ObjectStore) -> None:
        self.store, self.now, self.said = store, 1_000.0, list[str]()
        storage = ObjectStorage("s3://bucket/workers/retraining")
        self.rounds, self.measures = StoredRounds(storage, self.said.append, lambda: self.now), Measures()

    def remember(self, model: str, **memory: object) -> None:
        state = StoredState(rule=RULE, memory=Memory.model_validate(memory))
        self.store.objects[f"workers/retraining/{model}/state.json"] = state.model_dump_json().encode()
        self.store.objects[f"workers/retraining/{model}/runs/1.json"] = b"{}"

    def round(self) -> None:
        self.measures.show(self.rounds.round())

    def value(self, name: str, model: str) -> float | None:
        return self.measures.registry.get_sample_value(name, {"model": model})

    @property
    def heartbeat(self) -> float | None:
        return self.measures.registry.get_sample_value(HEARTBEAT_TIMESTAMP_SECONDS, {"job": "retraining"})


@pytest.fixture
def world(store: ObjectStore) -> World:
    return World(store)


def test_each_models_state_is_shown_as_a_laptop_shows_it(world: World) -> None:
    """The same metrics, so the same alerts: the first failure is one."""
    world.remember("a", begun_seconds=100.0, failures=1)
    world.remember("b", begun_seconds=100.0, planned=Planned(run="1", reason="r", started_seconds=1.0))
    world.round()
    assert (world.value(RETRAINING_FAILED, "a"), world.value(RETRAINING_FAILED, "b")) == (1, 0)
    assert (world.value(RETRAINING_RUNNING, "a"), world.value(RETRAINING_RUNNING, "b")) == (0, 1)
    assert world.value(RETRAINING_DUE_TIMESTAMP_SECONDS, "a") == 100 + 5000 + 50
    assert world.heartbeat == 1000


def test_a_store_that_does_not_answer_is_silence_and_no_success(world: World) -> None:
    """What was known stays as it was, the heartbeat too; it is said once, and goes on when the store is back."""
    world.remember("a", failures=2)
    world.round()
    world.store.answers, world.now = False, 2000.0
    world.round()
    world.round()
    assert (world.value(RETRAINING_FAILED, "a"), world.heartbeat, len(world.said)) == (2, 1000, 1)
    world.store.answers = True
    world.round()
    assert world.heartbeat == 2000


def test_a_damaged_state_is_silence(world: World) -> None:
    """Nobody knows how that model does, so the worker may not say that all is well."""
    world.remember("a")
    world.round()
    world.store.objects["workers/retraining/a/state.json"] = json.dumps({"memory": {}}).encode()
    world.now = 2000.0
    world.round()
    assert world.heartbeat == 1000
    assert "workers/retraining/a/state.json: rule: got nothing" in world.said[0] or "rule" in world.said[0]


def test_what_was_never_read_is_no_reading(world: World) -> None:
    """Without a first look there is nothing to show: the process ends, and is started again."""
    world.store.answers = False
    with pytest.raises(OSError, match="SlowDown"):
        world.round()


def test_a_folder_without_a_state_is_passed_over(world: World) -> None:
    """It is there a moment before its state."""
    world.store.objects["workers/retraining/a/written-once"] = b""
    world.round()
    assert (world.value(RETRAINING_FAILED, "a"), world.heartbeat) == (None, 1000)
