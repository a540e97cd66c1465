"""What evidence makes of a rollout under way: one look, one decision; pure.

`SETTLED -> PREPARING -> STEPPING(i) -> GUARDING -> SETTLED`, with `PAUSED` beside the two that judge, and `FAILED` and
`ROLLED_BACK` for a candidate that is done for. Verdicts are heard in the order readiness, guardrail, sample ratio,
missing evidence. A candidate without evidence is held, and rolled back at its deadline; it is never promoted.
"""

from dataclasses import dataclass

from shipway.contract.evidence import Judgement, Pause, Progress, Sample, Verdict
from shipway.contract.release import short_digest
from shipway.contract.rollout import Move
from shipway.contract.route import Phase, RolloutState, RouteSpec
from shipway.delivery import decide
from shipway.delivery.decide import Action, Readiness, Step
from shipway.delivery.evidence import gate, guard, steps
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.evidence.steps import Decision

__all__ = ["SCRAPE_SECONDS", "UNREADY_SECONDS", "Judged", "judge", "under_way"]

# For how long a slot that should serve may be unready before that is a verdict: one lost probe is none.
UNREADY_SECONDS = 2.0
# How long past its deadline a step may still wait for a scrape of both slots: the longest interval of scrapes.
SCRAPE_SECONDS = 60.0
_NO_SCRAPE = NoEvidence(Judgement.INCONCLUSIVE, "no scrape of both slots has come since the last look")


@dataclass(frozen=True)
class Judged:
    """What one look comes to.

    Args:
        step: the next state; with `Action.NONE` only its progress differs, which need not be written at once.
        move: what happened to the weight.
        verdicts: what every gate said, empty where none was asked.
        used: whether the look was taken in, so that its counters become the base of the next one.
        idle: whether no scrape came, so that there is nothing to tell.
    """

    step: Step
    move: Move
    verdicts: tuple[Verdict, ...] = ()
    used: bool = False
    idle: bool = False

    @property
    def sentence(self) -> str:
        """Why, or what it waits for."""
        return self.step.sentence


def under_way(state: RolloutState) -> bool:
    """Returns whether a rollout or a guard is to be judged."""
    return state.live is not None and state.progress is not None


def judge(
    spec: RouteSpec,
    state: RolloutState,
    ready: Readiness,
    look: Sample | NoEvidence | None,
    elapsed_seconds: float,
) -> Judged:
    """Returns what a look decides.

    Args:
        spec: what is declared.
        state: the rollout state after `decide.observe`; `under_way`.
        ready: which slots are ready now.
        look: what happened since the last one, why that is not known, or None when no new scrape came.
        elapsed_seconds: monotonic time since the last call for this model.
    """
    assert state.live is not None
    assert state.progress is not None
    if state.candidate is None:
        return _guard(spec, state, state.progress, ready, look, elapsed_seconds)
    if state.phase is Phase.PREPARING or (state.phase is Phase.PAUSED and state.weight_percent == 0):
        return _prepare(spec, state, state.progress, ready, look, elapsed_seconds)
    return _step(spec, state, state.progress, ready, look, elapsed_seconds)


def _prepare(
    spec: RouteSpec,
    state: RolloutState,
    progress: Progress,
    ready: Readiness,
    look: Sample | NoEvidence | None,
    elapsed_seconds: float,
) -> Judged:
    """Begins the first step on a look that could count both slots; what they did before it is no evidence."""
    assert state.candidate is not None
    name, slot, used = short_digest(state.candidate_digest), state.candidate, isinstance(look, Sample)
    if progress.paused:
        return _hold(state, progress, f"paused ({progress.paused}): waits for a person", used=used)
    progress = progress.changed(step_elapsed_seconds=progress.step_elapsed_seconds + elapsed_seconds)
    waits = ""
    if problem := ready.problem(slot):
        waits = f"{name} in {slot} is not ready: {problem}"
    elif not isinstance(look, Sample):
        why = f": {look.sentence}" if look else ""
        waits = f"{name} in {slot} is ready, but nothing can be counted of both slots yet{why}"
    if waits:
        deadline = spec.rollout.prepare_seconds
        if progress.step_elapsed_seconds >= deadline:
            failed = decide.rolled_back(state, Action.FAILED, f"not ready to serve within {deadline:g} s; {waits}")
            return Judged(failed, Move.FAIL, used=used)
        return _hold(state, progress, waits, used=used)
    first, gate = spec.rollout.steps_percent[0], spec.rollout.manual_gate_before_percent
    if gate is not None and first >= gate and Pause.MANUAL not in progress.approved:
        paused = progress.changed(paused=Pause.MANUAL)
        said = f"{name} in {slot} is ready; {first} % waits for `shipway approve`"
        waiting = decide.following(state, phase=Phase.PAUSED, progress=paused)
        return Judged(Step(waiting, Action.PAUSED, said), Move.PAUSE, used=used)
    begun = progress.changed(step_elapsed_seconds=0.0, unready_seconds=0.0, settling=True)
    changes = {"phase": Phase.STEPPING, "weight_percent": first, "progress": begun}
    said = f"{name} in {slot} is ready and takes the first {first} %"
    return Judged(Step(decide.following(state, **changes), Action.STEPPING, said), Move.ADVANCE, used=used)


