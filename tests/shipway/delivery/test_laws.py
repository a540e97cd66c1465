"""The whole machine, every reachable state times every event, with the three laws as invariants."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.evidence import (
    ABSOLUTE_GATES,
    RELATIVE_GATES,
    Gate,
    Judgement,
    Pause,
    QualityDrop,
    Sample,
    SlotCounts,
)
from shipway.contract.metrics import Slot
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.contract.rollout import Move
from shipway.contract.route import Phase, RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery import decide
from shipway.delivery.decide import Action, Readiness, Refusal, Step
from shipway.delivery.evidence.gate import NoEvidence, Rules, rejected
from shipway.delivery.judge import Judged, judge, under_way

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
RULES = RolloutSpec(
    steps_percent=(10, 50, 100),
    harm_budget_ratio=0.1,
    min_step_seconds=1,
    max_step_seconds=30,
    prepare_seconds=10,
    guard_seconds=10,
    manual_gate_before_percent=50,
)
JUDGED_BY = Rules.of_route(RULES, SloSpec())
WEIGHTS = {0, 10, 50}


def spec(blue: str, green: str) -> RouteSpec:
    """Returns the declared route with a digest in each slot."""
    return RouteSpec(
        model="m",
        owner="team",
        blue=SlotEndpoint(port=2000, digest=blue),
        green=SlotEndpoint(port=2001, digest=green),
        timeout_seconds=1.0,
        max_body_bytes=1,
        rollout=RULES,
    )


def counts(requests: int, errors: int = 0) -> SlotCounts:
    return SlotCounts(requests=requests, errors=errors)


DROP = QualityDrop(metric="auc", drop_ratio=0.1, limit_ratio=0.05)
LOOKS: dict[str, Sample | NoEvidence | None] = {
    "no scrape": None,
    "nothing": Sample(),
    "good": Sample(candidate=counts(3000), live=counts(3000)),
    "bad candidate": Sample(candidate=counts(100, 100), live=counts(1000)),
    "bad live": Sample(candidate=counts(1000), live=counts(100, 100)),
    "both bad": Sample(candidate=counts(100, 100), live=counts(100, 100)),
    "dropped": Sample(candidate=counts(3000), live=counts(3000), candidate_drop=DROP),
    "both dropped": Sample(candidate=counts(3000), live=counts(3000), candidate_drop=DROP, live_drop=DROP),
    "split": Sample(candidate=SlotCounts(requests=500, units=500), live=SlotCounts(requests=500, units=5)),
    "unreadable": NoEvidence(Judgement.ERROR, "it is there twice"),
    "silent": NoEvidence(Judgement.INCONCLUSIVE, "Prometheus does not answer"),
}
READY = {
    "all": Readiness({}),
    "no blue": Readiness({Slot.BLUE: "it is not up"}),
    "no green": Readiness({Slot.GREEN: "it is not up"}),
    "none": Readiness(dict.fromkeys(Slot, "it is not up")),
}
ELAPSED_SECONDS = (2.0, 40.0)


@dataclass(frozen=True)
class Event:
    """What happens to a model between two states."""

    kind: str
    ready: str = "all"
    look: str = ""
    elapsed_seconds: float = 0.0


EVENTS = (
    *(Event("look", "all", look, elapsed) for look, elapsed in product(LOOKS, ELAPSED_SECONDS)),
    *(Event("look", down, "good", elapsed) for down, elapsed in product(("no blue", "no green", "none"), (0.5, 3.0))),
    *(Event(kind, ready) for kind, ready in product(("promote", "promote --retry", "rollback"), READY)),
    Event("promote --fix-forward"),
    Event("approve"),
    Event("retry"),
    *(Event(f"declare {idle}") for idle in ("nothing", "b", "live", "previous")),
)


def idle_digest(name: str, state: RolloutState) -> str:
    """Returns the digest that a declaration puts into the idle slot."""
    other = {A: B, B: A}.get(state.live_digest, B)
    return {"nothing": "", "b": other, "live": state.live_digest, "previous": state.previous_digest, "c": C}[name]


def declared(state: RolloutState, idle: str) -> RouteSpec:
    """Returns a route whose live slot is what it is: Pulumi refuses every other."""
    slots = {state.live or Slot.BLUE: state.live_digest or A}
    slots[next(iter(slots)).other] = idle
    return spec(slots[Slot.BLUE], slots[Slot.GREEN])


@dataclass(frozen=True)
class World:
    """A state and what is declared in the idle slot."""

    state: RolloutState
    idle: str

    def key(self) -> tuple[object, ...]:
        """Returns what tells worlds apart here: exact but for the size of the evidence and of the times."""
        state, progress = self.state, self.state.progress
        seen: tuple[object, ...] = ()
        if progress is not None:
            failed = [one.gate for one in progress.evidence.guardrails if rejected(JUDGED_BY, one)]
            proved = any(gate in RELATIVE_GATES for gate in failed), any(gate in ABSOLUTE_GATES for gate in failed)
            bad_live = any(rejected(JUDGED_BY, one) for one in progress.evidence.live_slo)
            enough = progress.evidence.step_candidate_requests > 500
            late = progress.step_elapsed_seconds > 5
            paused = progress.paused, progress.approved[-1:], min(2, math.ceil(progress.unready_seconds))
            based = progress.slow_live_edge_seconds is not None
            seen = (progress.step_index, paused, proved, bad_live, enough, late, based)
        slots = (state.live, state.live_digest, state.candidate, state.candidate_digest, state.previous_digest)
        return (*slots, state.phase, state.weight_percent, frozenset(state.rejected_digests), self.idle, seen)


def happen(world: World, event: Event) -> tuple[World, Judged | Step | None]:
    """Returns the world after `event`, and what was decided; a refusal changes nothing."""
    state, ready = world.state, READY[event.ready]
    if event.kind.startswith("declare "):
        idle = idle_digest(event.kind.removeprefix("declare "), state)
        step = decide.observe(declared(state, idle), state, ready)
        return World(step.state, idle), step
    route = declared(state, world.idle)
    if event.kind == "look":
        if not under_way(state):
            return world, None
        judged = judge(route, state, ready, LOOKS[event.look], event.elapsed_seconds)
        progress = judged.step.state.progress
        if progress is not None and progress.slow_live_edge_seconds is None:
            # What the controller does as soon as live can be counted.
            fixed = progress.model_copy(update={"slow_live_edge_seconds": 0.3})
            after = judged.step.state.model_copy(update={"progress": fixed})
            judged = Judged(Step(after, judged.step.action, judged.sentence), judged.move, judged.verdicts, judged.used)
        return World(judged.step.state, world.idle), judged
    outcome: Step | Refusal
    match event.kind:
        case "promote":
            outcome = decide.promote(route, state, ready)
        case "promote --retry":
            outcome = decide.promote(route, state, ready, retry=True)
        case "promote --fix-forward":
            outcome = decide.promote(route, state, ready, fix_forward=True)
        case "rollback":
            outcome = decide.rollback(route, state, ready)
        case "approve":
            outcome = decide.approve(route, state)
        case _:
            outcome = decide.retry(route, state, state.candidate_digest or B)
    if isinstance(outcome, Refusal):
        assert outcome.sentence
        return world, None
    return World(outcome.state, world.idle), outcome


def shares(state: RolloutState) -> dict[Slot, int]:
    """Returns each slot's share of the traffic."""
    if state.live is None:
        return dict.fromkeys(Slot, 0)
    return {state.live: 100 - state.weight_percent, state.live.other: state.weight_percent}


