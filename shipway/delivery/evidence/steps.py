"""One look at a rollout on its way: what to do with the weight now, and why.

`advance` is pure. The controller calls it with what the slots did since the last look; the simulator calls the same
function with traffic that it makes up.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

from shipway.contract.evidence import ABSOLUTE_GATES, Gate, GateAction, Pause, Progress, Sample, Verdict
from shipway.contract.rollout import Move
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.confidence import requests_needed
from shipway.delivery.evidence.gate import NoEvidence, Rules
from shipway.delivery.evidence.verdicts import step_verdicts

__all__ = ["Because", "Decision", "Move", "StepNeed", "advance", "begin", "passed", "resume", "step_needs"]


_PAUSES = {Gate.SAMPLE_RATIO: Pause.SAMPLE_RATIO, Gate.PREDICTION_SHIFT: Pause.PREDICTION_SHIFT}


@dataclass(frozen=True)
class Because:
    """Why a look decided what it did: what the gate `cause` says, with words before and after it."""

    cause: Gate | None = None
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Decision:
    """What one look decides; its words are made when they are asked for, because most looks are never read.

    Args:
        move: what happens to the weight.
        progress: the state to write together with the weight.
        weight_percent: the candidate's share of the traffic from now on.
        because: why.
        judged: makes the verdicts.
    """

    move: Move
    progress: Progress
    weight_percent: int
    because: Because
    judged: Callable[[], tuple[Verdict, ...]] = field(repr=False, compare=False)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What every gate said."""
        return self.judged()

    @cached_property
    def sentence(self) -> str:
        """What it waits for, or why it moved."""
        said = "".join(verdict.sentence for verdict in self.verdicts if verdict.gate is self.because.cause)
        return f"{self.because.before}{said}{self.because.after}"


def begin(rules: Rules) -> Progress:
    """Returns the progress of a candidate that takes the first step's weight now."""
    return Progress(evidence=gate.begin(rules))


def resume(progress: Progress) -> Progress:
    """Returns the progress after a person lifted the pause; the same cause does not pause this candidate again."""
    if progress.paused is None:
        return progress
    return progress.changed(paused=None, approved=(*progress.approved, progress.paused))


def advance(rules: Rules, progress: Progress, look: Sample | NoEvidence, elapsed_seconds: float) -> Decision:
    """Returns what a look decides; verdicts are heard in the order guardrail, sample ratio, evidence, harm budget.

    Args:
        rules: what the rollout is judged by.
        progress: how far it has come.
        look: what both slots did since the last look, or why that is not known.
        elapsed_seconds: monotonic time since the last look.
    """
    steps = rules.rollout.steps_percent
    weight = steps[progress.step_index]
    evidence = progress.evidence
    straddles = progress.settling
    if isinstance(look, Sample):
        evidence = gate.add_sample(rules, evidence, look, weight, straddles=straddles)
    settling = straddles and not isinstance(look, Sample)
    progress = passed(progress, look, elapsed_seconds).changed(evidence=evidence, settling=settling)
    following = steps[min(progress.step_index + 1, len(steps) - 1)]
    judged = partial(step_verdicts, rules, evidence, look, weight, following)
    move, pause, because = _decide(rules, progress, look, following, straddles=straddles)
    if move in (Move.ADVANCE, Move.PROMOTE):
        progress = progress.changed(
            step_index=progress.step_index + 1,
            evidence=gate.begin_step(evidence),
            step_elapsed_seconds=0.0,
            settling=True,
        )
        weight = following
    elif move is Move.PAUSE:
        progress = progress.changed(paused=pause)
    elif move is Move.ROLL_BACK:
        weight = 0
    return Decision(move, progress, weight, because, judged)


def passed(progress: Progress, look: Sample | NoEvidence, elapsed_seconds: float) -> Progress:
    """Returns the progress after the time since the last look, of which a pause counts none."""
    # A person's thinking time is not the step's: a pause stops its clock.
    elapsed = progress.step_elapsed_seconds + (0.0 if progress.paused else elapsed_seconds)
    # A night without requests is no fault of the platform; counters that cannot be read are.
    silent = 0.0 if isinstance(look, Sample) else progress.silent_seconds + elapsed_seconds
    return progress.changed(step_elapsed_seconds=elapsed, silent_seconds=silent)


def _brought(look: Sample | NoEvidence) -> bool:
    return isinstance(look, Sample) and (look.candidate.requests > 0 or look.live.requests > 0)


