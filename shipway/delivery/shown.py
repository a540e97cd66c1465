"""A look as people read it: from the decision that was just made, or from what the served route carries."""

from shipway.contract.rollout import Look, Move
from shipway.contract.route import RolloutState, RouteSpec
from shipway.delivery.decide import Action, Step, rules_of
from shipway.delivery.evidence import verdicts as said
from shipway.delivery.judge import Judged, under_way
from shipway.delivery.served import ServedModel

__all__ = ["look_at", "look_of"]


def look_of(spec: RouteSpec, before: RolloutState, after: RolloutState, time: str, judged: Judged) -> Look:
    """Returns the look at a rollout: who was judged before it, and where it stands after it.

    Args:
        spec: the model's route.
        before, after: the rollout state; something is live in both.
        time: when, in UTC, ISO 8601.
        judged: what was decided.
    """
    progress = after.progress or before.progress
    assert progress is not None
    assert before.judged is not None
    share = 100 - after.weight_percent if before.judged is after.live else after.weight_percent
    return Look(
        time=time,
        model=spec.model,
        rollout=before.rollout,
        phase=str(after.phase),
        candidate=before.judged,
        candidate_digest=before.judged_digest,
        live_digest=before.control_digest,
        step_index=progress.step_index,
        weight_percent=share,
        step_elapsed_seconds=progress.step_elapsed_seconds,
        move=judged.move,
        sentence=judged.sentence,
        verdicts=judged.verdicts,
    )


def look_at(served: ServedModel, time: str, source: str) -> Look | None:
    """Returns a look made of what the route carries, for whoever cannot ask who judges; None without a rollout.

    Args:
        served: the model.
        time: the time to give it.
        source: why the route is all there is, in words.
    """
    state, spec = served.state, served.spec
    if not under_way(state) or state.progress is None:
        return None
    progress, rules, steps = state.progress, rules_of(spec), spec.rollout.steps_percent
    verdicts = [said.guardrail_verdict(rules, one) for one in progress.evidence.guardrails]
    if state.candidate is not None:
        weight, following = steps[progress.step_index], steps[min(progress.step_index + 1, len(steps) - 1)]
        verdicts.append(said.unit_verdict(rules, progress.evidence.units, weight))
        verdicts.append(said.shift_verdict(rules, progress.evidence))
        verdicts.append(said.harm_verdict(rules, progress.evidence, following))
    paused = f"paused ({progress.paused}): waits for a person; " if progress.paused else ""
    sentence = f"{paused}{source}"
    judged = Judged(Step(state, Action.NONE, sentence), Move.HOLD, tuple(verdicts))
    return look_of(spec, state, state, time, judged)