def assert_laws(before: World, event: Event, after: World, done: Judged | Step | None) -> None:
    """The three laws, and what makes a state one that can be served."""
    old, new = before.state, after.state
    route, ready = declared(new, after.idle), READY[event.ready]
    said = f"{event} on {before.key()} led to {after.key()}"
    action = Action.NONE if done is None else done.step.action if isinstance(done, Judged) else done.action
    assert new.generation == old.generation + (action is not Action.NONE), said
    assert new.weight_percent in WEIGHTS, said
    assert (new.candidate is None) == (new.candidate_digest == ""), said
    assert new.candidate is not new.live, said
    for slot, share in shares(new).items():
        if share > shares(old)[slot]:
            # Traffic goes to what is ready and in place, and never to a digest that failed.
            assert not ready.problem(slot), said
            digest = route.endpoint(slot).digest
            assert digest, said
            assert digest not in new.rejected_digests, said
    if new.live is not old.live:
        assert new.live_digest == route.endpoint(new.live or Slot.BLUE).digest, said
        if action is Action.ROLLED_BACK:
            assert new.live_digest == old.previous_digest, said
    else:
        assert new.live_digest == old.live_digest, said
    if isinstance(done, Judged):
        assert_judged(old, event, new, done, said)


def assert_judged(old: RolloutState, event: Event, new: RolloutState, done: Judged, said: str) -> None:
    """What only evidence may do."""
    look = LOOKS[event.look]
    if done.step.action in (Action.ADVANCED, Action.PROMOTED):
        # Law 1 and 2: on evidence of both slots alone, one step at a time, when the harm fits the budget.
        assert isinstance(look, Sample), said
        assert look.candidate.requests, said
        assert look.live.requests, said
        verdicts = {verdict.gate: verdict.judgement for verdict in done.verdicts}
        assert verdicts[Gate.HARM_BUDGET] is Judgement.PASS, said
        assert Judgement.FAIL not in verdicts.values() or (old.progress and old.progress.approved), said
        steps = (*RULES.steps_percent,)
        following = steps[steps.index(old.weight_percent) + 1]
        assert following == (100 if done.step.action is Action.PROMOTED else new.weight_percent), said
    if event.look.endswith("dropped") and done.move is Move.ROLL_BACK and event.ready == "all":
        # What late labels say leads back after a promotion alone, and never to a version of which they say the same.
        assert old.candidate is None or done.step.sentence.find("accuracy_drop") < 0, said
        assert event.look == "dropped" or done.step.sentence.find("accuracy_drop") < 0, said
    if done.step.action is Action.STEPPING:
        assert (old.weight_percent, new.weight_percent) == (0, RULES.steps_percent[0]), said
    if done.move in (Move.HOLD, Move.PAUSE):
        assert shares(old) == shares(new), said
    if old.phase is Phase.PAUSED and old.progress and old.progress.paused is not None:
        assert done.move in (Move.HOLD, Move.ROLL_BACK, Move.FAIL), said
    if old.progress and old.progress.paused in (Pause.BOTH_SLOTS_BAD, Pause.LIVE_BAD) and event.ready == "none":
        assert shares(old) == shares(new), said


