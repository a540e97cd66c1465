"""Data-quality checks between loading and training: schema, ranges, nulls, duplicates, labels, freshness.

What is wrong with the data is a value, a `Finding` with the rows that fail; the pipeline decides to stop.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from shipway.contract.schema import Schema
from shipway.training.plan import Task, TrainingData

__all__ = ["Finding", "check_data"]

# As many failing rows as a person reads before fixing the cause.
_SHOWN_ROWS = 5

# A feature with no value in more rows than this is an outage of its source, not a gap.
_MAX_NULL_RATIO = 0.9

Ranges = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Finding:
    """One check that failed: what was expected, in how many rows it failed, and the first of them."""

    check: str
    expected: str
    failed_rows: int
    rows: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.check}: expected {self.expected}; {self.failed_rows} rows fail"]
        return "\n".join([*lines, *(f"    {row}" for row in self.rows)])


def check_data(data: TrainingData, schema: Schema, reads: Sequence[str], task: Task, ranges: Ranges) -> list[Finding]:
    """Returns every check that failed; empty when the data may be trained on.

    Args:
        data: what the plan loaded.
        schema: the request's fields.
        reads: the features the model reads, as `view:feature`.
        task: what the labels must look like.
        ranges: feature -> (least, greatest).
    """
    return [
        finding
        for part, rows, labels in (
            ("train", data.train, data.train_labels),
            ("validation", data.validation, data.validation_labels),
        )
        for finding in _check_part(part, rows, labels, schema, reads, task, ranges)
    ] + list(_freshness(data))


def _check_part(
    part: str,
    rows: pd.DataFrame,
    labels: "pd.Series[Any]",
    schema: Schema,
    reads: Sequence[str],
    task: Task,
    ranges: Ranges,
) -> Iterator[Finding]:
    expected, found = {*schema.names, *reads}, {str(column) for column in rows.columns}
    if expected != found:
        wrong = [
            *(f"missing {name}" for name in sorted(expected - found)),
            *(f"extra {n}" for n in sorted(found - expected)),
        ]
        yield Finding(f"{part} columns", "the fields of schema.py and the reads of model.yaml", len(rows), tuple(wrong))
        return
    if rows.empty:
        yield Finding(f"{part} rows", "at least one row", 0, ())
        return
    yield from _schema(part, rows, schema)
    yield from _ranges(part, rows, ranges)
    yield from _nulls(part, rows, reads)
    yield from _duplicates(part, rows)
    yield from _labels(part, rows, labels, task)


def _schema(part: str, rows: pd.DataFrame, schema: Schema) -> Iterator[Finding]:
    fields = list(schema.names)
    columns = [rows[field].tolist() for field in fields]
    violations = schema.check(dict(zip(fields, values, strict=True)) for values in zip(*columns, strict=True))
    if violations:
        shown = tuple(
            f"{rows.index[found.row]}: {found.field} {found.rule}: got {found.got}, expected {found.expected}"
            for found in violations[:_SHOWN_ROWS]
        )
        yield Finding(f"{part} schema", "rows that schema.py allows", len({v.row for v in violations}), shown)


def _ranges(part: str, rows: pd.DataFrame, ranges: Ranges) -> Iterator[Finding]:
    for name, (least, greatest) in ranges.items():
        outside = rows[name].notna() & ~rows[name].between(least, greatest)
        yield from _failing(f"{part} range of {name}", f"a value from {least} to {greatest}", rows[name], outside)


def _nulls(part: str, rows: pd.DataFrame, reads: Sequence[str]) -> Iterator[Finding]:
    for name in reads:
        missing = rows[name].isna()
        if missing.mean() > _MAX_NULL_RATIO:
            expected = f"a value in more than {1 - _MAX_NULL_RATIO:.0%} of the rows"
            yield from _failing(f"{part} nulls of {name}", expected, rows[name], missing)


def _duplicates(part: str, rows: pd.DataFrame) -> Iterator[Finding]:
    doubled = pd.Series(rows.index.duplicated(keep=False), index=rows.index)
    yield from _failing(f"{part} duplicates", "each unit once", pd.Series(rows.index, rows.index), doubled)


def _labels(part: str, rows: pd.DataFrame, labels: "pd.Series[Any]", task: Task) -> Iterator[Finding]:
    if not labels.index.equals(rows.index):
        yield Finding(f"{part} labels", "one label a row, by the same index", abs(len(labels) - len(rows)), ())
        return
    expected = "a label in every row"
    wrong = labels.isna()
    if task is Task.BINARY:
        expected, wrong = "0 or 1", wrong | ~labels.isin([0, 1])
    elif task is Task.REGRESSION:
        numbers = pd.Series(pd.to_numeric(labels, errors="coerce"), labels.index).astype(float)
        expected, wrong = "a finite number in every row", ~numbers.between(-np.inf, np.inf, inclusive="neither")
    yield from _failing(f"{part} labels", expected, labels, wrong)
    if labels.nunique() < 2:
        shown = f"every label is {labels.iloc[0]}"
        yield Finding(f"{part} labels", "at least two different labels", len(labels), (shown,))


def _freshness(data: TrainingData) -> Iterator[Finding]:
    age_seconds = (data.as_of - data.newest).total_seconds()
    if data.max_age_seconds is not None and not 0 <= age_seconds <= data.max_age_seconds:
        expected = f"the newest example at most {data.max_age_seconds:.0f} s before {data.as_of.isoformat()}"
        yield Finding("freshness", expected, 1, (f"the newest is of {data.newest.isoformat()} ({age_seconds:.0f} s)",))


def _failing(check: str, expected: str, values: "pd.Series[Any]", failing: "pd.Series[bool]") -> Iterator[Finding]:
    positions = [int(position) for position in np.flatnonzero(failing.to_numpy())]
    if positions:
        shown = tuple(f"{values.index[i]}: {values.iloc[i]}" for i in islice(positions, _SHOWN_ROWS))
        yield Finding(check, expected, len(positions), shown)
