"""One look at a rollout on its way: what to do with the weight now, and why.

`advance` is pure. The controller calls it with what the slots did since the last look; the simulator calls the same
function with traffic that it makes up.
"""

from dataclasses import dataclass

from shipway.contract.evidence import ABSOLUTE_GATES, Gate, GateAction, Judgement, Pause, Progress, Sample, Verdict
from shipway.contract.rollout import Move
from shipway.delivery.evidence import gate
from shipway.delivery.evidence.confidence import requests_needed
from shipway.delivery.evidence.gate import NoEvidence, Rules

__all__ = ["Decision", "Move", "StepNeed", "advance", "begin", "passed", "resume", "step_needs"]


_PAUSES = {Gate.SAMPLE_RATIO: Pause.SAMPLE_RATIO, Gate.PREDICTION_SHIFT: Pause.PREDICTION_SHIFT}


@dataclass(frozen=True)
class Decision:
    """What one look decides.

    Args:
        move: what happens to the weight.
        progress: the state to write together with the weight.
        weight_percent: the candidate's share of the traffic from now on.
        verdicts: what every gate said.
        sentence: what it waits for, or why it moved.
    """

    move: Move
    progress: Progress
    weight_percent: int
    verdicts: tuple[Verdict, ...]
    sentence: str


def begin(rules: Rules) -> Progress:
    """Returns the progress of a candidate that takes the first step's weight now."""
    return Progress(evidence=gate.begin(rules))


def resume(progress: Progress) -> Progress:
    """Returns the progress after a person lifted the pause; the same cause does not pause this candidate again."""
    if progress.paused is None:
        return progress
    return progress.model_copy(update={"paused": None, "approved": (*progress.approved, progress.paused)})


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
    settling = progress.settling
    if isinstance(look, Sample):
        evidence = gate.add_sample(rules, evidence, look, weight, straddles=settling)
        settling = False
    progress = passed(progress, look, elapsed_seconds).model_copy(update={"evidence": evidence, "settling": settling})
    following = steps[min(progress.step_index + 1, len(steps) - 1)]
    verdicts = (
        *[gate.guardrail_verdict(rules, state) for state in evidence.guardrails],
        gate.unit_verdict(rules, evidence.units, weight),
        gate.shift_verdict(rules, evidence),
        gate.evidence_verdict(look),
        gate.harm_verdict(rules, evidence, following),
    )
    move, pause, sentence = _decide(rules, progress, verdicts, following)
    if move in (Move.ADVANCE, Move.PROMOTE):
        index = progress.step_index + 1
        begun = {"step_index": index, "evidence": gate.begin_step(evidence), "step_elapsed_seconds": 0.0}
        progress = progress.model_copy(update=begun | {"settling": True, "silent_seconds": 0.0})
        weight = following
    elif move is Move.PAUSE:
        progress = progress.model_copy(update={"paused": pause})
    elif move is Move.ROLL_BACK:
        weight = 0
    return Decision(move, progress, weight, verdicts, sentence)


def passed(progress: Progress, look: Sample | NoEvidence, elapsed_seconds: float) -> Progress:
    """Returns the progress after the time since the last look, of which a pause counts none."""
    # A person's thinking time is not the step's: a pause stops its clock.
    elapsed = progress.step_elapsed_seconds + (0.0 if progress.paused else elapsed_seconds)
    silent = progress.silent_seconds + elapsed_seconds
    if isinstance(look, Sample) and (look.candidate.requests or look.live.requests):
        silent = 0.0
    return progress.model_copy(update={"step_elapsed_seconds": elapsed, "silent_seconds": silent})


def _decide(
    rules: Rules, progress: Progress, verdicts: tuple[Verdict, ...], following: int
) -> tuple[Move, Pause | None, str]:
    rollout = rules.rollout
    said = {verdict.gate: verdict for verdict in verdicts}
    failed = [name for name, verdict in said.items() if verdict.judgement is Judgement.FAIL]
    stopping = [said[name] for name in failed if rollout.action(name) is GateAction.ROLLBACK]
    if stopping:
        return _failed(rules, progress, stopping)
    if progress.paused:
        return Move.HOLD, None, f"paused ({progress.paused}): waits for a person"
    for name in failed:
        pause = _PAUSES.get(name, Pause.GUARDRAIL)
        if rollout.action(name) is GateAction.PAUSE and pause not in progress.approved:
            return Move.PAUSE, pause, said[name].sentence
    elapsed, evidence, harm = progress.step_elapsed_seconds, said[Gate.EVIDENCE], said[Gate.HARM_BUDGET]
    waits = next((verdict for verdict in (evidence, harm) if verdict.judgement is not Judgement.PASS), None)
    if waits is None and elapsed >= rollout.min_step_seconds:
        manual = rollout.manual_gate_before_percent
        if manual is not None and following >= manual and Pause.MANUAL not in progress.approved:
            return Move.PAUSE, Pause.MANUAL, f"{harm.sentence}; {following} % waits for `shipway approve`"
        return Move.PROMOTE if following == 100 else Move.ADVANCE, None, harm.sentence
    if elapsed >= rollout.max_step_seconds:
        why = waits.sentence if waits else harm.sentence
        return Move.ROLL_BACK, None, f"not earned within {rollout.max_step_seconds:g} s: {why}"
    if waits is not None:
        return Move.HOLD, None, waits.sentence
    return Move.HOLD, None, f"{harm.sentence}; {elapsed:.1f} of at least {rollout.min_step_seconds:g} s"


def _failed(rules: Rules, progress: Progress, failed: list[Verdict]) -> tuple[Move, Pause | None, str]:
    # Proved worse than live: going back helps, whatever live is like. Proved bad only against the objective: going
    # back helps only while live is not proved bad as well.
    live_bad = {state.gate for state in progress.evidence.live_slo if gate.rejected(rules, state)}
    for verdict in failed:
        if verdict.gate not in ABSOLUTE_GATES or not live_bad:
            return Move.ROLL_BACK, None, verdict.sentence
    if progress.paused:
        return Move.HOLD, None, f"paused ({progress.paused}): waits for a person"
    causes = ", ".join(sorted(live_bad))
    return Move.PAUSE, Pause.BOTH_SLOTS_BAD, f"both slots miss their objective ({causes}); the weights stay"


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
