"""A small model of a rollout, written from the design alone: what may follow what, and what a run's records must say.

It shares no code with the decision it checks. `judge_run` takes what was recorded and returns one sentence for each
thing that must not be.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from shipway.contract.route import Phase, RolloutState
from tests.faults.recorder import Observed

GENESIS = "0" * 64

# Action -> the actions that may come after it in the same rollout. What is only noted changes no place in this table.
AFTER: dict[str, frozenset[str]] = {
    "": frozenset({"waiting", "first_live", "candidate"}),
    "waiting": frozenset({"first_live", "candidate_gone"}),
    "first_live": frozenset({"settled", "candidate", "paused"}),
    "candidate": frozenset({"stepping", "override", "failed", "rolled_back", "paused", "candidate_gone", "candidate"}),
    "stepping": frozenset({"advanced", "promoted", "override", "paused", "rolled_back", "candidate", "candidate_gone"}),
    "advanced": frozenset({"advanced", "promoted", "override", "paused", "rolled_back", "candidate", "candidate_gone"}),
    "paused": frozenset({"approved", "override", "rolled_back", "candidate", "candidate_gone", "settled"}),
    "approved": frozenset(
        {"stepping", "advanced", "promoted", "override", "paused", "rolled_back", "candidate", "settled"}
    ),
    "promoted": frozenset({"settled", "rolled_back", "paused", "candidate"}),
    "override": frozenset({"settled", "rolled_back", "paused", "candidate"}),
    "settled": frozenset({"candidate", "rolled_back", "retried"}),
    "rolled_back": frozenset({"candidate", "candidate_gone", "retried", "override"}),
    "failed": frozenset({"candidate", "candidate_gone", "retried", "override"}),
    "candidate_gone": frozenset({"candidate", "waiting", "first_live", "rolled_back", "settled"}),
    "retried": frozenset({"stepping", "failed", "rolled_back", "candidate", "paused", "override", "candidate_gone"}),
}
NOTES = frozenset({"released", "evidence_missing", "rules_changed", "holdback_ended"})
TERMINAL = frozenset({"settled", "rolled_back", "failed"})
# What gives a digest traffic by evidence; a person may do more.
STEPS = frozenset({"stepping", "advanced", "promoted"})

# Phase -> the phases one write may lead to.
PHASES: dict[Phase, frozenset[Phase]] = {
    Phase.SETTLED: frozenset({Phase.SETTLED, Phase.PREPARING, Phase.GUARDING, Phase.ROLLED_BACK}),
    Phase.PREPARING: frozenset(
        {
            *(Phase.PREPARING, Phase.STEPPING, Phase.PAUSED, Phase.GUARDING, Phase.FAILED),
            *(Phase.ROLLED_BACK, Phase.SETTLED),
        }
    ),
    Phase.STEPPING: frozenset(
        {Phase.STEPPING, Phase.PAUSED, Phase.GUARDING, Phase.ROLLED_BACK, Phase.PREPARING, Phase.SETTLED}
    ),
    Phase.PAUSED: frozenset(
        {
            *(Phase.PAUSED, Phase.STEPPING, Phase.GUARDING, Phase.ROLLED_BACK),
            *(Phase.PREPARING, Phase.SETTLED),
        }
    ),
    Phase.GUARDING: frozenset({Phase.GUARDING, Phase.SETTLED, Phase.ROLLED_BACK, Phase.PAUSED, Phase.PREPARING}),
    Phase.ROLLED_BACK: frozenset({Phase.ROLLED_BACK, Phase.PREPARING, Phase.SETTLED, Phase.GUARDING}),
    Phase.FAILED: frozenset({Phase.FAILED, Phase.PREPARING, Phase.SETTLED, Phase.GUARDING, Phase.ROLLED_BACK}),
}


@dataclass(frozen=True)
class Entry:
    """One entry of the ledger, as far as this model looks at it."""

    number: int
    action: str
    generation: int | None
    rollout: int | None
    weight_percent: int | None
    digests: dict[str, str]
    reason: str


@dataclass
class _Walk:
    """Where the ledger stands in the rollout it tells of."""

    rollout: int | None = None
    action: str = ""
    index: int = -1
    ended: list[str] = field(default_factory=list[str])


def read_ledger(folder: Path, model: str) -> tuple[list[Entry], list[str]]:
    """Returns the entries of `model` in order, and one sentence for each place where the chain is broken."""
    entries: list[Entry] = []
    problems: list[str] = []
    previous = GENESIS
    for place, path in enumerate(sorted(folder.glob("[0-9]*.json")), start=1):
        content = path.read_bytes()
        raw: dict[str, Any] = json.loads(content)
        if path.stem != f"{place:08}" or raw["number"] != place:
            problems.append(f"{path.name}: is entry {raw['number']} in place {place}")
        if raw["previous"] != previous:
            problems.append(f"{path.name}: does not follow the entry before it")
        previous = hashlib.sha256(content).hexdigest()
        if raw["model"] == model:
            known = {name: raw.get(name) for name in ("generation", "rollout", "weight_percent")}
            entries.append(Entry(raw["number"], raw["action"], digests=raw["digests"], reason=raw["reason"], **known))
    return entries, problems


def confirmed(observed: Sequence[Observed]) -> list[Observed]:
    """Returns the observations without those that were undone: a lower number came after them."""
    kept: list[Observed] = []
    for one in observed:
        while kept and kept[-1].state.generation > one.state.generation:
            kept.pop()
        kept.append(one)
    return kept


def judge_run(observed: Sequence[Observed], entries: Sequence[Entry], steps_percent: Sequence[int]) -> list[str]:
    """Returns what must not be in a run.

    Args:
        observed: every change of the served state.
        entries: the model's part of the ledger.
        steps_percent: the declared steps.
    """
    states = [one.state for one in observed]
    return [
        *_states(states, steps_percent),
        *_ledger(entries, steps_percent),
        *_sticky(entries),
        *_told(states, entries),
    ]


def _states(states: Sequence[RolloutState], steps_percent: Sequence[int]) -> list[str]:
    problems: list[str] = []
    allowed = {0, *steps_percent}
    for state in states:
        if state.candidate is not None and state.weight_percent not in allowed:
            problems.append(f"generation {state.generation}: {state.weight_percent} % is no declared step")
        if state.candidate is not None and state.candidate is state.live:
            problems.append(f"generation {state.generation}: {state.live} is candidate and live at once")
        if state.phase in (Phase.PREPARING, Phase.FAILED, Phase.ROLLED_BACK) and state.weight_percent:
            problems.append(
                f"generation {state.generation}: {state.phase} with {state.weight_percent} % of the traffic"
            )
    for before, after in pairwise(states):
        step = f"generation {before.generation} -> {after.generation}"
        if after.generation == before.generation and _moved(before, after):
            problems.append(f"{step}: {before.phase} {before.weight_percent} % -> {after.phase} under one number")
        if after.generation < before.generation:
            problems.append(f"{step}: falls")
        if after.rollout < before.rollout:
            problems.append(f"{step}: rollout {before.rollout} -> {after.rollout}")
        # A write between the two was not seen; the ledger tells what it was.
        if after.generation == before.generation + 1 and after.phase not in PHASES[before.phase]:
            problems.append(f"{step}: {before.phase} -> {after.phase}")
    return problems


def _moved(before: RolloutState, after: RolloutState) -> bool:
    """Returns whether more than the progress differs: the evidence is saved from time to time without a transition."""
    return before.model_copy(update={"progress": None}) != after.model_copy(update={"progress": None})


def _ledger(entries: Sequence[Entry], steps_percent: Sequence[int]) -> list[str]:
    problems: list[str] = []
    walk = _Walk()
    generation = 0
    for entry in entries:
        if entry.action in NOTES:
            continue
        where = f"entry {entry.number} ({entry.action})"
        if entry.action not in AFTER:
            problems.append(f"{where}: nobody knows this action")
            continue
        if entry.generation is not None:
            if entry.generation <= generation:
                problems.append(f"{where}: generation {generation} -> {entry.generation}")
            generation = entry.generation
        if entry.action not in AFTER[walk.action]:
            problems.append(f"{where}: may not follow {walk.action or 'nothing'}")
        if entry.action in ("candidate", "retried"):
            walk = _Walk(entry.rollout)
        elif entry.action != "settled" and walk.rollout is not None and entry.rollout != walk.rollout:
            problems.append(f"{where}: tells of rollout {entry.rollout} inside rollout {walk.rollout}")
        problems += [f"{where}: {problem}" for problem in _weight(entry, walk, steps_percent)]
        walk.action = entry.action
        if entry.action in TERMINAL:
            walk.ended.append(entry.action)
            if len(walk.ended) > 1:
                problems.append(f"{where}: rollout {entry.rollout} had ended before ({', '.join(walk.ended)})")
    return problems


def _weight(entry: Entry, walk: _Walk, steps_percent: Sequence[int]) -> list[str]:
    """Returns what is wrong with a step: each comes once, in the declared order, and the last by promotion."""
    if entry.action == "stepping":
        walk.index = 0
    elif entry.action == "advanced":
        walk.index += 1
    elif entry.action == "promoted":
        missing = steps_percent[walk.index + 1 : -1]
        return [f"skips {list(missing)} %"] if missing else []
    else:
        return []
    if walk.index >= len(steps_percent):
        return ["is a step beyond the last one"]
    expected = steps_percent[walk.index]
    return [] if entry.weight_percent == expected else [f"{entry.weight_percent} %, expected {expected} %"]


def _sticky(entries: Sequence[Entry]) -> list[str]:
    """Returns where a digest that was rolled back or failed took traffic again although nobody asked for it."""
    problems: list[str] = []
    rejected: set[str] = set()
    judged = ""
    for entry in entries:
        candidate = entry.digests.get("candidate", "")
        if entry.action in STEPS:
            taking = entry.digests["live"] if entry.action == "promoted" else candidate
            if taking in rejected:
                problems.append(f"entry {entry.number} ({entry.action}): {taking[-6:]} was rejected before")
            judged = taking
        if entry.action in ("rolled_back", "failed"):
            rejected.add(candidate or judged)
        if entry.action in ("retried", "override"):
            rejected.discard(entry.digests["live"] if entry.action == "override" else candidate)
    return problems


def _told(states: Sequence[RolloutState], entries: Sequence[Entry]) -> list[str]:
    """Returns which changes of traffic or phase the ledger does not tell."""
    told = {entry.generation for entry in entries if entry.action not in NOTES}
    problems: list[str] = []
    for before, after in pairwise(states):
        moved = (before.live, before.phase, before.weight_percent) != (after.live, after.phase, after.weight_percent)
        between = range(before.generation + 1, after.generation + 1)
        if moved and not any(generation in told for generation in between):
            problems.append(
                f"generation {after.generation}: {before.phase} {before.weight_percent} % -> {after.phase} "
                f"{after.weight_percent} % is not in the ledger"
            )
    return problems
