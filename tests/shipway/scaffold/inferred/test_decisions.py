"""From the columns of a CSV to fields, target and task; each refusal in one sentence that says what to do."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind
from shipway.scaffold.inferred.decisions import FEWEST_ROWS, Options, bounds, infer
from shipway.training.plan import Task
from tests.shipway.scaffold.inferred.tables import ROWS, columns, table

DAYS = [f"2013-{1 + number // 28:02}-{1 + number % 28:02}" for number in range(ROWS)]


def decided(folder: Path, data: dict[str, list[object]], **options: Any) -> dict[str, Any]:
    """Returns field name -> what was decided of it, of a table with `sold` to predict."""
    found = infer(table(folder, data), Options(**{"target": "sold", **options}))
    return {one.field.name: one for one in found.fields}


def test_a_plain_table_is_decided_whole(tmp_path: Path) -> None:
    """Numbers with slack, whole numbers, a closed set of categories; the example row is one of the file's."""
    found = infer(table(tmp_path, columns()), Options(target="sold"))
    fields = {one.field.name: one.field for one in found.fields}
    assert {name: field.kind for name, field in fields.items()} == {
        "size_m2": FieldKind.NUMBER,
        "rooms": FieldKind.INTEGER,
        "town": FieldKind.CATEGORY,
    }
    assert (fields["size_m2"].minimum, fields["size_m2"].maximum) == (0, 120)
    assert (fields["rooms"].minimum, fields["rooms"].maximum) == (0, 9)
    assert fields["town"].values == ("Basel", "Bern", "Genf")
    assert not any(field.nullable for field in fields.values())
    assert (found.target.task, found.target.labels) == (Task.BINARY, {"0": 0, "1": 1})
    assert found.request == {"size_m2": 20.0, "rooms": 1, "town": "Bern"}
    assert found.notes[1] == "renamed for requests: 'Size (m2)' is size_m2"
    assert (found.left_out, found.time) == ((), "")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([number % 2 for number in range(ROWS)], FieldKind.INTEGER, {"minimum": 0, "maximum": 1}),
        ([-(number % 9) - 100.5 for number in range(ROWS)], FieldKind.NUMBER, {"minimum": -120, "maximum": -92}),
        ([number % 9 or None for number in range(ROWS)], FieldKind.INTEGER, {"nullable": True}),
        (["x" if number % 40 else f"y{number}" for number in range(ROWS)], FieldKind.CATEGORY, {"values": ()}),
        (
            [f"{number % 7:03}" for number in range(ROWS)],
            FieldKind.CATEGORY,
            {"values": tuple(f"00{n}" for n in range(7))},
        ),
        ([number % 5 > 2 for number in range(ROWS)], FieldKind.CATEGORY, {"values": ("False", "True")}),
        (DAYS, FieldKind.TIMESTAMP, {"example": "2013-01-01T00:00:00+00:00"}),
    ],
    ids=["flag", "negative", "null", "open", "code", "truth", "day"],
)
def test_each_kind_of_column(
    tmp_path: Path, values: list[object], kind: FieldKind, expected: dict[str, object]
) -> None:
    """A flag stays one, a sign is not crossed, a leading zero is kept, rare categories leave the set open."""
    field = decided(tmp_path, columns(extra=values))["extra"].field
    assert field.kind is kind
    assert {name: getattr(field, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("customer", [f"c-{number:05}" for number in range(ROWS)], "it numbers the rows or names a thing"),
        ("Unnamed: 0", range(ROWS), "it numbers the rows or names a thing"),
        ("customer_id", [number * 7919 % 10007 for number in range(ROWS)], "it numbers the rows or names a thing"),
        ("row", [f"{number}.0" for number in range(ROWS)], "it numbers the rows or names a thing"),
        (
            "user_id",
            [f"{number}.0" if number else "" for number in range(ROWS)],
            "it numbers the rows or names a thing",
        ),
        ("tweet", [10**18 + 7919 * number for number in range(ROWS)], "it numbers the rows or names a thing"),
        ("remark", [f"remark {number // 2}" for number in range(ROWS)], "60 different texts, too many or too long"),
        ("when", [f"{1 + number // 4}/{number % 4 + 1}/2013" for number in range(ROWS)], "write them as 2013-05-31"),
        ("answer", ["yes" if one else "no" for one in columns()["sold"]], "it tells sold in every row"),
    ],
)
def test_a_column_that_says_nothing_is_left_out_and_can_be_kept(
    tmp_path: Path, name: str, values: list[object], why: str
) -> None:
    """With the reason; `--keep` takes it in all the same."""
    data = columns(**{name: list(values)})
    found = infer(table(tmp_path, data), Options(target="sold"))
    [gone] = found.left_out
    assert gone.column == name
    assert why in gone.why
    assert gone.is_warning == (name == "answer")
    kept = infer(table(tmp_path, data), Options(target="sold", keep=(name,)))
    assert kept.left_out == ()
    assert name in {one.column for one in kept.fields}


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.tuples(finite, finite).map(sorted))
def test_a_range_holds_what_was_seen_and_gets_no_sign_anew(seen: list[float]) -> None:
    """However small, great or negative."""
    low, high = seen
    least, greatest = bounds(low, high)
    assert least <= low <= high <= greatest
    assert math.isfinite(least)
    assert math.isfinite(greatest)
    assert least >= 0 or low < 0
    assert greatest <= 0 or high >= 0


