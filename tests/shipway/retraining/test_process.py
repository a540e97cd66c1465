"""The scheduler's rounds over a project on disk, with a clock and a starter of the test's own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import (
    HEARTBEAT_TIMESTAMP_SECONDS,
    RETRAINING_DUE_TIMESTAMP_SECONDS,
    RETRAINING_FAILED,
    Slot,
)
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.envoy.configuration import compose_routes
from shipway.delivery.served import ServedModel
from shipway.retraining.measures import Measures
from shipway.retraining.memory import Planned, load_memory, memory_path
from shipway.retraining.outcome import Outcome, Status, load_outcome, outcome_path, save_outcome
from shipway.retraining.process import Rounds
from shipway.retraining.run import lock_of
from tests.shipway.labels.logs import MODEL

NAME = "toy-model"


class World:
    """A project with one model, whose runs the test plays."""

    def __init__(self, root: Path) -> None:
        self.layout, self.now = LocalLayout(root, "local"), 1_000_000.0
        self.started: list[Planned] = []
        self.said: list[str] = []
        self.describe()
        self.rounds = self.scheduler()

    def describe(self, name: str = NAME, **retraining: Any) -> None:
        folder = self.layout.root / "services" / name.replace("-", "_")
        folder.mkdir(parents=True, exist_ok=True)
        rule = {"cool_down_seconds": 100, "first_retry_seconds": 10} | retraining
        (folder / "model.yaml").write_text(yaml.safe_dump(MODEL | {"name": name, "retraining": rule}))

    def scheduler(self) -> Rounds:
        """Returns a new scheduler, as after a crash of the one before."""
        return Rounds(self.layout, lambda _, run: self.started.append(run), self.said.append, lambda: self.now)

    def verdict(self, end: str = "2013-02-10T00:00:00+00:00", status: str = "drifted") -> None:
        path = self.layout.state / "drift" / NAME / "verdicts.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        window = {"name": "day", "start": "2013-02-09T00:00:00+00:00", "end": end}
        with path.open("a") as file:
            file.write(json.dumps({"window": window, "status": status, "kind": "input", "feature": "wind"}) + "\n")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Holds the lock of a run, as the run does."""
        with lock_of(self.layout, NAME):
            yield

    def ends(self, run: Planned, status: Status, as_of: str = "2013-02-11T00:00:00+00:00") -> None:
        """Writes the outcome of a run."""
        outcome = Outcome(
            run=run.run,
            model=NAME,
            environment="local",
            status=status,
            reason=run.reason,
            as_of=as_of,
            started="2020-01-01T00:00:00+00:00",
            finished="2020-01-01T00:01:00+00:00",
            sentence=f"it was {status}",
        )
        save_outcome(outcome_path(self.layout, NAME, run.run), outcome)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_verdict_starts_a_run_and_its_outcome_ends_it(world: World) -> None:
    """One verdict, one run, whose reason says what was found; after its success nothing more starts."""
    world.rounds.round()
    assert world.started == []
    world.verdict()
    world.rounds.round()
    [run] = world.started
    assert run.reason == "input drift in wind, day to 2013-02-10T00:00:00+00:00"
    with world.running():
        world.verdict("2013-02-10T12:00:00+00:00")
        assert world.rounds.round().models[NAME].running
    world.ends(run, Status.RELEASED)
    world.now += 1000
    reading = world.rounds.round().models[NAME]
    assert (reading.running, reading.failures) == (False, 0)
    assert world.started == [run]


@pytest.mark.parametrize("moment", ["before it was started", "while it runs", "after its outcome"])
def test_a_killed_scheduler_neither_repeats_nor_loses_a_run(world: World, moment: str) -> None:
    """Wherever it was killed, the next one goes on with the same run and the verdict counts once."""
    world.verdict()
    if moment == "before it was started":

        def killed(_: str, run: Planned) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Rounds(world.layout, killed, world.said.append, lambda: world.now).round()
        world.scheduler().round()
        [run] = world.started
        assert run.starts == 2
        return
    world.rounds.round()
    [run] = world.started
    if moment == "while it runs":
        with world.running():
            after = world.scheduler()
            assert after.round().models[NAME].running
            assert world.started == [run]
    world.ends(run, Status.RELEASED)
    world.now += 1000
    for rounds in (world.scheduler(), world.scheduler()):
        assert rounds.round().models[NAME].failures == 0
    assert world.started == [run]


def test_a_run_that_dies_without_a_word_is_started_again_and_then_given_up(world: World) -> None:
    """Three times, with the same number; then it is a failure with an alarm and a retry."""
    world.verdict()
    world.rounds.round()
    for _ in range(2):
        with world.running():
            world.rounds.round()
        world.rounds.round()
    assert [run.run for run in world.started] == [world.started[0].run] * 3
    with world.running():
        world.rounds.round()
    world.rounds.round()
    assert world.rounds.round().models[NAME].failures == 1
    outcome = load_outcome(outcome_path(world.layout, NAME, world.started[0].run))
    assert outcome is not None
    expected = f"it was started 3 times and ended without a word; its log is in {world.layout.logs}"
    assert outcome.sentence == expected


def test_a_run_that_is_still_loading_is_waited_for(world: World) -> None:
    """Its lock comes after Python has loaded; until then it is not started twice."""
    world.verdict()
    world.rounds.round()
    world.now += 30
    world.rounds.round()
    assert len(world.started) == 1
    world.now += 31
    world.rounds.round()
    assert len(world.started) == 2


