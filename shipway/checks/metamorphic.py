"""Metamorphic check: what must hold between answers, whatever the right answer is (Chen et al. 1998).

For every model: the same row gets the same answer, asked again, in another order, alone or among others, and of an
instance loaded anew; and each field that callers have to send can change an answer. For one model: what model.yaml
declares under `checks.relations`, and what the service's own checks.py does.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from shipway.checks.facts import Facts, Row, Values
from shipway.checks.finding import Finding, Status
from shipway.checks.relations import Relation
from shipway.contract.check import Behaviour, CheckName, RelationSpec
from shipway.contract.errors import SpecError
from shipway.contract.png import blank_png
from shipway.contract.schema import FieldKind, FieldSpec

__all__ = ["check_metamorphic"]

# The same changes whenever the same version is checked.
_SEED = 7

# Sums in another order, as in a batch of another size, differ in the last digits of a float of 32 bits.
_ROUNDING = 1e-5
_EXACT = 1e-9

# Points between the least and the greatest value seen, at which a declared growth is looked at.
_POINTS = 9
# Other values of a field that are tried in each row.
_OTHERS = 8


def check_metamorphic(facts: Facts) -> Iterator[Finding]:
    """Yields one finding for each law of every model and for each declared relation."""
    rows = facts.sample()
    answers = facts.ask(rows)
    yield from _laws(facts, rows, answers)
    yield _idle(facts, rows, answers)
    for number, relation in enumerate(facts.spec.checks.relations):
        yield _declared(facts, rows, answers, relation, number)
    for relation in facts.relations:
        yield _own(facts, rows, answers, relation)


def _laws(facts: Facts, rows: Sequence[Row], answers: Values) -> Iterator[Finding]:
    order = np.random.default_rng(_SEED).permutation(len(rows))
    shuffled = np.empty_like(answers)
    shuffled[order] = facts.ask([rows[int(place)] for place in order.tolist()])
    alone = np.array([facts.ask([row])[0] for row in rows])
    yield _same("asked again", answers, facts.ask(rows), "the model keeps something between two calls")
    yield _same("in another order", answers, shuffled, "a row's answer depends on its place")
    yield _same("alone and in a batch", answers, alone, "a row's answer depends on the rows beside it")
    yield _same("loaded anew", answers, facts.ask_anew(rows), "another instance of the version answers otherwise")


def _same(subject: str, answers: Values, others: Values, cause: str) -> Finding:
    scale = np.maximum(np.maximum(np.abs(answers), np.abs(others)), max(float(np.std(answers)), _EXACT))
    apart = np.abs(answers - others) / scale
    worst = int(np.argmax(apart))
    held = bool(apart[worst] <= _ROUNDING)
    said = f"{len(answers)} rows get the same answers"
    if not held:
        said = f"row {worst} gets {answers[worst]:.6g} and {others[worst]:.6g}: {cause}"
    return _finding(subject, held, said, float(apart[worst]), _ROUNDING, "ratio")


def _idle(facts: Facts, rows: Sequence[Row], answers: Values) -> Finding:
    """Returns which fields never change an answer; one that says whose features are read changes those."""
    allowed = {one.field for one in facts.spec.checks.relations if one.answer is Behaviour.SAME}
    # A segment may be sent only to be told apart by.
    allowed |= set(facts.spec.segments)
    names = [*facts.schema.names, *(read.name for read in facts.spec.features.reads)]
    idle = [name for name in names if name not in allowed and _never_matters(facts, rows, answers, name)]
    said = f"each of {len(names)} fields and features changes some answer"
    if idle:
        said = (
            f"no other value of {', '.join(idle)} changes an answer on {len(rows)} rows; do not ask callers for it, or "
            f"declare `answer: same` of it under checks.relations in {facts.path}"
        )
    return _finding("idle fields", not idle, said, float(len(idle)), 0.0, "fields")


def _never_matters(facts: Facts, rows: Sequence[Row], answers: Values, name: str) -> bool:
    if not (others := _other_values(facts, rows, name)):
        return False
    for value in others:
        changed = [{**row, name: value} for row in rows]
        if any(facts.entities(after) != facts.entities(row) for after, row in zip(changed, rows, strict=True)):
            return False
        if np.any(np.abs(facts.ask(changed) - answers) > _EXACT):
            return False
    return True


def _other_values(facts: Facts, rows: Sequence[Row], name: str) -> list[Any]:
    """Returns values of a field: some that the rows have, and the edges and values of the schema."""
    field = next((one for one in facts.schema.fields if one.name == name), None)
    seen: list[Any] = []
    for row in rows:
        if row.get(name) is not None and row[name] not in seen:
            seen.append(row[name])
    places = np.linspace(0, len(seen) - 1, min(_OTHERS, len(seen))).astype(int)
    found = [seen[place] for place in places]
    if field is not None:
        found += _of_schema(field)
    return found if len(found) > 1 else []


def _of_schema(field: FieldSpec) -> list[Any]:
    bounds = [bound for bound in (field.minimum, field.maximum) if bound is not None]
    match field.kind:
        case FieldKind.NUMBER:
            return bounds
        case FieldKind.INTEGER:
            return [int(bound) for bound in bounds]
        case FieldKind.VECTOR:
            return [[bound] * (field.length or 1) for bound in bounds]
        case FieldKind.CATEGORY:
            return list(field.values[:_OTHERS])
        case FieldKind.IMAGE if field.shape is not None:
            return [blank_png(field.shape)]
        case _:
            return []


def _declared(facts: Facts, rows: Sequence[Row], answers: Values, relation: RelationSpec, number: int) -> Finding:
    subject = f"{relation.field}: {relation.answer}"
    names = [*facts.schema.names, *(read.name for read in facts.spec.features.reads)]
    key = f"checks.relations.{number}.field"
    if relation.field not in names:
        raise SpecError(facts.path, key, relation.field, f"one of {', '.join(names)}")
    if relation.answer is Behaviour.SAME:
        others = _other_values(facts, rows, relation.field)
        worst, said = 0.0, f"{len(rows)} rows get the same answer under {len(others)} values"
        for value in others:
            after = facts.ask([{**row, relation.field: value} for row in rows])
            place = int(np.argmax(np.abs(after - answers)))
            if (apart := float(abs(after[place] - answers[place]))) > max(worst, relation.tolerance + _EXACT):
                said = f"with {_short(value)} row {place} gets {after[place]:.6g} and not {answers[place]:.6g}"
            worst = max(worst, apart)
    else:
        worst, said = _growth(facts, rows, relation, key)
    held = worst <= relation.tolerance + _EXACT
    return _finding(subject, held, said, worst, relation.tolerance, "of the answer")


def _growth(facts: Facts, rows: Sequence[Row], relation: RelationSpec, key: str) -> tuple[float, str]:
    """Returns by how much the answer goes the wrong way at most as the field grows, and the words for it."""
    field = next((one for one in facts.schema.fields if one.name == relation.field), None)
    if field is not None and field.kind not in (FieldKind.NUMBER, FieldKind.INTEGER):
        expected = f"a number: a {field.kind} does not grow; `answer: same` holds for any field"
        raise SpecError(facts.path, key, relation.field, expected)
    seen = np.array([row[relation.field] for row in rows if row.get(relation.field) is not None], dtype=float)
    points = np.linspace(float(seen.min()), float(seen.max()), _POINTS) if len(seen) else np.zeros(0)
    if field is not None and field.kind is FieldKind.INTEGER:
        points = np.unique(np.round(points))
    plain: list[Any] = [int(one) if field and field.kind is FieldKind.INTEGER else float(one) for one in points]
    if len(set(plain)) < 2:
        raise SpecError(facts.path, key, relation.field, "two values of it in the held-out rows to compare")
    sign = 1.0 if relation.answer is Behaviour.NOT_LOWER else -1.0
    told = sign * np.stack([facts.ask([{**row, relation.field: value} for row in rows]) for value in plain])
    # Against the greatest answer to any smaller value: a slow way down is as wrong as a step.
    highest = np.maximum.accumulate(told, axis=0)
    fall = highest - told
    place, row = np.unravel_index(int(np.argmax(fall)), fall.shape)
    before = int(np.argmax(told[: place + 1, row]))
    said = f"on {len(rows)} rows and {len(plain)} values from {plain[0]:g} to {plain[-1]:g}"
    if (worst := float(fall[place, row])) > relation.tolerance + _EXACT:
        said = (
            f"row {row} gets {sign * told[before, row]:.6g} at {plain[before]:g} and "
            f"{sign * told[place, row]:.6g} at {plain[place]:g}"
        )
    return worst, said


def _own(facts: Facts, rows: Sequence[Row], answers: Values, relation: Relation) -> Finding:
    rng = np.random.default_rng(_SEED)
    pairs = [(place, changed) for place, row in enumerate(rows) if (changed := relation.change(row, rng)) is not None]
    subject = f"checks.py: {relation.name}"
    if not pairs:
        return Finding(
            check=CheckName.METAMORPHIC,
            subject=subject,
            status=Status.UNDECIDED,
            sentence=f"it says nothing about any of {len(rows)} held-out rows",
        )
    after = facts.ask([changed for _, changed in pairs])
    before = answers[[place for place, _ in pairs]]
    apart = after - before
    missed = {
        Behaviour.SAME: np.abs(apart),
        Behaviour.NOT_LOWER: np.maximum(-apart, 0.0),
        Behaviour.NOT_HIGHER: np.maximum(apart, 0.0),
    }[relation.answer]
    worst = int(np.argmax(missed))
    held = bool(missed[worst] <= relation.tolerance + _EXACT)
    said = f"holds on {len(pairs)} rows"
    if not held:
        said = f"row {pairs[worst][0]} gets {before[worst]:.6g}, changed {after[worst]:.6g}"
    return _finding(subject, held, said, float(missed[worst]), relation.tolerance, "of the answer")


def _finding(subject: str, held: bool, said: str, value: float, bound: float, unit: str) -> Finding:
    return Finding(
        check=CheckName.METAMORPHIC,
        subject=subject,
        status=Status.PASSED if held else Status.FAILED,
        sentence=said,
        value=value,
        bound=bound,
        unit=unit,
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
