"""One look of a cluster's job after the other, over a stand-in of its object store and a volume, killed anywhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.retrainer_settings import RetrainerSettings
from shipway.contract.retraining import RetrainingSpec
from shipway.retraining.checkout import Checkout
from shipway.retraining.memory import Memory, Planned
from shipway.retraining.outcome import Outcome, Status, outcome_path, save_outcome
from shipway.retraining.stored import StoredModel, parse_state
from shipway.retraining.waking import Wake
from tests.shipway.retraining.repositories import Remote
from tests.standins.object_store import ObjectStore

NAME = "toy-model"
STATE = f"workers/retraining/{NAME}/state.json"
BRANCH = f"retrain/{NAME}-onprem-0123456789ab"
DAY = "2013-02-10T00:00:00+00:00"


class World:
    """One model on a cluster, whose runs the test plays; each look is a new process with nothing in its memory."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store, self.now = store, 1_000_000.0
        self.remote = Remote(folder)
        self.volume = folder / "volume"
        self.volume.mkdir()
        self.layout = LocalLayout(self.volume, "onprem")
        self.rule = RetrainingSpec(cool_down_seconds=1000, first_retry_seconds=100, last_retry_seconds=1000)
        self.started: list[Planned] = []
        self.said: list[str] = []
        self.rolls_out = False
        self.play: Callable[[Path, Planned], str] = self.proposes

    def look(self) -> bool:
        settings = RetrainerSettings(
            environment="onprem",
            model=NAME,
            rule=self.rule,
            state="s3://bucket/workers",
            repository_url=self.remote.url,
            models_namespace="models",
            context="c",
        )
        stored = StoredModel(settings.state, NAME, self.rule, self.said.append)
        checkout = Checkout(self.volume / "project", self.remote.url, self.remote.token)
        wake = Wake(
            *(settings, stored, self.layout, checkout, self._run, lambda: self.rolls_out),
            self.said.append,
            lambda: self.now,
        )
        return wake.look()

    def _run(self, project: Path, planned: Planned) -> str:
        self.started.append(planned)
        return self.play(project, planned)

    def proposes(self, project: Path, planned: Planned) -> str:
        self.remote.commit(project, BRANCH)
        self.ends(planned, Status.PROPOSED, branch=BRANCH)
        return ""

    def refuses(self, _project: Path, planned: Planned) -> str:
        self.ends(planned, Status.REFUSED)
        return "its run ended with status 1: error"

    def ends(self, run: Planned, status: Status, as_of: str = "2013-02-11T00:00:00+00:00", branch: str = "") -> None:
        outcome = Outcome(
            run=run.run,
            model=NAME,
            environment="onprem",
            status=status,
            reason=run.reason,
            as_of=as_of,
            started="2020-01-01T00:00:00+00:00",
            finished="2020-01-01T00:01:00+00:00",
            sentence=f"it was {status}",
            version="4",
            branch=branch,
        )
        save_outcome(outcome_path(self.layout, NAME, run.run), outcome)

    def verdict(self, end: str = DAY, status: str = "drifted", *, accuracy: bool = False) -> None:
        window = {"name": "day", "start": "2013-02-09T00:00:00+00:00", "end": end}
        kind = {"metric": "auc"} if accuracy else {"kind": "input", "feature": "wind"}
        line = json.dumps({"window": window, "status": status, **kind}).encode() + b"\n"
        name = f"workers/{'labels' if accuracy else 'drift'}/{NAME}/{'quality' if accuracy else 'verdicts'}.jsonl"
        self.store.objects[name] = self.store.objects.get(name, b"") + line

    @property
    def memory(self) -> Memory:
        return parse_state(self.store.objects[STATE], STATE).memory


@pytest.fixture
def world(store: ObjectStore, tmp_path: Path) -> World:
    return World(store, tmp_path)