def _step(
    spec: RouteSpec,
    state: RolloutState,
    progress: Progress,
    ready: Readiness,
    look: Sample | NoEvidence | None,
    elapsed_seconds: float,
) -> Judged:
    assert state.candidate is not None
    assert state.live is not None
    if problem := ready.problem(state.candidate):
        return _unready(state, progress, ready, problem, elapsed_seconds)
    progress = progress.changed(unready_seconds=0.0)
    goes_back = progress.paused is Pause.LIVE_BAD and not ready.problem(state.live)
    if look is None:
        progress = _waited(progress, elapsed_seconds, spec.rollout.max_step_seconds)
        late = progress.step_elapsed_seconds >= spec.rollout.max_step_seconds + SCRAPE_SECONDS
        if not goes_back and (progress.paused or not late):
            return _wait(state, progress)
        look, elapsed_seconds = _NO_SCRAPE, 0.0
    decision = steps.advance(decide.rules_of(spec), progress, look, elapsed_seconds)
    used = isinstance(look, Sample)
    if goes_back and decision.move is not Move.ROLL_BACK:
        # A deadline does not come again while the clock stands, and evidence may be weaker by now than when it proved.
        said = f"{state.live} is ready again, and this version was to go back to it"
        return Judged(decide.rolled_back(state, Action.ROLLED_BACK, said), Move.ROLL_BACK, decision.verdicts, used)
    match decision.move:
        case Move.ADVANCE:
            changes = {
                "phase": Phase.STEPPING,
                "weight_percent": decision.weight_percent,
                "progress": decision.progress,
            }
            said = f"{decision.weight_percent} % is earned: {decision.sentence}"
            step = Step(decide.following(state, **changes), Action.ADVANCED, said)
        case Move.PROMOTE:
            earned = state.model_copy(update={"progress": decision.progress})
            step = decide.promoted(spec, earned, ready, Action.PROMOTED, decision.sentence)
        case Move.ROLL_BACK:
            return _back(state, decision, ready, used=used)
        case Move.PAUSE:
            paused = decide.following(state, phase=Phase.PAUSED, progress=decision.progress)
            step = Step(paused, Action.PAUSED, decision.sentence)
        case _:
            return Judged(_none(state, decision.progress, decision.sentence), Move.HOLD, decision.verdicts, used)
    return Judged(step, decision.move, decision.verdicts, used)


def _unready_seconds(progress: Progress, elapsed_seconds: float) -> float:
    # On a machine that has much to do a look may come seconds after the one before, and still be one lost probe.
    return progress.unready_seconds + min(elapsed_seconds, UNREADY_SECONDS / 2)


def _unready(state: RolloutState, progress: Progress, ready: Readiness, problem: str, elapsed_seconds: float) -> Judged:
    """Holds a candidate that is not ready for a moment, then rolls it back to live, if live is ready itself."""
    assert state.candidate is not None
    assert state.live is not None
    unready = _unready_seconds(progress, elapsed_seconds)
    progress = _passed(progress, elapsed_seconds).changed(unready_seconds=unready)
    said = f"{short_digest(state.candidate_digest)} in {state.candidate} is not ready: {problem}"
    if unready < UNREADY_SECONDS:
        return _hold(state, progress, said)
    if ready.problem(state.live):
        return _freeze(state, progress, f"neither slot is ready: {said}", Pause.BOTH_SLOTS_BAD)
    return Judged(decide.rolled_back(state, Action.ROLLED_BACK, said), Move.ROLL_BACK)


def _back(state: RolloutState, decision: Decision, ready: Readiness, *, used: bool) -> Judged:
    """Rolls back to live, unless live is not ready: then the weights stay and a person decides."""
    assert state.live is not None
    if problem := ready.problem(state.live):
        said = f"live in {state.live} is not ready ({problem}), so it is no place to go back to; {decision.sentence}"
        frozen = _freeze(state, decision.progress, said, Pause.LIVE_BAD)
        return Judged(frozen.step, frozen.move, decision.verdicts, used)
    step = decide.rolled_back(state, Action.ROLLED_BACK, decision.sentence)
    return Judged(step, Move.ROLL_BACK, decision.verdicts, used)


