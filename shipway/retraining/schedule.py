"""When a model is retrained: pure, from what model.yaml says, what is remembered and the time."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shipway.contract.retraining import RetrainingSpec
from shipway.contract.route import Phase, RolloutState
from shipway.retraining.memory import Memory, Planned
from shipway.retraining.outcome import RUN_FORMAT, Outcome, Status
from shipway.retraining.verdicts import Verdict

__all__ = [
    "MOST_STARTS",
    "due_seconds",
    "given_up",
    "needs_slot",
    "retry_seconds",
    "started",
    "took",
    "waits_for",
    "wanted",
    "with_verdicts",
]

# A run whose process dies each time is a failure like any other, with an alarm.
MOST_STARTS = 3

# While one of these runs the idle slot is needed.
_BUSY = frozenset({Phase.PREPARING, Phase.STEPPING, Phase.PAUSED, Phase.GUARDING})


def wanted(rule: RetrainingSpec, memory: Memory, now_seconds: float) -> str:
    """Returns why a run starts now, empty when none does.

    After a failure the next try decides alone; then a verdict, when the last run is long enough ago; then the clock.
    """
    if memory.planned is not None:
        return ""
    if memory.failures:
        again = f"try {memory.failures + 1}: {memory.cause}"
        return again if now_seconds >= memory.not_before_seconds else ""
    cooled = memory.last_ended_seconds + rule.cool_down_seconds
    if memory.pending and (not memory.last_ended_seconds or now_seconds >= cooled):
        return memory.pending
    if rule.every_seconds is not None and now_seconds >= due_seconds(rule, memory):
        return f"every {rule.every_seconds:g} s"
    return ""


def waits_for(rule: RetrainingSpec, memory: Memory) -> str:
    """Returns what the next run of a model waits for, where none starts now, for a person."""
    if memory.failures:
        return f"{memory.failures} failed, the next try is at {_time(memory.not_before_seconds)}: {memory.problem}"
    if memory.pending:
        cooled = _time(memory.last_ended_seconds + rule.cool_down_seconds)
        return f"{memory.pending} waits for the cool-down until {cooled}"
    if rule.every_seconds is not None:
        return f"the schedule's next run is at {_time(due_seconds(rule, memory))}"
    return "no verdict asks for a run"


def needs_slot(state: RolloutState) -> bool:
    """Returns whether a version earns its traffic or is guarded: another one could not be released now."""
    return state.phase in _BUSY and (state.candidate is not None or state.previous_digest != "")


def started(memory: Memory, reason: str, now_seconds: float) -> tuple[Memory, Planned]:
    """Returns `memory` and the run with one more start: the one that was decided on, or a new one for `reason`."""
    planned = memory.planned
    changes: dict[str, object] = {}
    if planned is None:
        number = datetime.fromtimestamp(now_seconds, UTC).strftime(RUN_FORMAT)
        planned = Planned(run=number, reason=reason, started_seconds=now_seconds)
        changes = {"pending": "", "pending_until": "", "last_started_seconds": now_seconds}
    planned = planned.model_copy(update={"starts": planned.starts + 1})
    return memory.model_copy(update={**changes, "planned": planned}), planned


def given_up(planned: Planned, model: str, environment: str, now_seconds: float, said: str) -> Outcome:
    """Returns the outcome that a run itself never wrote; `said` is what is known of it."""
    begun, now = (datetime.fromtimestamp(at, UTC).isoformat() for at in (planned.started_seconds, now_seconds))
    return Outcome(
        run=planned.run,
        model=model,
        environment=environment,
        status=Status.FAILED,
        reason=planned.reason,
        as_of=begun,
        started=begun,
        finished=now,
        sentence=said,
    )


def due_seconds(rule: RetrainingSpec, memory: Memory) -> float:
    """Returns when the schedule starts the next run, since the epoch; infinity where there is none."""
    if rule.every_seconds is None:
        return float("inf")
    return max(memory.begun_seconds, memory.last_started_seconds) + rule.every_seconds


def retry_seconds(rule: RetrainingSpec, failures: int) -> float:
    """Returns how long after failure number `failures` the next try comes: first x 2^(n - 1), at most the last one.

    >>> [retry_seconds(RetrainingSpec(first_retry_seconds=60, last_retry_seconds=200), n) for n in (1, 2, 3, 60)]
    [60.0, 120.0, 200.0, 200.0]
    """
    return float(min(rule.first_retry_seconds * 2.0 ** min(failures - 1, 60), rule.last_retry_seconds))


def with_verdicts(rule: RetrainingSpec, memory: Memory, verdicts: Sequence[Verdict]) -> Memory:
    """Returns `memory` with the newest verdict that asks for a run; one about what is known already asks for none.

    Verdicts that come while a run is under way or cooling down are answered by one run after it, not by one each.
    """
    known = datetime.fromisoformat(memory.last_as_of) if memory.last_as_of else None
    newest = datetime.fromisoformat(memory.pending_until) if memory.pending else None
    for verdict in verdicts:
        asked = rule.on_accuracy if verdict.accuracy else rule.on_drift
        # Labels come late: what they say of an older window comes after what drift says of a newer one.
        if not asked or not verdict.alarming or (newest is not None and verdict.until < newest):
            continue
        if known is None or verdict.until > known:
            newest = verdict.until
            memory = memory.model_copy(update={"pending": verdict.reason, "pending_until": newest.isoformat()})
    return memory


def took(rule: RetrainingSpec, memory: Memory, outcome: Outcome, now_seconds: float) -> Memory:
    """Returns `memory` after `outcome`, whoever started that run; the same outcome taken twice counts once."""
    if outcome.run in memory.taken:
        return memory
    changes: dict[str, object] = {"taken": (*memory.taken, outcome.run), "last_ended_seconds": now_seconds}
    if memory.planned is not None and memory.planned.run == outcome.run:
        changes["planned"] = None
    if outcome.failed:
        failures = memory.failures + 1
        cause = memory.cause if memory.failures else outcome.reason
        waits = now_seconds + retry_seconds(rule, failures)
        changes |= {"failures": failures, "cause": cause, "problem": outcome.sentence, "not_before_seconds": waits}
    else:
        changes |= {
            "failures": 0,
            "cause": "",
            "problem": "",
            "not_before_seconds": 0.0,
            "last_success_seconds": datetime.fromisoformat(outcome.finished).timestamp(),
            "last_as_of": outcome.as_of,
        }
        if memory.pending and datetime.fromisoformat(memory.pending_until) <= datetime.fromisoformat(outcome.as_of):
            changes |= {"pending": "", "pending_until": ""}
    return memory.model_copy(update=changes)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