def test_where_nothing_is_due_nothing_is_cloned(world: World) -> None:
    """No verdict, no checkout; the reason is one line, and all is well."""
    assert world.look()
    assert (world.started, (world.volume / "project").exists()) == ([], False)
    assert world.said == [f"{NAME}: nothing is due: no verdict asks for a run"]
    assert world.memory.begun_seconds == world.now


@pytest.mark.parametrize("accuracy", [False, True])
def test_a_verdict_starts_one_run_whose_branch_is_pushed(world: World, accuracy: bool) -> None:
    """Several verdicts are one run; what the newest version knew of starts none, and neither does a second look."""
    for end in ("2013-02-09T00:00:00+00:00", DAY):
        world.verdict(end, "dropped" if accuracy else "drifted", accuracy=accuracy)
    assert world.look()
    [run] = world.started
    assert run.reason.endswith(f"day to {DAY}")
    assert world.remote.branches() == {"main", BRANCH}
    world.verdict("2013-02-10T12:00:00+00:00")
    world.now += 2000
    assert world.look()
    assert len(world.started) == 1
    [said] = [name for name in world.store.objects if name.startswith(f"workers/retraining/{NAME}/runs/")]
    assert json.loads(world.store.objects[said])["status"] == "proposed"


@pytest.mark.parametrize(("key", "accuracy"), [("on_drift", False), ("on_accuracy", True)])
def test_a_verdict_that_model_yaml_does_not_ask_for_starts_nothing(world: World, key: str, accuracy: bool) -> None:
    """Each kind has its own key."""
    world.rule = world.rule.model_copy(update={key: False})
    world.verdict(status="dropped" if accuracy else "drifted", accuracy=accuracy)
    assert world.look()
    assert world.started == []


def test_a_schedule_starts_a_run_and_a_cool_down_holds_a_verdict(world: World) -> None:
    """Both count from what is remembered, over processes that know nothing of each other."""
    world.rule = world.rule.model_copy(update={"every_seconds": 5000.0})
    world.look()
    world.now += 5000
    world.look()
    assert [run.reason for run in world.started] == ["every 5000 s"]
    world.verdict("2013-03-01T00:00:00+00:00")
    world.now += 999
    world.look()
    assert len(world.started) == 1
    assert "waits for the cool-down until 1970-01-12T" in world.said[-1]
    world.now += 1
    world.look()
    assert len(world.started) == 2


def test_a_rollout_is_waited_for(world: World) -> None:
    """Nothing is trained while its result could not be released; the verdict waits."""
    world.verdict()
    world.rolls_out = True
    assert world.look()
    assert world.started == []
    assert "waits for the end of a rollout" in world.said[-1]
    world.rolls_out = False
    world.look()
    assert len(world.started) == 1


def test_a_failure_is_remembered_and_tried_again_later(world: World) -> None:
    """The first one counts at once and ends the job badly; a look before the next try is well and says why it waits."""
    world.play = world.refuses
    world.verdict()
    assert not world.look()
    assert (world.memory.failures, world.memory.problem) == (1, "it was refused")
    assert world.remote.branches() == {"main"}
    assert world.look()
    assert "1 failed, the next try is at" in world.said[-1]
    world.now += 100
    world.play = world.proposes
    assert world.look()
    assert world.started[1].reason == f"try 2: {world.started[0].reason}"
    assert world.memory.failures == 0


class Killed(BaseException):
    """What ends a process wherever it is."""


def kill(*_: Any) -> Any:
    raise Killed


