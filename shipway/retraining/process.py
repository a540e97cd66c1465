"""The scheduler: every two seconds it reads what is new and starts what is due, one training at a time.

It trains nothing and imports nothing that trains: a run is a process of its own, which outlives this one's death and
is found again by its lock.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.metrics import RETRAINING_JOB
from shipway.contract.model import ModelSpec, load_model
from shipway.contract.periodic import PERIODIC
from shipway.contract.retraining import RetrainingSpec
from shipway.contract.route import read_rollout_states
from shipway.observability.worker import run_rounds
from shipway.retraining.measures import Measures, Reading, reading_of
from shipway.retraining.memory import Memory, Planned, load_memory, memory_path, save_memory
from shipway.retraining.outcome import load_outcome, outcome_path, save_outcome
from shipway.retraining.schedule import MOST_STARTS, given_up, needs_slot, started, took, wanted, with_verdicts
from shipway.retraining.verdicts import read_new

__all__ = ["Rounds", "Start", "serve"]

Start = Callable[[str, Planned], None]

# A run that was started takes a moment to hold its lock: Python has to load first.
_STARTING_SECONDS = 60.0


@dataclass
class _Model:
    path: Path
    changed_ns: int
    rule: RetrainingSpec
    memory: Memory


class Rounds:
    """Looks at every model, one round after the other.

    Args:
        layout: the stack.
        start: starts a run of a model; it returns at once.
        say: called with one sentence for each thing that happens.
        now: seconds since the epoch.
    """

    def __init__(self, layout: LocalLayout, start: Start, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._layout, self._start, self._say, self._now = layout, start, say, now
        self._models: dict[str, _Model] = {}
        self._wrong: dict[Path, str] = {}
        # When this process itself started a run: one of before must hold its lock already.
        self._started: dict[str, float] = {}

    def round(self) -> Reading:
        """Returns what is known after taking outcomes, reading verdicts and starting at most one run."""
        self._look()
        for model, known in self._models.items():
            self._take(model, known)
        busy = any(self._under_way(model, known) for model, known in self._models.items())
        for model, known in sorted(self._models.items(), key=lambda one: one[1].memory.last_started_seconds):
            if not busy:
                busy = self._begin(model, known)
        return Reading(
            self._now(), {model: reading_of(known.rule, known.memory) for model, known in self._models.items()}
        )

    def _look(self) -> None:
        """Reads each model.yaml that has changed; while one is wrong, what it said before holds."""
        found: set[str] = set()
        for folder in services(self._layout.root):
            path = folder / "model.yaml"
            try:
                changed = path.stat().st_mtime_ns
                known = next((one for one in self._models.values() if one.path == path), None)
                if known is None or known.changed_ns != changed:
                    self._read(path, changed, load_model(path))
            except (SpecError, OSError) as error:
                if self._wrong.get(path) != str(error):
                    self._say(f"{error}; its model is retrained as it said before, or not at all")
                self._wrong[path] = str(error)
            found |= {name for name, one in self._models.items() if one.path == path}
        for gone in self._models.keys() - found:
            del self._models[gone]

    def _read(self, path: Path, changed_ns: int, spec: ModelSpec) -> None:
        self._wrong.pop(path, None)
        memory = load_memory(memory_path(self._layout, spec.name))
        if not memory.begun_seconds:
            memory = memory.model_copy(update={"begun_seconds": self._now()})
            save_memory(memory_path(self._layout, spec.name), memory)
        self._models[spec.name] = _Model(path, changed_ns, spec.retraining, memory)

    def _take(self, model: str, known: _Model) -> None:
        """Takes outcomes and verdicts that are new; what was taken is remembered in the same write as its effect."""
        memory = known.memory
        runs = sorted((self._layout.retraining / model / "runs").glob("*.json"))
        for path in runs:
            if path.stem not in memory.taken and (outcome := load_outcome(path)) is not None:
                memory = took(known.rule, memory, outcome, self._now())
                self._say(f"{model}: {outcome.status}: {outcome.sentence}")
        names = {path.stem for path in runs}
        if any(run not in names for run in memory.taken):
            memory = memory.model_copy(update={"taken": tuple(run for run in memory.taken if run in names)})
        state = self._layout.state
        drift, place = read_new(state / "drift" / model / "verdicts.jsonl", memory.drift, accuracy=False, say=self._say)
        quality, other = read_new(
            state / "labels" / model / "quality.jsonl", memory.quality, accuracy=True, say=self._say
        )
        memory = with_verdicts(known.rule, memory, [*drift, *quality])
        self._remember(model, known, memory.model_copy(update={"drift": place, "quality": other}))

    def _begin(self, model: str, known: _Model) -> bool:
        """Starts a run of `model` where one is wanted, or where one that was decided on has ended without outcome."""
        planned, reason, now = known.memory.planned, "", self._now()
        if planned is None:
            reason = wanted(known.rule, known.memory, now)
            if not reason or self._rolls_out(model):
                return False
        elif planned.starts >= MOST_STARTS:
            said = f"it was started {planned.starts} times and ended without a word; its log is in {self._layout.logs}"
            outcome = given_up(planned, model, self._layout.environment, now, said)
            # The next round takes it.
            save_outcome(outcome_path(self._layout, model, planned.run), outcome)
            return False
        memory, planned = started(known.memory, reason, now)
        # First the memory: killed in between, the run is started by whoever reads it.
        self._remember(model, known, memory)
        self._start(model, planned)
        self._started[model] = now
        again = f", start {planned.starts}" if planned.starts > 1 else ""
        self._say(f"{model}: run {planned.run} started{again}: {planned.reason}")
        return True

    def _rolls_out(self, model: str) -> bool:
        """Returns whether a version of `model` is earning its traffic or is guarded: another one could not be released.

        Where the routes cannot be read the run finds out, and says why it failed.
        """
        try:
            state = read_rollout_states(self._layout.served_routes).get(model)
        except (SpecError, OSError):
            return False
        return state is not None and needs_slot(state)

    def _under_way(self, model: str, known: _Model) -> bool:
        """Returns whether somebody retrains `model` now: this scheduler's run, or a person's."""
        if self._locked(model):
            self._started.pop(model, None)
            return True
        # Not locked yet, or not any more; which of them, time tells.
        waited = self._now() - self._started.get(model, float("-inf"))
        return known.memory.planned is not None and waited < _STARTING_SECONDS

    def _locked(self, model: str) -> bool:
        path = self._layout.retraining / model / "lock"
        if not path.exists():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        return False

    def _remember(self, model: str, known: _Model, memory: Memory) -> None:
        if memory != known.memory:
            save_memory(memory_path(self._layout, model), memory)
            known.memory = memory


def start_run(layout: LocalLayout, children: dict[int, "subprocess.Popen[bytes]"], model: str, run: Planned) -> None:
    """Starts a run as a process with a session of its own and remembers it among `children`."""
    command = [sys.executable, "-m", "shipway.retraining", "run", "--root", str(layout.root)]
    command += ["--env", layout.environment, "--model", model, "--run", run.run, "--reason", run.reason]
    process = subprocess.Popen(command, cwd=layout.root, stdin=subprocess.DEVNULL, start_new_session=True)
    children[process.pid] = process


def serve(root: Path, environment: str) -> None:
    """Schedules the retrainings of a local stack until SIGTERM or SIGINT, which end a run under way; it starts again.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    ports = load_environment(root, environment).ports
    if ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: a cluster has CronJobs")
    layout, children = LocalLayout(root, environment), dict[int, "subprocess.Popen[bytes]"]()
    rounds = Rounds(layout, lambda model, run: start_run(layout, children, model, run), _say, time.time)

    def turn() -> Reading:
        reading = rounds.round()
        _reap(children)
        return reading

    try:
        run_rounds(Measures(), turn, PERIODIC[RETRAINING_JOB].every_seconds, ports.worker_metrics(RETRAINING_JOB))
    finally:
        _end(children)


def _reap(children: Mapping[int, "subprocess.Popen[bytes]"]) -> None:
    for process in children.values():
        process.poll()


def _end(children: Mapping[int, "subprocess.Popen[bytes]"]) -> None:
    """Ends the runs that this process started; what trains below them is bound to them."""
    for process in children.values():
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