def begin() -> World:
    """Returns blue `a` live after its guard, and nothing in green."""
    return World(RolloutState(live=Slot.BLUE, live_digest=A), "")


@pytest.mark.timeout(600)
def test_every_reachable_state_keeps_the_laws() -> None:
    """From a live version, by every look, readiness, declaration and request, in all orders."""
    start = begin()
    reached, fresh = {start.key()}, deque([start])
    edges = 0
    phases: set[Phase] = set()
    while fresh:
        before = fresh.popleft()
        phases.add(before.state.phase)
        for event in EVENTS:
            after, done = happen(before, event)
            edges += 1
            assert_laws(before, event, after, done)
            if after.key() not in reached:
                reached.add(after.key())
                # One representative goes on; its counters start small, so that all looks stay strong.
                fresh.append(after)
    assert phases == set(Phase)
    assert edges > 20_000


def test_a_state_is_what_it_was_after_a_crash() -> None:
    """Every reachable state that is written to the route is read back as it was."""
    for world in walk(begin(), 400):
        assert RolloutState.model_validate_json(world.state.model_dump_json()) == world.state


def walk(world: World, steps: int) -> Iterator[World]:
    """Yields the worlds along a fixed walk through all events."""
    for number in range(steps):
        world, _ = happen(world, EVENTS[number * 7919 % len(EVENTS)])
        yield world


@given(st.lists(st.sampled_from((*EVENTS, Event("declare c"))), max_size=25))
@settings(max_examples=150, deadline=None)
def test_any_history_keeps_the_laws(history: list[Event]) -> None:
    """Whatever happens in whatever order, with all the evidence it leaves, the laws hold at each event."""
    world = begin()
    for event in history:
        after, done = happen(world, event)
        assert_laws(world, event, after, done)
        world = after


@given(st.lists(st.sampled_from(["no scrape", "nothing", "unreadable", "silent"]), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_missing_evidence_never_promotes(looks: list[str]) -> None:
    """However long nothing is learnt, the weight stays, and the deadline takes it back to nothing."""
    world, _ = happen(begin(), Event("declare b"))
    while world.state.phase is not Phase.STEPPING:
        world, _ = happen(world, Event("look", "all", "good", 0.5))
    for look in looks:
        world, _ = happen(world, Event("look", "all", look, 2.0))
        assert world.state.live is Slot.BLUE
        assert world.state.weight_percent in (0, RULES.steps_percent[0])


@pytest.mark.parametrize("promoted", [False, True])
def test_one_lost_probe_after_a_long_silence_takes_nobody_back(promoted: bool) -> None:
    """A look that comes seconds late and finds a slot unready is one observation: only the next one is a verdict."""
    world, _ = happen(begin(), Event("declare b"))
    while world.state.phase is not (Phase.GUARDING if promoted else Phase.STEPPING):
        world, _ = happen(world, Event("approve"))
        world, _ = happen(world, Event("look", "all", "good", 2.0))
    if promoted:
        world, _ = happen(world, Event("declare previous"))
    before = shares(world.state)
    late = Event("look", "no green", "nothing", 4.0)
    once, _ = happen(world, late)
    assert shares(once.state) == before
    again, done = happen(once, late)
    assert shares(again.state) == {Slot.BLUE: 100, Slot.GREEN: 0}
    assert isinstance(done, Judged)
    assert "bbbbbbbbbbbb in green is not ready: it is not up" in done.sentence
    recovered, _ = happen(once, Event("look", "all", "nothing", 0.5))
    assert shares(happen(recovered, late)[0].state) == before
