import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.plan import Task, TrainingData
from shipway.training.quality import check_data

SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER, minimum=0, maximum=1),))
READS = ["view:y"]
NOW = datetime(2020, 1, 1, tzinfo=UTC)


def good() -> TrainingData:
    index = pd.Index([f"unit-{number}" for number in range(20)])
    rows = pd.DataFrame({"x": np.linspace(0, 1, 20), "view:y": 5.0}, index=index)
    labels = pd.Series([0, 1] * 10, index=index)
    return TrainingData(rows, labels, rows.copy(), labels.copy(), "v", NOW, NOW - timedelta(hours=1), 7200.0)


def findings(data: TrainingData) -> list[str]:
    return [str(found) for found in check_data(data, SCHEMA, READS, Task.BINARY, {"view:y": (0, 10)})]


def changed(change: Callable[[pd.DataFrame, "pd.Series[int]"], tuple[pd.DataFrame, "pd.Series[int]"]]) -> TrainingData:
    data = good()
    rows, labels = change(data.train.copy(), data.train_labels.copy())
    return dataclasses.replace(data, train=rows, train_labels=labels)


def put(column: str, row: int, value: object) -> Callable[..., tuple[pd.DataFrame, "pd.Series[int]"]]:
    def change(rows: pd.DataFrame, labels: "pd.Series[int]") -> tuple[pd.DataFrame, "pd.Series[int]"]:
        rows[column] = rows[column].astype(object)
        rows.loc[f"unit-{row}", column] = value
        return rows, labels

    return change


CASES: dict[str, tuple[TrainingData, str]] = {
    "a field out of range": (
        changed(put("x", 2, 7.0)),
        "train schema: expected rows that schema.py allows; 1 rows fail\n"
        "    unit-2: x range: got 7.0, expected a value from 0.0 to 1.0",
    ),
    "a null field": (
        changed(put("x", 3, None)),
        "train schema: expected rows that schema.py allows; 1 rows fail\n    unit-3: x null: got None, expected a value",  # noqa: E501
    ),
    "a feature out of range": (
        changed(lambda rows, labels: (rows.assign(**{"view:y": [99.0] + [5.0] * 19}), labels)),
        "train range of view:y: expected a value from 0 to 10; 1 rows fail\n    unit-0: 99.0",
    ),
    "a missing column": (
        changed(lambda rows, labels: (rows.drop(columns="view:y").assign(z=1), labels)),
        "train columns: expected the fields of schema.py and the reads of model.yaml; 20 rows fail\n"
        "    missing view:y\n    extra z",
    ),
    "no rows": (
        changed(lambda rows, labels: (rows.iloc[:0], labels.iloc[:0])),
        "train rows: expected at least one row; 0 rows fail",
    ),
    "a label that is no label": (
        changed(lambda rows, labels: (rows, labels.where(labels.index != "unit-4", 2))),
        "train labels: expected 0 or 1; 1 rows fail\n    unit-4: 2",
    ),
    "one label only": (
        changed(lambda rows, labels: (rows, labels * 0)),
        "train labels: expected at least two different labels; 20 rows fail\n    every label is 0",
    ),
    "labels of other rows": (
        changed(lambda rows, labels: (rows, labels.iloc[::-1])),
        "train labels: expected one label a row, by the same index; 0 rows fail",
    ),
    "old data": (
        dataclasses.replace(good(), newest=NOW - timedelta(hours=3)),
        "freshness: expected the newest example at most 7200 s before 2020-01-01T00:00:00+00:00; 1 rows fail\n"
        "    the newest is of 2019-12-31T21:00:00+00:00 (10800 s)",
    ),
    "data from the future": (
        dataclasses.replace(good(), newest=NOW + timedelta(hours=1)),
        "freshness: expected the newest example at most 7200 s before 2020-01-01T00:00:00+00:00; 1 rows fail\n"
        "    the newest is of 2020-01-01T01:00:00+00:00 (-3600 s)",
    ),
}


def test_good_data_passes() -> None:
    """There is nothing to say about it."""
    assert findings(good()) == []


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_found_and_shown(case: str) -> None:
    """The check, what it expected, how many rows fail and the first of them."""
    data, message = CASES[case]
    assert findings(data) == [message]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1.5, 2.0] * 10, ""),
        ([1.5, float("inf")] * 10, "train labels: expected a finite number in every row; 10 rows fail"),
        (["1.5", "much"] * 10, "train labels: expected a finite number in every row; 10 rows fail"),
        ([1.5] * 20, "train labels: expected at least two different labels; 20 rows fail"),
    ],
)
def test_the_labels_of_a_regression_are_numbers_that_differ(labels: list[object], message: str) -> None:
    """Any finite number will do; a constant can teach nothing."""
    data = changed(lambda rows, _: (rows, pd.Series(labels, rows.index, dtype=object)))
    found = [str(one) for one in check_data(data, SCHEMA, READS, Task.REGRESSION, {"view:y": (0, 10)})]
    assert [one.partition("\n")[0] for one in found] == ([message] if message else [])


def test_an_outage_is_found_but_gaps_are_not() -> None:
    """A feature may be missing here and there, not nearly everywhere."""
    gaps = changed(lambda rows, labels: (rows.assign(**{"view:y": [np.nan] * 10 + [5.0] * 10}), labels))
    outage = changed(lambda rows, labels: (rows.assign(**{"view:y": [np.nan] * 19 + [5.0]}), labels))
    assert findings(gaps) == []
    assert findings(outage)[0].startswith("train nulls of view:y: expected a value in more than 10% of the rows; 19")


def test_doubled_units_are_shown() -> None:
    """An example that is there twice would count twice."""

    def double(rows: pd.DataFrame, labels: "pd.Series[int]") -> tuple[pd.DataFrame, "pd.Series[int]"]:
        index = pd.Index(["unit-0", "unit-0", *rows.index[2:]])
        return rows.set_axis(index), labels.set_axis(index)

    message = "train duplicates: expected each unit once; 2 rows fail\n    unit-0: unit-0\n    unit-0: unit-0"
    assert findings(changed(double)) == [message]