@pytest.mark.parametrize("moment", ["before it trains", "while it trains", "before its branch is pushed", "after it"])
def test_killed_anywhere_it_neither_repeats_nor_loses_a_run(
    world: World, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look goes on with the same run: one branch, one outcome, and what was trained is not trained again."""
    world.verdict()
    with monkeypatch.context() as patched:
        if moment == "before it trains":
            patched.setattr(Checkout, "make", kill)
        elif moment == "while it trains":
            world.play = kill
        elif moment == "before its branch is pushed":
            patched.setattr(Checkout, "push", kill)
        else:
            patched.setattr(StoredModel, "tell", kill)
        with pytest.raises(Killed):
            world.look()
    planned = world.memory.planned
    assert planned is not None
    world.play = world.proposes
    trained = len(world.started)
    assert world.look()
    assert len(world.started) == trained + (moment in ("before it trains", "while it trains"))
    assert {run.run for run in world.started} == {planned.run}
    assert world.remote.branches() == {"main", BRANCH}
    world.now += 5000
    assert world.look()
    assert world.memory.planned is None
    assert len([name for name in world.store.objects if "/runs/" in name]) == 1


def test_a_run_that_dies_without_a_word_is_given_up(world: World) -> None:
    """Started three times with the same number; then it is a failure with an alarm and a retry."""
    world.play = lambda project, planned: ""
    world.verdict()
    assert [world.look() for _ in range(4)] == [False] * 4
    assert len(world.started) == 3
    assert (world.memory.failures, world.memory.planned) == (1, None)
    assert world.memory.problem == "it was started 3 times and ended without a word"


def test_a_run_that_ends_by_itself_without_an_outcome_is_a_failure_at_once(world: World) -> None:
    """What it said last is the reason."""
    world.play = lambda project, planned: "its run ended with status 1: error: no model 'toy-model'"
    world.verdict()
    assert not world.look()
    assert world.memory.problem == "its run ended with status 1: error: no model 'toy-model'"


def test_a_repository_that_does_not_answer_is_a_failure_with_gits_words(world: World) -> None:
    """Nothing is trained; the next try clones again."""
    world.remote.take_away()
    world.verdict()
    assert not world.look()
    assert world.memory.problem.startswith(f"{world.remote.url}: git clone: fatal: ")
    assert (world.memory.failures, world.started) == (1, [])


def test_a_branch_that_is_refused_is_a_failure(world: World) -> None:
    """The version is registered and nobody was told: that is no success."""
    world.remote.refuse()
    world.verdict()
    assert not world.look()
    assert world.memory.problem.startswith("version 4 is registered, but its branch was not pushed: ")
    assert world.memory.failures == 1


def test_of_two_jobs_at_once_the_second_one_is_refused(world: World) -> None:
    """Its run counts for nothing: what the other one wrote stays."""
    other = b""

    def overtaken(project: Path, planned: Planned) -> str:
        nonlocal other
        memory = parse_state(world.store.objects[STATE], STATE)
        other = memory.model_copy(update={"rule": RetrainingSpec(cool_down_seconds=7)}).model_dump_json().encode()
        world.store.objects[STATE] = other
        return world.proposes(project, planned)

    world.play = overtaken
    world.verdict()
    with pytest.raises(FileExistsError, match="another process keeps it too"):
        world.look()
    assert world.store.objects[STATE] == other


def test_a_damaged_memory_stops_its_model_and_says_so(world: World) -> None:
    """A guess could repeat a run: the person decides."""
    world.store.objects[STATE] = b'{"rule": {}, "memory": {"offset": 3}}'
    world.verdict()
    with pytest.raises(SpecError, match=rf"s3://bucket/{STATE}: memory\.offset"):
        world.look()
    assert world.started == []


def test_what_outlives_the_checkout_is_on_the_volume(world: World) -> None:
    """Registry and bundles are where the last run left them, and the checkout is a new one."""
    seen: list[bool] = []

    def writes(project: Path, planned: Planned) -> str:
        mark, stale = project / ".shipway" / "onprem" / "registry", project / "stale"
        seen.append(mark.exists() and not stale.exists())
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        stale.touch()
        return world.refuses(project, planned)

    world.play = writes
    world.verdict()
    world.look()
    world.now += 5000
    world.look()
    assert seen == [False, True]
