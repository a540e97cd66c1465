"""A rollout told in order: every transition, who made it, what every gate said then, and how it ended; pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.contract.errors import ShipwayError
from shipway.contract.evidence import Gate, Verdict
from shipway.contract.ledger import Entry
from shipway.contract.release import short_digest
from shipway.contract.rollout import Look, Move
from shipway.delivery.decide import Action
from shipway.delivery.evidence.verdicts import e_value_text
from shipway.delivery.past import time_of

__all__ = ["Event", "Story", "choose", "frame", "measured", "story", "tell"]

# What the ledger calls each move of the controller.
_ACTIONS: dict[Move, frozenset[str]] = {
    Move.ADVANCE: frozenset({Action.STEPPING, Action.ADVANCED, Action.HOLDBACK_ENDED}),
    Move.PROMOTE: frozenset({Action.PROMOTED}),
    Move.PAUSE: frozenset({Action.PAUSED}),
    Move.ROLL_BACK: frozenset({Action.ROLLED_BACK}),
    Move.FAIL: frozenset({Action.FAILED}),
    Move.SETTLE: frozenset({Action.SETTLED}),
}
# An entry and the look that led to it are written in one round of the controller.
_SAME_SECONDS = 5.0
_ENDS = frozenset(
    {
        Action.PROMOTED,
        Action.OVERRIDE,
        Action.ROLLED_BACK,
        Action.FAILED,
        Action.SETTLED,
        Action.CANDIDATE_GONE,
    }
)
_LOG_GATES = "log_e_value"
_SHORTEST = 6


@dataclass(frozen=True)
class Event:
    """One transition of a rollout.

    Args:
        time: when, as it was written.
        actor: who made it.
        action: what, as the ledger calls it.
        step_index: which step was judged; None where that was not written down.
        weight_percent: the candidate's share of the traffic from then on, None where that was not written down.
        sentence: why.
        verdicts: what every gate said then.
    """

    time: str
    actor: str
    action: str
    step_index: int | None
    weight_percent: int | None
    sentence: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Story:
    """One rollout of one model.

    Args:
        candidate_digest, live_digest: what was judged and against what; empty where it is not known.
        events: its transitions in order.
        outcome: how it ended, or that it did not yet.
        ended: the action that ended it, empty while it is under way.
    """

    model: str
    rollout: int
    candidate_digest: str
    live_digest: str
    events: tuple[Event, ...]
    outcome: str
    ended: str


def choose(wanted: str, models: Iterable[str], known: Mapping[tuple[str, int], str]) -> tuple[str, int]:
    """Returns the model and the rollout number that `wanted` means.

    Args:
        wanted: a digest, whole or at least its first six digits; a model, for its newest rollout; or MODEL/NUMBER.
        models: the models there are.
        known: (model, rollout) -> the digest it judged.

    Raises:
        ShipwayError: when it means nothing, or more than one digest.
    """
    model, _, number = wanted.partition("/")
    numbers = sorted(rollout for name, rollout in known if name == model)
    if number:
        if (found := next((one for one in numbers if str(one) == number.lstrip("0")), None)) is not None:
            return model, found
        raise ShipwayError(f"no rollout {number!r} of {model!r}; known ones are {_listed(numbers)}")
    if numbers:
        return model, numbers[-1]
    if model in set(models):
        raise ShipwayError(f"{model} never had a rollout; its first version went live by itself, or was not released")
    return _by_digest(wanted, known)


def _by_digest(wanted: str, known: Mapping[tuple[str, int], str]) -> tuple[str, int]:
    hexadecimal = wanted.removeprefix("sha256:").lower()
    if len(hexadecimal) < _SHORTEST or set(hexadecimal) - set("0123456789abcdef"):
        names = ", ".join(sorted({name for name, _ in known})) or "none"
        raise ShipwayError(
            f"{wanted!r} is no release: expected a digest (at least {_SHORTEST} digits), a model or MODEL/NUMBER; "
            f"models with rollouts: {names}"
        )
    found = {key: digest for key, digest in known.items() if digest.removeprefix("sha256:").startswith(hexadecimal)}
    digests = sorted(set(found.values()))
    if len(digests) > 1:
        raise ShipwayError(f"{wanted} means {', '.join(map(short_digest, digests))}; give more digits")
    if not found:
        raise ShipwayError(f"no rollout judged {wanted}; `shipway ledger` lists what was released")
    return max(found, key=lambda key: key[1])


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def story(model: str, rollout: int, looks: Iterable[Look], entries: Iterable[Entry]) -> Story:
    """Returns the rollout in order, from the looks of its history and the entries of the ledger.

    The ledger is the record; a look adds the step, and tells of a transition whose entry was lost in a crash.
    """
    moved = [look for look in looks if look.move is not Move.HOLD]
    mine = [entry for entry in entries if entry.model == model and entry.rollout == rollout]
    events: list[Event] = []
    for entry in mine:
        look = _matching(entry, moved)
        if look is not None:
            moved.remove(look)
        events.append(
            Event(
                time=entry.time,
                actor=entry.actor,
                action=entry.action,
                step_index=look.step_index if look else None,
                weight_percent=entry.weight_percent if look is None else look.weight_percent,
                sentence=entry.reason,
                verdicts=entry.evidence or (look.verdicts if look else ()),
            )
        )
    events += [_of_look(look) for look in moved]
    events.sort(key=lambda event: event.time)
    candidate, live = _digests(mine, moved)
    ended = next((event for event in reversed(events) if event.action in _ENDS), None)
    return Story(model, rollout, candidate, live, tuple(events), _outcome(events, ended), ended.action if ended else "")


def _matching(entry: Entry, looks: Sequence[Look]) -> Look | None:
    near = [
        (abs((_moment(look.time, entry) - time_of(entry)).total_seconds()), number, look)
        for number, look in enumerate(looks)
        if entry.action in _ACTIONS.get(look.move, ())
    ]
    best = min(near, default=None, key=lambda one: one[:2])
    return best[2] if best and best[0] <= _SAME_SECONDS else None


def _moment(time: str, like: Entry) -> Any:
    return time_of(like.model_copy(update={"time": time}))


def _of_look(look: Look) -> Event:
    names = sorted(_ACTIONS[look.move])
    action = Action.ADVANCED if len(names) > 1 else names[0]
    return Event(look.time, "delivery", str(action), look.step_index, look.weight_percent, look.sentence, look.verdicts)


def _digests(entries: Sequence[Entry], looks: Sequence[Look]) -> tuple[str, str]:
    for entry in entries:
        if candidate := entry.digests.get("candidate", ""):
            return candidate, entry.digests.get("live", "")
    for look in looks:
        return look.candidate_digest, look.live_digest
    return "", ""


def _outcome(events: Sequence[Event], ended: Event | None) -> str:
    if ended is not None:
        after = "" if events[-1] is ended else f"; then {events[-1].action} at {events[-1].time}"
        return f"{ended.action} at {ended.time} by {ended.actor}: {ended.sentence}{after}"
    return f"under way; last {events[-1].action} at {events[-1].time}" if events else "nothing has happened yet"


def measured(verdict: Verdict) -> tuple[str, str]:
    """Returns bound and threshold as a person reads them: e-values, not their logarithms, and ratios as percent.

    >>> import math
    >>> from shipway.contract.evidence import Judgement
    >>> rest = {"judgement": Judgement.PASS, "sentence": "s"}
    >>> measured(Verdict(gate=Gate.ERRORS, metric="log_e_value", bound=0.0, threshold=math.log(800), **rest))
    ('1', '800')
    >>> measured(Verdict(gate=Gate.HARM_BUDGET, metric="worst_excess_ratio", bound=0.02, threshold=0.04, **rest))
    ('2.00%', '4.00%')
    """
    return _value(verdict, verdict.bound), _value(verdict, verdict.threshold)


def _value(verdict: Verdict, value: float | None) -> str:
    if value is None:
        return "none"
    if verdict.metric == _LOG_GATES:
        return e_value_text(value)
    return f"{value:.2%}" if verdict.metric.endswith("_ratio") else f"{value:g}"


def tell(told: Story, query_of: Callable[[Gate, str], str]) -> str:
    """Returns the whole story as text: every transition, and below it every verdict with its query and its sentence.

    Args:
        told: the rollout.
        query_of: returns the query behind a gate's counts for a model.
    """
    against = f" against {short_digest(told.live_digest)}" if told.live_digest else ""
    lines = [f"{told.model} rollout {told.rollout}: {short_digest(told.candidate_digest) or 'unknown'}{against}"]
    for event in told.events:
        weight = "" if event.weight_percent is None else f", {event.weight_percent} % from then on"
        step = "" if event.step_index is None else f", step {event.step_index + 1}"
        lines += ["", f"{event.time}  {event.action} by {event.actor}{step}{weight}", f"  {event.sentence}"]
        for verdict in event.verdicts:
            lines += _verdict_lines(verdict, query_of(verdict.gate, told.model))
    return "\n".join([*lines, "", f"outcome: {told.outcome}"])


def _verdict_lines(verdict: Verdict, query: str) -> list[str]:
    bound, threshold = measured(verdict)
    counts = f"candidate {verdict.candidate_events}/{verdict.candidate_requests}"
    against = f"live {verdict.live_events}/{verdict.live_requests}"
    name = verdict.metric.removeprefix("log_")
    return [
        f"    {verdict.gate:<17} {verdict.judgement:<13} {counts}, {against}, {name} {bound} of {threshold}",
        f"      {verdict.sentence}",
        f"      query: {query}",
    ]


def frame(look: Look, steps_percent: Sequence[int]) -> list[str]:
    """Returns one look as lines for a person who watches.

    Args:
        look: what the controller saw last.
        steps_percent: the steps of the rollout.
    """
    said = {verdict.gate: verdict for verdict in look.verdicts}
    where = f"step {look.step_index + 1} of {len(steps_percent)}" if look.phase != "guarding" else "guard"
    live = f", against {short_digest(look.live_digest)}" if look.live_digest else ""
    lines = [
        f"{look.model}  rollout {look.rollout}  {look.phase}, {where}: {look.weight_percent} % to {look.candidate} "
        f"({short_digest(look.candidate_digest)}){live}, for {look.step_elapsed_seconds:.0f} s"
    ]
    if harm := said.get(Gate.HARM_BUDGET):
        excess, allowed = measured(harm)
        lines.append(
            f"  counts   {harm.candidate_events} bad of {harm.candidate_requests} candidate requests, "
            f"{harm.live_events} bad of {harm.live_requests} of live, in this step"
        )
        lines.append(f"  budget   worst excess {excess} of at most {allowed}  {_bar(harm)}")
    guards = [verdict for verdict in look.verdicts if verdict.metric == _LOG_GATES]
    if guards:
        lines.append(f"  {'GUARDRAIL':<17} {'CANDIDATE':>15} {'LIVE':>15} {'E-VALUE':>14} {'LIMIT':>9}  SAYS")
    for one in guards:
        value, limit = measured(one)
        counts = [f"{one.candidate_events}/{one.candidate_requests}", f"{one.live_events}/{one.live_requests}"]
        lines.append(f"  {one.gate:<17} {counts[0]:>15} {counts[1]:>15} {value:>14} {limit:>9}  {one.judgement}")
    for one in look.verdicts:
        if one.gate in (Gate.PREDICTION_SHIFT, Gate.EVIDENCE):
            lines.append(f"  {one.sentence} ({one.judgement})")
    return [*lines, f"  {'waits' if look.move is Move.HOLD else look.move}: {look.sentence}"]


def _bar(harm: Verdict, width: int = 20) -> str:
    """Returns how far the excess is from what is allowed: full when it fits."""
    if not harm.bound:
        return f"[{'#' * width}]"
    filled = min(width, int(width * harm.threshold / harm.bound))
    return f"[{'#' * filled}{'.' * (width - filled)}]"