@pytest.mark.parametrize(
    ("values", "kind", "task", "labels"),
    [
        (["no", "yes"], "", Task.BINARY, {"no": 0, "yes": 1}),
        (["B", "B", "M"], "", Task.BINARY, {"B": 0, "M": 1}),
        ([1, 2], "", Task.BINARY, {"1": 0, "2": 1}),
        (["0.0", "1"], "", Task.BINARY, {"0.0": 0, "1": 1}),
        (["c", "a", "b"], "", Task.MULTICLASS, {"a": 0, "b": 1, "c": 2}),
        ([3, 1, 2], "", Task.MULTICLASS, {"1": 1, "2": 2, "3": 3}),
        ([3, 1, 2], "tabular-regression", Task.REGRESSION, {}),
        ([0.5, 1, 2], "", Task.REGRESSION, {}),
        ([0.5, 1, 2], "tabular-classification", Task.MULTICLASS, {"0.5": 0, "1": 1, "2": 2}),
        (list(range(12)), "", Task.REGRESSION, {}),
        # Three of a kind of which there are nine rows at most: a grade, not a class.
        ([*[5, 6, 7] * 13, 9], "", Task.REGRESSION, {}),
    ],
)
def test_the_task_follows_from_the_target(
    tmp_path: Path, values: list[object], kind: str, task: Task, labels: dict[str, int]
) -> None:
    """Two values are yes and no, a few are classes, many numbers are a number; `--kind` says otherwise."""
    data = columns(sold=[values[number % len(values)] for number in range(ROWS)])
    found = infer(table(tmp_path, data), Options(target="sold", kind=kind)).target
    assert (found.task, found.labels) == (task, labels)
    assert found.kind == ("tabular-regression" if task is Task.REGRESSION else "tabular-classification")


def test_the_only_complete_time_says_when_a_row_was(tmp_path: Path) -> None:
    """One is taken, of two neither is unless it is named; one with gaps never is."""
    assert infer(table(tmp_path, columns(day=DAYS)), Options(target="sold")).time == "day"
    two = table(tmp_path, columns(day=DAYS, paid=list(reversed(DAYS))))
    assert infer(two, Options(target="sold")).time == ""
    assert "`--time day` validates on the newest instead" in infer(two, Options(target="sold")).notes[-1]
    assert infer(two, Options(target="sold", time="paid")).time == "paid"
    assert infer(table(tmp_path, columns(day=["", *DAYS[1:]])), Options(target="sold")).time == ""


@pytest.mark.parametrize(
    ("days", "time"),
    [
        (list(reversed(DAYS)), "day"),
        ([*DAYS[1:], DAYS[0]], "day"),
        # Of birth, say.
        ([DAYS[number * 7 % ROWS] for number in range(ROWS)], ""),
        # Two snapshots: no row is older than the newest quarter begins.
        (["2013-01-01"] * (ROWS - 24) + ["2013-02-01"] * 24, ""),
    ],
    ids=["newest first", "one late", "in no order", "two snapshots"],
)
def test_what_says_when_a_row_was_has_the_order_of_the_rows(tmp_path: Path, days: list[str], time: str) -> None:
    """Else rows are split by what they hold, and it is said how to have it otherwise."""
    found = infer(table(tmp_path, columns(day=list(days))), Options(target="sold"))
    assert found.time == time
    assert ("`--time day` validates on the newest instead" in found.notes[-1]) == (time == "")


MIXED = [str(number) for number in range(ROWS - 1)]