def test_one_training_at_a_time(world: World) -> None:
    """Two models that want one at once get it one after the other."""
    world.describe(every_seconds=50)
    world.describe("toy-other", every_seconds=50)
    world.rounds.round()
    world.now += 50
    with world.running():
        world.rounds.round()
        assert world.started == []
    world.rounds.round()
    assert len(world.started) == 1
    world.rounds.round()
    assert len(world.started) == 1


def test_the_first_failure_is_an_alarm_and_its_retry_waits(world: World) -> None:
    """The metric is 1 at once; the retry comes after its time and carries the cause."""
    world.verdict()
    world.rounds.round()
    world.ends(world.started[0], Status.REFUSED)
    measures = Measures()
    measures.show(world.rounds.round())
    assert value(measures.registry, RETRAINING_FAILED) == 1
    assert any(line == f"{NAME}: refused: it was refused" for line in world.said)
    world.now += 9
    world.rounds.round()
    assert len(world.started) == 1
    world.now += 2
    world.rounds.round()
    assert world.started[1].reason == f"try 2: {world.started[0].reason}"


def value(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(name, {"model": NAME})


def test_a_schedule_that_is_missed_shows(world: World) -> None:
    """The due time is the schedule's and the run's longest time; without a success it does not move on."""
    world.describe(every_seconds=50, timeout_seconds=5)
    measures = Measures()
    measures.show(world.rounds.round())
    assert value(measures.registry, RETRAINING_DUE_TIMESTAMP_SECONDS) == world.now + 55
    begun = world.now
    world.now += 60
    world.rounds.round()
    world.ends(world.started[0], Status.FAILED)
    measures.show(world.rounds.round())
    assert value(measures.registry, RETRAINING_DUE_TIMESTAMP_SECONDS) == begun + 55
    assert measures.registry.get_sample_value(HEARTBEAT_TIMESTAMP_SECONDS, {"job": "retraining"}) == world.now


def test_a_run_by_hand_counts(world: World) -> None:
    """A person's success ends the alarm of the scheduler's failure."""
    world.verdict()
    world.rounds.round()
    world.ends(world.started[0], Status.FAILED)
    assert world.rounds.round().models[NAME].failures == 1
    world.ends(Planned(run="20990101T000000000000Z", reason="by hand", started_seconds=0), Status.PROPOSED)
    assert world.rounds.round().models[NAME].failures == 0


def test_a_model_whose_file_is_wrong_is_told_once_and_keeps_its_rule(world: World) -> None:
    """A typo does not stop the schedule of what was right before."""
    world.describe(every_seconds=50)
    world.rounds.round()
    world.describe(every_seconds="often")
    world.now += 50
    for _ in range(3):
        world.rounds.round()
    told = [line for line in world.said if "every_seconds" in line]
    assert len(told) == 1
    assert len(world.started) == 1


def test_a_damaged_memory_stops_its_model_and_says_so(world: World) -> None:
    """A guess could repeat a run: the person decides."""
    path = memory_path(world.layout, NAME)
    path.parent.mkdir(parents=True)
    path.write_text('{"offset": 3}')
    world.verdict()
    assert world.rounds.round().models == {}
    assert world.started == []
    assert str(path) in world.said[0]


def test_what_was_decided_is_on_disk_before_it_is_started(world: World) -> None:
    """The starter finds its own run in the memory, and the verdict is read."""
    seen: list[str] = []

    def start(model: str, run: Planned) -> None:
        memory = load_memory(memory_path(world.layout, model))
        assert memory.planned == run
        assert memory.drift.offset > 0
        seen.append(run.run)

    world.verdict()
    Rounds(world.layout, start, world.said.append, lambda: world.now).round()
    assert len(seen) == 1


def test_the_scheduler_imports_nothing_that_trains() -> None:
    """It stays small: no numpy, no pandas, no Arrow, no scikit-learn, no MLflow, no Feast."""
    heavy = ("bentoml", "feast", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn")
    code = f"import sys, shipway.retraining.process; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("phase", "candidate", "previous", "waits"),
    [
        (Phase.SETTLED, None, "", False),
        (Phase.ROLLED_BACK, None, "", False),
        (Phase.STEPPING, Slot.GREEN, "", True),
        (Phase.PREPARING, Slot.GREEN, "", True),
        (Phase.PAUSED, Slot.GREEN, "", True),
        (Phase.GUARDING, None, "sha256:" + "c" * 64, True),
        (Phase.GUARDING, None, "", False),
    ],
)
def test_a_rollout_is_waited_for(
    world: World, phase: Phase, candidate: Slot | None, previous: str, waits: bool
) -> None:
    """Nothing is trained while its result could not be released; the verdict waits, and is answered afterwards."""
    digest = "sha256:" + "a" * 64
    spec = RouteSpec(
        model=NAME,
        owner="t",
        blue=SlotEndpoint(port=1, digest=digest),
        green=SlotEndpoint(port=2, digest=""),
        timeout_seconds=1.0,
        max_body_bytes=1,
    )

    def serve(state: RolloutState) -> None:
        world.layout.served_routes.parent.mkdir(parents=True, exist_ok=True)
        world.layout.served_routes.write_text(compose_routes({NAME: ServedModel(spec, state)}).text)

    serve(
        RolloutState(
            live=Slot.BLUE,
            live_digest=digest,
            phase=phase,
            candidate=candidate,
            candidate_digest="sha256:" + "b" * 64 if candidate else "",
            previous_digest=previous,
        )
    )
    world.verdict()
    world.rounds.round()
    assert (world.started == []) == waits
    serve(RolloutState(live=Slot.BLUE, live_digest=digest))
    world.rounds.round()
    assert len(world.started) == 1
