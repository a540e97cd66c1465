"""One run of one fault: the road every scenario walks, what it notes, and what holds in every run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.contract.release import short_digest
from shipway.contract.rollout import Look
from shipway.contract.route import Phase, RolloutState
from shipway.delivery.history import read_history
from tests.faults.load import Load
from tests.faults.machine import Entry, confirmed, judge_run, read_ledger
from tests.faults.recorder import Observed, Recorder
from tests.faults.rig import MODEL, Rig
from tests.shipway.delivery.stack import digest, wait_until

# A rollout as it is, but short. Prometheus takes up to ten seconds to notice a new target file.
ROLLOUT: dict[str, Any] = {
    "steps_percent": (5, 25, 50, 100),
    "harm_budget_ratio": 0.1,
    "min_step_seconds": 0.5,
    "max_step_seconds": 12.0,
    "prepare_seconds": 30.0,
    "guard_seconds": 3.0,
}
# The first version goes live under the absolute gate alone; its guard is no part of any fault.
FIRST: dict[str, Any] = ROLLOUT | {"guard_seconds": 0.2}
REQUESTS_PER_SECOND = 150.0
ENDED = frozenset({Phase.SETTLED, Phase.ROLLED_BACK, Phase.FAILED})
LIVE, CANDIDATE = "a", "b"


@dataclass
class Run:
    """What a scenario works with.

    Args:
        root: a folder of its own.
        seed: of everything that is left to chance.
        rollout: how the candidate earns its traffic.
        slo: the service level objective.
        notes: what a person wants to know of the run, printed with its result.
    """

    root: Path
    seed: int
    rollout: dict[str, Any] = field(default_factory=lambda: dict(ROLLOUT))
    slo: dict[str, Any] = field(default_factory=dict[str, Any])
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    marks: dict[str, float] = field(default_factory=dict[str, float])
    # Some faults take the gateway or a slot away: what they may cost is said by their own claims.
    expected_lost: bool = False
    # Some faults strike while a change is written but not confirmed: it is undone, and its number is used again.
    undoes: bool = False
    # Some faults end the delivery process; in all others its end is a failure, seen at once.
    delivery_may_end: bool = False

    def __post_init__(self) -> None:
        self.rig = Rig(self.root, self.seed)
        self.load: Load | None = None
        self.released = ""
        # What a scenario of one slot without a gateway hands to its claims.
        self.serving: Any = None
        self.recorder = Recorder(self.rig.layout.served_routes, MODEL)

    @property
    def state(self) -> RolloutState:
        """What is served now."""
        return self.rig.state()

    @property
    def entries(self) -> list[Entry]:
        """The ledger so far."""
        return read_ledger(self.rig.layout.ledger, MODEL)[0]

    @property
    def actions(self) -> list[str]:
        """The actions in the ledger so far, what is only noted left out of no list."""
        return [entry.action for entry in self.entries]

    @property
    def traffic(self) -> Load:
        """The load; a scenario without any never asks for it."""
        assert self.load is not None
        return self.load

    def state_or_none(self) -> RolloutState | None:
        """Returns what is served now; None while the file cannot be read."""
        try:
            return self.rig.state()
        except SpecError:
            return None

    @property
    def live_slot(self) -> Slot:
        """Where the live version is now."""
        live = self.state.live
        assert live is not None, "no version is live"
        return live

    def begin(self, per_second: float = REQUESTS_PER_SECOND, **behaviour: object) -> None:
        """Brings the stack up with one settled version in blue, under load."""
        self.rig.start_gateway()
        self.rig.start_prometheus()
        self.rig.slot(Slot.BLUE, LIVE, **behaviour).start()
        self.rig.declare(FIRST | {"harm_budget_ratio": self.rollout["harm_budget_ratio"]}, self.slo)
        self.rig.start_delivery()
        self.recorder.start()
        if per_second:
            self.load = Load(self.rig.ports.gateway, per_second, self.seed)
            # The file is there some milliseconds before the gateway has read it.
            wait_until(lambda: self.rig.stack.call().status == 200, "the first version is live", 20)
            self.load.start()
        self.until(lambda state: state.phase is Phase.SETTLED and state.live is Slot.BLUE, "settled", 40)

    def release(self, letter: str = CANDIDATE, *, crash: bool = False, start: bool = True, **behaviour: object) -> None:
        """Puts a version into the slot that is not live, starts it, and declares it."""
        process = self.rig.slot(self.live_slot.other, letter, **behaviour)
        if start:
            process.start(crash=crash)
        self.declare()
        self.released = process.digest
        self.mark("released")

    def declare(self, **changes: object) -> None:
        """Declares what the slots were given, under the rollout's rules."""
        self.rig.declare(self.rollout, self.slo, **changes)

    def mark(self, name: str) -> float:
        """Remembers this moment, once the record holds what is served at it, and returns it."""
        state = self.state_or_none()
        if state is not None and self.recorder.observed:
            wait_until(lambda: self.recorder.generation >= state.generation, "the record is up to date")
        self.marks[name] = time.monotonic()
        return self.marks[name]

    def until(
        self, condition: Callable[[RolloutState], object], what: str, timeout_seconds: float = 40
    ) -> RolloutState:
        """Returns the first served state that fulfils the condition."""
        found: list[RolloutState] = []

        def holds() -> bool:
            self.check_delivery()
            state = self.state
            if condition(state):
                found.append(state)
            return bool(found)

        wait_until(holds, what, timeout_seconds)
        return found[0]

    def check_delivery(self) -> None:
        """Fails the run when the delivery process has ended although no fault ended it."""
        process = self.rig.delivery
        if process is not None and process.poll() is not None and not self.delivery_may_end:
            lines = self.rig.delivery_log.splitlines() or ["it said nothing"]
            raise AssertionError(f"delivery ended with {process.returncode}: {lines[-1]}")

    def until_weight(self, weight_percent: int, timeout_seconds: float = 40) -> RolloutState:
        """Returns once the candidate has at least this share, or the rollout is over."""
        return self.until(
            lambda state: self._over(state) or state.phase is Phase.GUARDING or state.weight_percent >= weight_percent,
            f"the candidate has {weight_percent} %",
            timeout_seconds,
        )

    def until_ended(self, timeout_seconds: float = 60) -> RolloutState:
        """Returns the state in which the rollout ended."""
        state = self.until(self._over, "the rollout ended", timeout_seconds)
        self.mark("ended")
        return state

    def _over(self, state: RolloutState) -> bool:
        """Returns whether the rollout of what was released last is over; before it is seen, the one before it is."""
        known = self.released in (state.candidate_digest, state.live_digest, *state.rejected_digests)
        return known and state.phase in ENDED

    def wait_for_requests(self, count: int, timeout_seconds: float = 30) -> None:
        """Returns once so many requests have been answered."""
        wait_until(lambda: len(self.traffic.finished()) >= count, f"{count} requests are answered", timeout_seconds)

    def hold(self, seconds: float) -> None:
        """Watches what is served for a while; the load and the recorder go on."""
        # What must not happen can only be waited out.
        time.sleep(seconds)

    def live_is(self, letter: str) -> bool:
        """Returns whether the live version is the one of this letter."""
        return self.state.live_digest == digest(letter)

    def version(self, letter: str) -> str:
        """Returns what a slot calls the version of this letter."""
        return short_digest(digest(letter))

    def weights_since(self, mark: str) -> list[int]:
        """Returns the candidate's shares from a moment on, the one at that moment first."""
        return [one.state.weight_percent for one in self.recorder.since(self.marks[mark])]

    def observed_first(self, condition: Callable[[RolloutState], object]) -> Observed | None:
        """Returns the first observation that fulfils the condition."""
        return next((one for one in list(self.recorder.observed) if condition(one.state)), None)

    def history(self, rollout: int | None = None) -> list[Look]:
        """Returns the looks of a rollout, the last one unless it is named."""
        number = self.state.rollout if rollout is None else rollout
        return list(read_history(self.rig.layout.history, MODEL, number))

    def wait_for_ledger(self, action: str, timeout_seconds: float = 5) -> None:
        """Returns once the ledger holds an action."""
        wait_until(lambda: action in self.actions, f"the ledger tells {action}", timeout_seconds)

    def finish(self) -> list[str]:
        """Stops the load and the record, and returns what must not be in any run."""
        if self.rig.gateway is None:
            return []
        if self.load is not None:
            self.load.stop()
        if self.rig.delivery is not None and self.rig.delivery.poll() is None:
            # Every change reaches the ledger in the round in which it was made, or in the next.
            beat = self.rig.heartbeat_seconds()
            wait_until(lambda: self.rig.heartbeat_seconds() > beat, "delivery finishes a round", 20)
        self.recorder.stop()
        entries, problems = read_ledger(self.rig.layout.ledger, MODEL)
        observed = confirmed(self.recorder.observed) if self.undoes else self.recorder.observed
        problems += judge_run(observed, entries, self.rollout["steps_percent"])
        if self.load is not None:
            problems += self._lost(self.load)
            self.notes["requests"] = len(self.load.requests)
        return problems

    def _lost(self, load: Load) -> list[str]:
        unanswered = [one for one in load.requests.values() if not one.answered_at]
        problems = [f"{len(unanswered)} requests have no end: {unanswered[0].id}"] if unanswered else []
        failed = load.failed()
        self.notes["failed"] = len(failed)
        if failed and not self.expected_lost:
            first = failed[0]
            served = self.recorder.since(first.at)[0].state
            problems.append(
                f"{len(failed)} requests were lost, the first with status {first.status} {first.problem!r}, "
                f"{(first.answered_at - first.at) * 1000:.0f} ms after it was sent, {served.phase} at "
                f"{served.weight_percent} % of generation {served.generation}"
            )
        return problems