def _guard(
    spec: RouteSpec,
    state: RolloutState,
    progress: Progress,
    ready: Readiness,
    look: Sample | NoEvidence | None,
    elapsed_seconds: float,
) -> Judged:
    assert state.live is not None
    problem = ready.problem(state.live)
    control_problem = ready.problem(state.live.other) if state.weight_percent else ""
    unready = _unready_seconds(progress, elapsed_seconds) if problem or control_problem else 0.0
    progress = progress.changed(unready_seconds=unready)
    if unready >= UNREADY_SECONDS and not problem:
        return _end_holdback(state, _passed(progress, elapsed_seconds), control_problem)
    # Fewer than that are a control's: what one lost probe of each comes to is no reason to leave.
    if unready >= UNREADY_SECONDS * (2 if state.weight_percent else 1):
        said = f"{short_digest(state.live_digest)} in {state.live} is not ready: {problem}"
        left = _leave(spec, state, _passed(progress, elapsed_seconds), ready, said, (), used=False)
        # A version that was proved bad is no place to go back to, for as long as a person thinks about it.
        proved_bad = gate.live_bad(decide.rules_of(spec), progress.evidence)
        if state.phase is not Phase.PAUSED or (left.move is Move.ROLL_BACK and not proved_bad):
            return left
    if look is None:
        return _wait(state, _passed(progress, elapsed_seconds))
    decision = guard.watch(decide.rules_of(spec), progress, look, elapsed_seconds)
    used = isinstance(look, Sample)
    if decision.move is Move.ROLL_BACK:
        return _leave(spec, state, decision.progress, ready, decision.sentence, decision.verdicts, used=used)
    if decision.move is Move.PAUSE:
        paused = decide.following(state, phase=Phase.PAUSED, progress=decision.progress)
        return Judged(Step(paused, Action.PAUSED, decision.sentence), Move.PAUSE, decision.verdicts, used)
    if decision.move is Move.SETTLE and state.phase is not Phase.PAUSED:
        changes = {"phase": Phase.SETTLED, "progress": None, "weight_percent": 0}
        settled = Step(decide.following(state, **changes), Action.SETTLED, decision.sentence)
        return Judged(settled, Move.SETTLE, decision.verdicts, used)
    return Judged(_none(state, decision.progress, decision.sentence), Move.HOLD, decision.verdicts, used)


def _end_holdback(state: RolloutState, progress: Progress, problem: str) -> Judged:
    """Takes the share that was held back from a version that is down; the guard goes on without a control."""
    assert state.live is not None
    control = short_digest(state.previous_digest)
    said = f"{control} in {state.live.other} is not ready, so it keeps no share any more: {problem}"
    changes = {"weight_percent": 0, "progress": progress.changed(unready_seconds=0.0)}
    return Judged(Step(decide.following(state, **changes), Action.HOLDBACK_ENDED, said), Move.ADVANCE)


def _leave(
    spec: RouteSpec,
    state: RolloutState,
    progress: Progress,
    ready: Readiness,
    why: str,
    verdicts: tuple[Verdict, ...],
    *,
    used: bool,
) -> Judged:
    """Leaves a promoted version that failed, for the one before it; with nowhere to go the weights stay."""
    back = decide.to_previous(spec, state, ready, why)
    if isinstance(back, Step):
        return Judged(back, Move.ROLL_BACK, verdicts, used)
    frozen = _freeze(state, progress, f"{why}; {back.sentence}", Pause.BOTH_SLOTS_BAD)
    return Judged(frozen.step, frozen.move, verdicts, used)


def _freeze(state: RolloutState, progress: Progress, said: str, pause: Pause) -> Judged:
    if progress.paused or pause in progress.approved:
        return _hold(state, progress, f"the weights stay: {said}")
    paused = progress.changed(paused=pause)
    step = Step(
        decide.following(state, phase=Phase.PAUSED, progress=paused), Action.PAUSED, f"the weights stay: {said}"
    )
    return Judged(step, Move.PAUSE)


def _passed(progress: Progress, elapsed_seconds: float) -> Progress:
    """Returns the progress after time that brought nothing; a person's thinking time is not the step's."""
    elapsed = 0.0 if progress.paused else elapsed_seconds
    return progress.changed(step_elapsed_seconds=progress.step_elapsed_seconds + elapsed)


def _waited(progress: Progress, elapsed_seconds: float, deadline_seconds: float) -> Progress:
    """Returns the progress after a look without a scrape: however late it comes, the next one is before the verdict."""
    after = _passed(progress, elapsed_seconds)
    if progress.step_elapsed_seconds >= deadline_seconds:
        return after
    return after.changed(step_elapsed_seconds=min(after.step_elapsed_seconds, deadline_seconds))


def _hold(state: RolloutState, progress: Progress, said: str, *, used: bool = False) -> Judged:
    return Judged(_none(state, progress, said), Move.HOLD, used=used)


def _wait(state: RolloutState, progress: Progress) -> Judged:
    return Judged(_none(state, progress, "waits for the next scrape"), Move.HOLD, idle=True)


def _none(state: RolloutState, progress: Progress, said: str) -> Step:
    return Step(state.model_copy(update={"progress": progress}), Action.NONE, said)
