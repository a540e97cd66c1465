"""What a rollout looks like from the served route alone, for whoever asks while the delivery process does not run."""

from shipway.contract.metrics import Slot
from shipway.contract.rollout import Look, Move
from shipway.delivery.decide import rules_of
from shipway.delivery.evidence import verdicts as said
from shipway.delivery.judge import under_way
from shipway.delivery.served import ServedModel

__all__ = ["look_of"]


def look_of(served: ServedModel, time: str) -> Look | None:
    """Returns a look made of the rollout state that the route carries; None when nothing is under way.

    Args:
        served: the model.
        time: the time to give it.
    """
    state, spec = served.state, served.spec
    if not under_way(state) or state.live is None or state.progress is None:
        return None
    guarding = state.candidate is None
    judged: Slot = state.live if guarding or state.candidate is None else state.candidate
    progress, rules, steps = state.progress, rules_of(spec), spec.rollout.steps_percent
    index = min(progress.step_index, len(steps) - 1)
    verdicts = [said.guardrail_verdict(rules, one) for one in progress.evidence.guardrails]
    if not guarding:
        following = steps[min(index + 1, len(steps) - 1)]
        verdicts.append(said.unit_verdict(rules, progress.evidence.units, steps[index]))
        verdicts.append(said.shift_verdict(rules, progress.evidence))
        verdicts.append(said.harm_verdict(rules, progress.evidence, following))
    paused = f"paused ({progress.paused}): waits for a person; " if progress.paused else ""
    return Look(
        time=time,
        model=spec.model,
        rollout=state.rollout,
        phase=str(state.phase),
        candidate=judged,
        candidate_digest=state.live_digest if guarding else state.candidate_digest,
        live_digest=state.previous_digest if guarding else state.live_digest,
        step_index=index,
        weight_percent=100 - state.weight_percent if judged is state.live else state.weight_percent,
        step_elapsed_seconds=progress.step_elapsed_seconds,
        move=Move.HOLD,
        sentence=f"{paused}the delivery process does not run, so nothing is judged; this is what it wrote last",
        verdicts=tuple(verdicts),
    )
