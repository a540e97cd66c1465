"""What is predicted: yes or no, one of a few classes, or a number; and what the target's values are called then."""

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shipway.contract.errors import SpecError
from shipway.scaffold.inferred.profile import Form, Profile, profile
from shipway.training.csv_table import Table
from shipway.training.plan import Task

__all__ = ["CLASSIFICATION", "FEWEST_ROWS_A_CLASS", "KINDS", "MOST_CLASSES", "REGRESSION", "Target", "decide_target"]

# The kinds of the template that a table can become.
CLASSIFICATION, REGRESSION = "tabular-classification", "tabular-regression"
KINDS = (CLASSIFICATION, REGRESSION)

MOST_CLASSES = 20
# Both parts of the data need some of each class.
FEWEST_ROWS_A_CLASS = 10
# A column of whole numbers with no more different ones than this, each often, is taken for classes.
_MOST_NUMBERED_CLASSES = 10

# What stands for yes where a column says yes or no; elsewhere the rarer of two values is what one looks for.
_YES = frozenset({"1", "t", "true", "y", "yes"})


@dataclass(frozen=True)
class Target:
    """The decision.

    Args:
        column: the CSV's name of the target.
        task: what a prediction is.
        labels: value in the CSV -> label; empty for numbers, which are their own.
        why: one sentence for the person, with the way to say otherwise.
    """

    column: str
    task: Task
    labels: Mapping[str, int]
    why: str

    @property
    def kind(self) -> str:
        """The template's kind."""
        return REGRESSION if self.task is Task.REGRESSION else CLASSIFICATION


def decide_target(table: Table, column: str, kind: str) -> Target:
    """Returns what is predicted.

    Args:
        table: the examples.
        column: the target's.
        kind: one of `KINDS`, or empty to follow from the values.

    Raises:
        SpecError: for a target that is not there, has no value in some row, is the same everywhere, or cannot be of
            that kind.
    """
    if column not in table.columns:
        near = difflib.get_close_matches(column, table.names, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise SpecError(table.path, "--target", column, f"one of the columns {', '.join(table.names)}{hint}")
    found = profile(table, column)
    if found.nulls:
        got = f"no value in {found.nulls:,} rows, the first on line {table.line_of(column, None)}"
        raise SpecError(table.path, column, got, "a label in every row; remove the rows that have none")
    if found.form is Form.TIME:
        raise SpecError(table.path, column, "dates or times", "a number or a class to predict, such as days until then")
    distinct = len(found.numbers) if found.form in (Form.WHOLE, Form.NUMBER) else len(found.counts)
    if distinct == 1:
        value = next(iter(found.counts))
        got = f"{value!r} in every row"
        raise SpecError(table.path, column, got, "at least two different values; add examples of the others")
    if _is_regression(table, found, distinct, kind):
        why = f"{column} holds numbers: regression; `--kind {CLASSIFICATION}` predicts classes"
        return Target(column, Task.REGRESSION, {}, why)
    return _classes(table, found, distinct)


def _is_regression(table: Table, found: Profile, distinct: int, kind: str) -> bool:
    if kind == CLASSIFICATION:
        return False
    if kind == REGRESSION:
        if found.form is Form.TEXT:
            value = next(iter(found.counts))
            expected = f"numbers for --kind {REGRESSION}; leave --kind out, or choose another target"
            raise SpecError(table.path, found.name, value, expected)
        return True
    if found.form is Form.TEXT or distinct == 2:
        return False
    numbered = distinct <= _MOST_NUMBERED_CLASSES and min(found.counts.values()) >= FEWEST_ROWS_A_CLASS
    return not (found.form is Form.WHOLE and numbered)


def _classes(table: Table, found: Profile, distinct: int) -> Target:
    if distinct > MOST_CLASSES:
        # Text that is never the same twice is a description; numbers may be meant as such.
        other = f", or --kind {REGRESSION}" if found.form is not Form.TEXT else ""
        expected = f"at most {MOST_CLASSES}; group the rare ones{other}"
        raise SpecError(table.path, found.name, f"{distinct:,} classes", expected)
    labels = _two(found) if distinct == 2 else _several(found)
    _refuse_rare(table, found, labels)
    if distinct == 2:
        one = " or ".join(repr(value) for value, label in labels.items() if label == 1)
        why = f"{found.name} has two values: the probability of {one}"
        return Target(found.name, Task.BINARY, labels, why)
    why = f"{found.name} has {distinct} values: one of as many classes"
    if found.form is Form.WHOLE:
        why += f"; `--kind {REGRESSION}` predicts a number"
    return Target(found.name, Task.MULTICLASS, labels, why)


def _refuse_rare(table: Table, found: Profile, labels: Mapping[str, int]) -> None:
    # 1 and 1.0 are one class, however they are written.
    rows: Counter[int] = Counter()
    for value, label in labels.items():
        rows[label] += found.counts[value]
    label, count = min(rows.items(), key=lambda pair: pair[1])
    if count < FEWEST_ROWS_A_CLASS:
        value = next(value for value, one in labels.items() if one == label)
        other = f", or --kind {REGRESSION}" if found.form is not Form.TEXT else ""
        expected = f"at least {FEWEST_ROWS_A_CLASS} of each class; add some, or remove the class{other}"
        raise SpecError(table.path, found.name, f"{value!r} in {count} rows", expected)


def _two(found: Profile) -> dict[str, int]:
    """Returns 0 and 1 for two values: 1 is the greater number, the yes, or what is rarer."""
    if found.form is not Form.TEXT:
        least = found.numbers[0]
        return {value: int(float(value) > least) for value in sorted(found.counts, key=float)}
    yes = [value for value in found.counts if value.lower() in _YES]
    one = yes[0] if len(yes) == 1 else min(sorted(found.counts, reverse=True), key=lambda value: found.counts[value])
    return {value: int(value == one) for value in sorted(found.counts, key=lambda value: value == one)}


def _several(found: Profile) -> dict[str, int]:
    """Returns a label for each of several values: whole numbers are their own, all others are counted from 0."""
    if found.form is Form.WHOLE:
        return {value: int(value) for value in sorted(found.counts, key=int)}
    if found.form is Form.NUMBER:
        place = {value: code for code, value in enumerate(found.numbers)}
        return {value: place[float(value)] for value in sorted(found.counts, key=float)}
    return {value: code for code, value in enumerate(sorted(found.counts))}
