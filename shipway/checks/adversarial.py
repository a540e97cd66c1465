"""Adversarial check: nothing that can be sent breaks the slot, and numbers moved by a little move answers by little."""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shipway.checks.cases import Case, cases
from shipway.checks.facts import Facts, Reply, Values
from shipway.checks.finding import Finding, Status
from shipway.contract.check import CheckName
from shipway.contract.schema import FieldKind, FieldSpec
from shipway.serving.outputs import example_row
from shipway.training.plan import Task

__all__ = ["check_adversarial", "wrong_answer", "wrong_reply"]

# The same noise whenever the same version is checked.
_SEED = 7
_QUANTILE = 0.95
_REFUSED = frozenset({400, 413, 415, 422})


def check_adversarial(facts: Facts) -> Iterator[Finding]:
    """Yields one finding for each kind of hostile request, whether the slot is as before, and whether answers stay."""
    row = example_row(facts.schema)
    plain = json.dumps({"rows": [row]}).encode()
    before = facts.send(plain)
    asked: dict[str, int] = defaultdict(int)
    wrong: dict[str, list[str]] = defaultdict(list)
    for case in cases(facts.schema, row):
        asked[case.group] += 1
        if problem := wrong_reply(case, facts.send(case.body), facts.task):
            wrong[case.group].append(f"{case.name}: {problem}")
    for group, count in asked.items():
        yield _group(group, count, wrong[group])
    yield _afterwards(before, facts.send(plain), facts.task)
    yield _stability(facts)


def wrong_reply(case: Case, reply: Reply, task: Task) -> str:
    """Returns what is wrong with the reply to a case, empty for nothing."""
    if case.valid:
        return wrong_answer(reply, 1, task)
    if reply.status == 0:
        return "the connection broke, expected a refusal"
    if reply.status not in _REFUSED:
        return f"status {reply.status}, expected a refusal with 400: it is outside of the schema"
    if not reply.document.get("error"):
        return f"status {reply.status} without a word, expected `error` in the body"
    return ""


def wrong_answer(reply: Reply, rows: int, task: Task) -> str:
    """Returns what is wrong with the reply to a valid request of `rows` rows, empty for nothing."""
    if reply.status == 0:
        return "the connection broke, expected an answer"
    if reply.status != 200:
        said = str(reply.document.get("error", ""))[:120]
        return f"status {reply.status} ({said}), expected an answer: it fits the schema"
    if reply.document.get("source") != "model":
        return f"answered by {reply.document.get('source')!r}: the model itself failed"
    given: object = reply.document.get("predictions")
    if not isinstance(given, list) or len(cast(list[object], given)) != rows:
        return f"got {given!r}, expected {rows} predictions"
    outside = [value for value in cast(list[object], given) if not _in_range(value, task)]
    return f"the answer is {outside[0]!r}, expected {_RANGES[task]}" if outside else ""


_RANGES = {
    Task.BINARY: "a probability from 0 to 1",
    Task.MULTICLASS: "the number of a class",
    Task.REGRESSION: "a finite number",
}


def _in_range(value: object, task: Task) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return False
    return task is not Task.BINARY or 0 <= value <= 1


def _group(group: str, count: int, wrong: list[str]) -> Finding:
    if not wrong:
        return _finding(group, Status.PASSED, f"{count} requests answered or refused as they should be", 0)
    more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return _finding(group, Status.FAILED, f"{wrong[0]}{more}", len(wrong))


def _afterwards(before: Reply, after: Reply, task: Task) -> Finding:
    problem = wrong_answer(after, 1, task)
    if not problem and before.document.get("predictions") != after.document.get("predictions"):
        told = f"{before.document.get('predictions')} before and {after.document.get('predictions')} after"
        problem = f"the same request got {told}: something of them stayed in the model"
    status = Status.FAILED if problem else Status.PASSED
    return _finding("after all of them", status, problem or "the example is answered as before", int(bool(problem)))


def _finding(subject: str, status: Status, sentence: str, wrong: int) -> Finding:
    return Finding(
        check=CheckName.ADVERSARIAL,
        subject=subject,
        status=status,
        sentence=sentence,
        value=float(wrong),
        bound=0.0,
        unit="requests",
    )


def _stability(facts: Facts) -> Finding:
    """Returns whether answers stay where they are when every number is moved by a little."""
    spec, rows = facts.spec.checks, facts.sample()
    rng = np.random.default_rng(_SEED)
    moved = [dict(row) for row in rows]
    fields = [field for field in facts.schema.fields if field.kind in (FieldKind.NUMBER, FieldKind.VECTOR)]
    features = [read.name for read in facts.spec.features.reads]
    for field in fields:
        _move(moved, field.name, spec.noise_ratio, rng, field)
    for name in features:
        _move(moved, name, spec.noise_ratio, rng, None)
    subject = f"noise of {spec.noise_ratio:.1%} of each number's spread"
    if not fields and not features:
        return Finding(
            check=CheckName.ADVERSARIAL, subject=subject, status=Status.SKIPPED, sentence="no field is a number"
        )
    change = _change(facts.task, facts.ask(rows), facts.ask(moved))
    held = change <= spec.stable_change_ratio
    words = "of the answers change class" if facts.task is Task.MULTICLASS else "of their spread, 95 of 100 answers"
    return Finding(
        check=CheckName.ADVERSARIAL,
        subject=subject,
        status=Status.PASSED if held else Status.FAILED,
        sentence=f"answers move by {change:.2%} {words}, on {len(rows)} rows",
        value=change,
        bound=spec.stable_change_ratio,
        unit="ratio",
    )


def _change(task: Task, before: Values, after: Values) -> float:
    if task is Task.MULTICLASS:
        return float(np.count_nonzero(before != after) / len(before))
    apart = float(np.quantile(np.abs(after - before), _QUANTILE))
    spread = float(np.std(before))
    # A model that always says the same has no spread, and moves nowhere.
    return apart / spread if spread > 0 else float(apart > 0)


def _move(
    rows: list[dict[str, Any]], name: str, ratio: float, rng: np.random.Generator, field: FieldSpec | None
) -> None:
    """Moves the values of one field in place, within its bounds; what is null stays null."""
    known = [number for number, row in enumerate(rows) if row.get(name) is not None]
    if not known:
        return
    values: NDArray[np.float64] = np.array([rows[number][name] for number in known], dtype=float)
    values = values + ratio * float(np.std(values)) * rng.choice((-1.0, 1.0), size=values.shape)
    if field is not None:
        low = -np.inf if field.minimum is None else field.minimum
        values = np.clip(values, low, np.inf if field.maximum is None else field.maximum)
    for number, value in zip(known, values.tolist(), strict=True):
        rows[number][name] = value