REFUSED: list[tuple[str, dict[str, list[Any]], dict[str, Any], str]] = [
    (
        "no target",
        {},
        {"target": "Sold"},
        "--target: got 'Sold', expected one of the columns Size (m2), rooms, town, sold; did you mean 'sold'?",
    ),
    (
        "null target",
        {"sold": ["", *columns()["sold"][1:]]},
        {},
        "sold: got 'no value in 1 rows, the first on line 2', expected a label in every row; remove the "
        "rows that have none",
    ),
    (
        "one class",
        {"sold": [1] * ROWS},
        {},
        "sold: got \"'1' in every row\", expected at least two different values; add examples of the others",
    ),
    (
        "classes",
        {"sold": [f"c{n % 30}" for n in range(ROWS)]},
        {},
        "sold: got '30 classes', expected at most 20; group the rare ones",
    ),
    (
        "rare",
        {"sold": ["a"] * (ROWS - 9) + ["b"] * 9},
        {},
        "sold: got \"'b' in 9 rows\", expected at least 10 of each class; add some, or remove the class",
    ),
    (
        "texts",
        {"sold": ["a", "b"] * (ROWS // 2)},
        {"kind": "tabular-regression"},
        "expected numbers for --kind tabular-regression; leave --kind out",
    ),
    (
        "time target",
        {"sold": DAYS},
        {},
        "sold: got 'dates or times', expected a number or a class to predict",
    ),
    (
        "mixed",
        {"rooms": [*MIXED, "many"]},
        {},
        "line 121, rooms: got 'many', expected a number, as in 119 other rows; correct the 1 that differ,"
        " leave them empty, or `--leave-out rooms`",
    ),
    (
        "mixed times",
        {"rooms": [*DAYS[1:], "soon"]},
        {},
        "line 121, rooms: got 'soon', expected an ISO 8601 date or time, as in 119 other rows",
    ),
    (
        "infinite",
        {"rooms": [*MIXED, "inf"]},
        {},
        "line 121, rooms: got 'inf', expected a number",
    ),
    (
        "empty",
        {"Size (m2)": [""] * ROWS},
        {},
        "Size (m2): got 'no value in any row', expected a value in some row; `--leave-out 'Size (m2)'` goes on",
    ),
    (
        "constant",
        {"rooms": [3] * ROWS, "town": ["x"] * ROWS},
        {},
        "rooms: got \"'3' in every row\", expected at least two different values, or nothing can be learnt "
        "from it; go on with `--leave-out rooms --leave-out town`",
    ),
    (
        "unknown",
        {},
        {"leave_out": ("room",)},
        "--leave-out: got 'room', expected one of the columns Size (m2), rooms, town",
    ),
    (
        "both",
        {},
        {"leave_out": ("rooms",), "keep": ("rooms",)},
        "--leave-out: got 'rooms', expected a column that is not asked for by --keep or --time as well",
    ),
    (
        "no time",
        {},
        {"time": "town"},
        "--time town: got 'Bern', expected an ISO 8601 date or time in every row",
    ),
    (
        "two days",
        {"day": ["2013-01-01"] * (ROWS - 24) + ["2013-02-01"] * 24},
        {"time": "day"},
        f"--time day: got '2013-01-01 in {ROWS - 24} of {ROWS} rows', expected a column by which half of the rows",
    ),
    (
        "decimal comma",
        {"price": [f"{number},5" for number in range(ROWS)]},
        {},
        "line 2, price: got '0,5', expected numbers as programs write them, such as 1234.5",
    ),
    (
        "thousands",
        {"sold": [f"{number % 9 + 1}'{number + 100}" for number in range(ROWS)]},
        {},
        'line 2, sold: got "1\'100", expected numbers as programs write them',
    ),
    (
        "spaces",
        {"price": [f"1 {number + 100},25" for number in range(ROWS)]},
        {},
        "without a decimal comma or a sign between thousands; rewrite them, or `--leave-out price`",
    ),
    (
        "rare number",
        {"sold": [*[5, 6, 7] * ((ROWS - 1) // 3), *[9] * (ROWS - (ROWS - 1) // 3 * 3)]},
        {"kind": "tabular-classification"},
        "of each class; add some, or remove the class, or --kind tabular-regression",
    ),
    (
        "nothing",
        {},
        {"leave_out": ("Size (m2)", "rooms", "town")},
        "expected at least one column to predict from; `--keep COLUMN` takes one in",
    ),
]


@pytest.mark.parametrize(("data", "options", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_table_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, data: dict[str, list[object]], options: dict[str, Any], message: str
) -> None:
    """The error names file, column or option, value, what was expected and the way on."""
    with pytest.raises(SpecError) as refused:
        decided(tmp_path, columns(**data), **options)
    assert str(refused.value).startswith(str(tmp_path / "houses.csv"))
    assert message in str(refused.value)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """No gate could tell a model from luck."""
    few = {name: values[: FEWEST_ROWS - 1] for name, values in columns().items()}
    with pytest.raises(SpecError, match="got '99 rows', expected at least 100; collect more examples first"):
        decided(tmp_path, few)
