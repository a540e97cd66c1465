"""One look of a cluster's job at its model: what is due, decided as on a laptop, then the run and what becomes of it.

The decision is written before the run begins, and what became of it after its branch is pushed. What lies between is on
the model's volume: killed at any moment, the next look starts the same run again, or only sends what it had made.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.retrainer_settings import RetrainerSettings
from shipway.retraining.checkout import Checkout
from shipway.retraining.memory import Memory, Planned
from shipway.retraining.outcome import Outcome, Status, load_outcome, outcome_path
from shipway.retraining.schedule import MOST_STARTS, given_up, started, took, waits_for, wanted
from shipway.retraining.stored import StoredModel

__all__ = ["Runner", "Wake"]


class Runner(Protocol):
    """Carries out a run in a checkout; returns why it ended without an outcome, empty where nobody can say."""

    def __call__(self, project: Path, planned: Planned) -> str: ...


@dataclass(frozen=True)
class Wake:
    """One look.

    Args:
        settings: whose, and by which rule.
        stored: what is remembered.
        layout: of the volume: registry, bundles and outcomes outlive the checkout that they were made in.
        checkout: of the project.
        run: carries out a run.
        rolls_out: whether a version of the model earns its traffic or is guarded now; another could not be released.
        say: called with one line for each thing that is done.
        now: seconds since the epoch.
    """

    settings: RetrainerSettings
    stored: StoredModel
    layout: LocalLayout
    checkout: Checkout
    run: Runner
    rolls_out: Callable[[], bool]
    say: Callable[[str], None]
    now: Callable[[], float]

    def look(self) -> bool:
        """Returns whether all is well: nothing is due, or the run did what it was asked.

        Raises:
            SpecError: when what is remembered is damaged.
            Fatal: when the object store would let another job write over it.
            OSError: when the object store does not answer, or another job has written since.
        """
        memory, model, rule = self.stored.read(), self.settings.model, self.settings.rule
        if not memory.begun_seconds:
            memory = memory.model_copy(update={"begun_seconds": self.now()})
        if memory.planned is None:
            reason = wanted(rule, memory, self.now())
            if waits := self._waits(memory, reason):
                self.stored.keep(memory)
                self.say(f"{model}: nothing is due: {waits}")
                return True
            outcome = None
        else:
            reason, outcome = "", self._made(memory.planned)
        if outcome is None:
            self.stored.check()
            memory, planned = started(memory, reason, self.now())
            # First the memory: killed in between, the next look starts it again.
            self.stored.keep(memory)
            self.say(f"{model}: run {planned.run} starts: {planned.reason}")
            outcome = self._carried_out(planned)
        return outcome is not None and self._ended(memory, outcome)

    def _waits(self, memory: Memory, reason: str) -> str:
        """Returns why nothing starts now, empty where something does."""
        if not reason:
            return waits_for(self.settings.rule, memory)
        return f"{reason} waits for the end of a rollout" if self.rolls_out() else ""

    def _made(self, planned: Planned) -> Outcome | None:
        """Returns the outcome of a run that an earlier look started, None where it has none and may start again."""
        found = load_outcome(outcome_path(self.layout, self.settings.model, planned.run))
        if found is not None or planned.starts < MOST_STARTS:
            return found
        return self._failed(planned, f"it was started {planned.starts} times and ended without a word")

    def _carried_out(self, planned: Planned) -> Outcome | None:
        """Returns the outcome of a run that is carried out now, None where it was ended before it had one."""
        try:
            self.checkout.make()
        except ShipwayError as error:
            return self._failed(planned, str(error))
        # What outlives the checkout.
        state = self.layout.state.parent
        state.mkdir(exist_ok=True)
        (self.checkout.folder / state.name).symlink_to(state)
        why = self.run(self.checkout.folder, planned)
        found = load_outcome(outcome_path(self.layout, self.settings.model, planned.run))
        if found is None and why:
            return self._failed(planned, why)
        if found is None:
            self.say(f"{self.settings.model}: run {planned.run} was ended before it had an outcome")
        return found

    def _ended(self, memory: Memory, outcome: Outcome) -> bool:
        """Sends what the run proposes, remembers what became of it, and returns whether that is what was asked."""
        if outcome.branch:
            outcome = self._pushed(outcome)
        self.stored.tell(outcome)
        memory = took(self.settings.rule, memory, outcome, self.now())
        # Of the runs before it none is asked about again.
        self.stored.keep(memory.model_copy(update={"taken": (outcome.run,)}))
        self.say(f"{self.settings.model}: {outcome.status}: {outcome.sentence}")
        return not outcome.failed

    def _pushed(self, outcome: Outcome) -> Outcome:
        try:
            sent = self.checkout.push(outcome.branch)
        except ShipwayError as error:
            said = f"version {outcome.version} is registered, but its branch was not pushed: {error}"
            return outcome.model_copy(update={"status": Status.FAILED, "sentence": said})
        if sent:
            return outcome
        return outcome.model_copy(update={"sentence": f"{outcome.sentence}; the repository had that branch already"})

    def _failed(self, planned: Planned, said: str) -> Outcome:
        return given_up(planned, self.settings.model, self.settings.environment, self.now(), said)