def _decide(
    rules: Rules, progress: Progress, look: Sample | NoEvidence, following: int, *, straddles: bool
) -> tuple[Move, Pause | None, Because]:
    evidence = progress.evidence
    if (failed := gate.failed_gates(rules, evidence)) and (move := _failed(rules, progress, failed)):
        return move
    if progress.paused:
        return Move.HOLD, None, Because(before=f"paused ({progress.paused}): waits for a person")
    for name in failed:
        pause = _PAUSES.get(name, Pause.GUARDRAIL)
        if rules.rollout.action(name) is GateAction.PAUSE and pause not in progress.approved:
            return Move.PAUSE, pause, Because(name)
    waits = None
    if isinstance(look, NoEvidence):
        waits = Gate.EVIDENCE
    elif not gate.budget_kept(rules, evidence, following):
        waits = Gate.HARM_BUDGET
    elif straddles or not _brought(look):
        # Nothing is earned while the gateway may serve another weight, also not by what was counted before.
        waits = Gate.EVIDENCE
    return _earned(rules, progress, waits, following)


def _earned(rules: Rules, progress: Progress, waits: Gate | None, following: int) -> tuple[Move, Pause | None, Because]:
    rollout, elapsed = rules.rollout, progress.step_elapsed_seconds
    if waits is None and elapsed >= rollout.min_step_seconds:
        manual = rollout.manual_gate_before_percent
        if manual is not None and following >= manual and Pause.MANUAL not in progress.approved:
            return (
                Move.PAUSE,
                Pause.MANUAL,
                Because(Gate.HARM_BUDGET, after=f"; {following} % waits for `shipway approve`"),
            )
        return Move.PROMOTE if following == 100 else Move.ADVANCE, None, Because(Gate.HARM_BUDGET)
    if elapsed >= rollout.max_step_seconds:
        late = f"not earned within {rollout.max_step_seconds:g} s: "
        return Move.ROLL_BACK, None, Because(waits or Gate.HARM_BUDGET, before=late)
    if waits is not None:
        return Move.HOLD, None, Because(waits)
    lasts = f"; {elapsed:.1f} of at least {rollout.min_step_seconds:g} s"
    return Move.HOLD, None, Because(Gate.HARM_BUDGET, after=lasts)


def _failed(rules: Rules, progress: Progress, failed: list[Gate]) -> tuple[Move, Pause | None, Because] | None:
    """Returns the way back, or the pause when both slots are bad; None when it is no reason to move."""
    stopping = [name for name in failed if rules.rollout.action(name) is GateAction.ROLLBACK]
    if not stopping:
        return None
    # Proved worse than live: going back helps, whatever live is like. Proved bad only against the objective: going
    # back helps only while live is not proved bad as well.
    live_bad = gate.live_bad(rules, progress.evidence)
    for name in stopping:
        if name not in ABSOLUTE_GATES or not live_bad:
            return Move.ROLL_BACK, None, Because(name)
    if progress.paused or Pause.BOTH_SLOTS_BAD in progress.approved:
        return None
    said = f"both slots miss their objective ({', '.join(sorted(live_bad))}); the weights stay"
    return Move.PAUSE, Pause.BOTH_SLOTS_BAD, Because(before=said)


@dataclass(frozen=True)
class StepNeed:
    """What a healthy version needs to leave one step.

    Args:
        weight_percent: the step.
        next_percent: the step it asks for.
        candidate_requests: how many requests it needs there; None when no number is enough.
        seconds: how long that takes at the present traffic; None when it never ends.
        in_time: whether that is within `max_step_seconds`.
    """

    weight_percent: int
    next_percent: int
    candidate_requests: int | None
    seconds: float | None
    in_time: bool


def step_needs(rules: Rules, requests_per_second: float, error_ratio: float) -> tuple[StepNeed, ...]:
    """Returns what each step will need, for a version as good as live.

    Args:
        rules: what the rollout is judged by.
        requests_per_second: the model's traffic now.
        error_ratio: live's ratio of bad requests now.
    """
    rollout = rules.rollout
    needs: list[StepNeed] = []
    for weight, following in zip(rollout.steps_percent, rollout.steps_percent[1:], strict=False):
        requests = requests_needed(
            following, rollout.harm_budget_ratio, rollout.harm_alpha, error_ratio, (100 - weight) / weight
        )
        per_second = requests_per_second * weight / 100
        seconds = None
        if requests is not None and per_second > 0:
            seconds = max(requests / per_second, rollout.min_step_seconds)
        in_time = seconds is not None and seconds <= rollout.max_step_seconds
        needs.append(StepNeed(weight, following, requests, seconds, in_time))
    return tuple(needs)