Check = Callable[[Run], list[str]]


@dataclass(frozen=True)
class Fault:
    """One fault of the design.

    Args:
        title: what is injected.
        inject: walks the road and injects it.
        must_happen: returns one sentence for each thing that did not.
    """

    title: str
    inject: Callable[[Run], None]
    must_happen: Check


def expect(claims: Mapping[str, object]) -> list[str]:
    """Returns the claims that do not hold."""
    return [claim for claim, holds in claims.items() if not holds]


def _served(run: Run) -> str:
    if run.rig.gateway is None:
        return ""
    state = run.state
    return f" (served: {state.phase}, {state.weight_percent} %, last {run.actions[-1:]})"


def carry_out(fault: Fault, root: Path, seed: int) -> tuple[list[str], dict[str, Any]]:
    """Returns what went wrong in one run, and its notes; every process it started has ended."""
    run = Run(root, seed)
    began = time.monotonic()
    try:
        fault.inject(run)
        # What holds in every run is read first: it ends the load, so that the counts stand still.
        problems = run.finish()
        problems += fault.must_happen(run)
    except AssertionError as error:
        problems = [f"{error}{_served(run)}"]
    finally:
        run.rig.end()
    run.notes["seconds"] = round(time.monotonic() - began, 1)
    return problems, run.notes
