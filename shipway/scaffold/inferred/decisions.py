"""From the columns of a CSV to the fields of a request: what each is, what is left out, and why."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.scaffold.inferred.names import field_name, field_names
from shipway.scaffold.inferred.profile import Form, Profile, profile, quoted
from shipway.scaffold.inferred.target import Target, decide_target
from shipway.training.csv_table import Table
from shipway.training.examples import moment, number, whole_number

__all__ = ["FEWEST_ROWS", "VALIDATION_RATIO", "Decided", "Inference", "LeftOut", "Options", "bounds", "infer"]

# A quarter is for validation; with fewer no gate could tell a model from luck.
FEWEST_ROWS = 100

VALIDATION_RATIO = 0.25
# Of the steps from one row to the next; an export is seldom without a late row.
_MOST_AGAINST_RATIO = 0.05

# A category has a code only if it is met often enough to learn from.
_MOST_CATEGORIES = 200
_ROWS_A_CATEGORY = 5
# A sentence is no category.
_LONGEST_CATEGORY = 80
# So few values, each met often, are all there are: another one is a caller's mistake.
_MOST_CLOSED = 20

# How far outside of what was seen a number may lie, in widths of what was seen.
_SLACK = 1.0
_DIGITS = 2
_GREATEST = sys.float_info.max

# A date with the parts in another order, or between other signs.
_OTHER_DATE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}\b")

# Names of columns that number rows, customers or things.
_ID_WORDS = frozenset({"guid", "id", "key", "uuid"})


@dataclass(frozen=True)
class Options:
    """What a person says beside the file.

    Args:
        target: the CSV's name of the column to predict.
        kind: of the template, empty to follow from the target.
        leave_out, keep: columns that are no field, and columns that are one whatever their values look like.
        time: the column that says when a row was; empty for the only one there is, if there is one.
    """

    target: str
    kind: str = ""
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    time: str = ""


@dataclass(frozen=True)
class Decided:
    """One field.

    Args:
        column: the CSV's name of it.
        field: as the schema has it.
        categories: the values that have a code, in order; empty for what is no category.
    """

    column: str
    field: FieldSpec
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A column that is no field, and why; a warning where the person should look at it."""

    column: str
    why: str
    is_warning: bool = False


@dataclass(frozen=True)
class Inference:
    """Everything that follows from the CSV alone.

    Args:
        target: what is predicted.
        fields: in the CSV's order.
        left_out: the other columns but the target.
        time: the field that says when a row was, empty where none does.
        rows: how many examples there are.
        request: one row as a caller would send it.
        notes: sentences for the person.
    """

    target: Target
    fields: tuple[Decided, ...]
    left_out: tuple[LeftOut, ...]
    time: str
    rows: int
    request: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def schema(self) -> Schema:
        """The fields as a schema."""
        return Schema(fields=tuple(one.field for one in self.fields))

    @property
    def renamed(self) -> dict[str, str]:
        """Field -> the CSV's name of its column, where it is another one."""
        return {one.field.name: one.column for one in self.fields if one.field.name != one.column}


def infer(table: Table, options: Options) -> Inference:
    """Returns what follows from `table`.

    Raises:
        SpecError: naming the option, or the column and the value that is wrong, and what would do.
    """
    if len(table) < FEWEST_ROWS:
        raise SpecError(table.path, "", f"{len(table)} rows", f"at least {FEWEST_ROWS}; collect more examples first")
    target = decide_target(table, options.target, options.kind)
    _refuse_unknown(table, options)
    profiles: list[Profile] = []
    left_out = [LeftOut(name, "as you said") for name in options.leave_out]
    for name in table.names:
        if name == target.column or name in options.leave_out:
            continue
        found = profile(table, name)
        why = None if name in {*options.keep, options.time} else _reason(table, found, target)
        left_out += [why] if why else []
        profiles += [] if why else [found]
    _refuse_constant(table, profiles)
    if not profiles:
        gone = "; ".join(f"{one.column}: {one.why}" for one in left_out) or "there is no other column"
        expected = "at least one column to predict from; `--keep COLUMN` takes one in"
        raise SpecError(table.path, "", f"no column beside {target.column} ({gone})", expected)
    names = field_names(table.path, [one.name for one in profiles])
    example = _example(table, profiles)
    fields = tuple(_decide(one, names[one.name], table.columns[one.name][example]) for one in profiles)
    time = _time(table, profiles, options)
    return Inference(
        target=target,
        fields=fields,
        left_out=tuple(left_out),
        time=names[time] if time else "",
        rows=len(table),
        request={one.field.name: one.field.example for one in fields},
        notes=tuple(_notes(target, fields, profiles, time)),
    )


def _refuse_unknown(table: Table, options: Options) -> None:
    for option, names in (("--leave-out", options.leave_out), ("--keep", options.keep), ("--time", [options.time])):
        for name in filter(None, names):
            if name not in table.columns or name == options.target:
                known = ", ".join(one for one in table.names if one != options.target)
                raise SpecError(table.path, option, name, f"one of the columns {known}")
    if both := sorted({*options.keep, *([options.time] if options.time else [])} & set(options.leave_out)):
        raise SpecError(
            table.path, "--leave-out", both[0], "a column that is not asked for by --keep or --time as well"
        )


def _refuse_constant(table: Table, profiles: Sequence[Profile]) -> None:
    constant = [one for one in profiles if len(one.counts) == 1 and not one.nulls]
    if constant:
        value = next(iter(constant[0].counts))
        options = " ".join(f"--leave-out {quoted(one.name)}" for one in constant)
        expected = f"at least two different values, or nothing can be learnt from it; go on with `{options}`"
        raise SpecError(table.path, constant[0].name, f"{value!r} in every row", expected)


def _reason(table: Table, found: Profile, target: Target) -> LeftOut | None:
    """Returns why a column is no field, None where it is one."""
    if _tells(table.columns[found.name], table.columns[target.column]):
        why = f"it tells {target.column} in every row, so it would not be known when asked; `--keep` takes it in"
        return LeftOut(found.name, why, is_warning=True)
    many = found.form is Form.TEXT and not _is_category(found)
    if many and all(_OTHER_DATE.match(value) for value in found.counts):
        return LeftOut(found.name, "dates or times that are not ISO 8601; write them as 2013-05-31")
    if _is_id(table, found):
        return LeftOut(found.name, "it numbers the rows or names a thing, which says nothing about the next")
    if many:
        return LeftOut(found.name, f"{len(found.counts):,} different texts, too many or too long to be categories")
    return None


def _tells(column: Sequence[str | None], target: Sequence[str | None]) -> bool:
    """Returns whether each value of a column goes with one value of the target, and the other way round."""
    pairs = set(zip(column, target, strict=True))
    return len(pairs) == len({value for value, _ in pairs}) == len({value for _, value in pairs}) and (
        # Two columns of numbers that never repeat go together by chance alone.
        len(pairs) * 2 <= len(column) or _same(pairs)
    )


def _same(pairs: set[tuple[str | None, str | None]]) -> bool:
    return all(one == other or (one and other and _equal(one, other)) for one, other in pairs)


def _equal(one: str, other: str) -> bool:
    left, right = number(one), number(other)
    return left is not None and left == right


def _is_id(table: Table, found: Profile) -> bool:
    if found.form is Form.TIME or (found.form is Form.NUMBER and not found.is_integral):
        return False
    # pandas writes whole numbers as 17.0 where one of them is missing.
    if found.form is not Form.TEXT and _is_id_name(found.name) and len(found.counts) == found.counts.total():
        return True
    if found.is_unique:
        values = table.columns[found.name]
        return found.form is Form.TEXT or all(_follows(before or "", after or "") for before, after in pairwise(values))
    # A customer that comes back is still a number that nothing can be learnt from.
    return _is_id_name(found.name) and len(found.counts) > max(_MOST_CLOSED, found.rows // (4 * _ROWS_A_CATEGORY))


def _follows(before: str, after: str) -> bool:
    return Decimal(after) - Decimal(before) == 1


def _is_id_name(name: str) -> bool:
    field = field_name(name)
    return field == "index" or field.rpartition("_")[2] in _ID_WORDS


def _is_category(found: Profile) -> bool:
    if max(map(len, found.counts)) > _LONGEST_CATEGORY:
        return False
    return len(found.counts) <= _MOST_CATEGORIES and len(found.counts) * _ROWS_A_CATEGORY <= found.rows


def _example(table: Table, profiles: Sequence[Profile]) -> int:
    """Returns the first row with the fewest nulls among the fields."""
    nulls = [
        sum(cell is None for cell in cells) for cells in zip(*(table.columns[p.name] for p in profiles), strict=True)
    ]
    return nulls.index(min(nulls))


def _decide(found: Profile, name: str, example: str | None) -> Decided:
    nullable, said = found.nulls > 0, "" if found.name == name else f"{found.name} in the CSV"
    common: dict[str, Any] = {"name": name, "nullable": nullable, "description": said}
    match found.form:
        case Form.WHOLE:
            low, high = _whole_range([int(value) for value in found.counts])
            shown = None if example is None else whole_number(example)
            field = FieldSpec(kind=FieldKind.INTEGER, minimum=low, maximum=high, example=shown, **common)
        case Form.NUMBER:
            low, high = bounds(found.numbers[0], found.numbers[-1])
            shown = None if example is None else number(example)
            field = FieldSpec(kind=FieldKind.NUMBER, minimum=low, maximum=high, example=shown, **common)
        case Form.TIME:
            at = None if example is None else moment(example)
            shown = None if at is None else at.isoformat()
            field = FieldSpec(kind=FieldKind.TIMESTAMP, example=shown, **common)
        case Form.TEXT:
            return _category(found, common, example)
    return Decided(found.name, field)


def _category(found: Profile, common: dict[str, Any], example: str | None) -> Decided:
    values = tuple(sorted(found.counts))
    if len(values) <= _MOST_CLOSED and min(found.counts.values()) >= _ROWS_A_CATEGORY:
        field = FieldSpec(kind=FieldKind.CATEGORY, values=values, example=example, **common)
    else:
        said = "one that training has not seen counts as unknown"
        common |= {"description": f"{common['description']}; {said}".removeprefix("; ")}
        longest = 2 * max(len(value) for value in values)
        field = FieldSpec(kind=FieldKind.CATEGORY, length=longest, example=example, **common)
    return Decided(found.name, field, values)


def _whole_range(values: Sequence[int]) -> tuple[float, float]:
    low, high = min(values), max(values)
    # A flag stays one.
    return (0, 1) if (low, high) == (0, 1) else bounds(low, high)


def bounds(low: float, high: float) -> tuple[float, float]:
    """Returns the bounds of a number seen from `low` to `high`, with slack, in round figures; none gets a sign anew."""
    slack = _SLACK * (high - low) if high > low else abs(high) or 1.0
    least = 0.0 if 0 <= low <= slack else _rounded(low - slack, ROUND_FLOOR)
    greatest = 0.0 if -slack <= high <= 0 else _rounded(high + slack, ROUND_CEILING)
    return least, greatest


def _rounded(value: float, rounding: str) -> float:
    """Returns `value` in two digits, rounded as `decimal` names it.

    >>> _rounded(1234.0, ROUND_CEILING), _rounded(-0.0123, ROUND_FLOOR)
    (1300.0, -0.013)
    """
    exact = Decimal(max(-_GREATEST, min(_GREATEST, value)))
    if not exact:
        return 0.0
    found = float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - _DIGITS + 1), rounding=rounding))
    return max(-_GREATEST, min(_GREATEST, found))


def _time(table: Table, profiles: Sequence[Profile], options: Options) -> str:
    """Returns the column that says when a row was, empty for none."""
    if options.time:
        found = next(one for one in profiles if one.name == options.time)
        if found.form is not Form.TIME or found.nulls:
            value = None if found.nulls else next(iter(found.counts))
            raise SpecError(table.path, f"--time {found.name}", value, "an ISO 8601 date or time in every row")
        if not _has_older([_moment(cell) for cell in table.columns[found.name]]):
            value, rows = found.counts.most_common(1)[0]
            expected = "a column by which half of the rows are older than the newest quarter; leave --time out"
            raise SpecError(table.path, f"--time {found.name}", f"{value} in {rows:,} of {len(table):,} rows", expected)
        return found.name
    complete = [one.name for one in profiles if one.form is Form.TIME and not one.nulls]
    if len(complete) != 1:
        return ""
    moments = [_moment(cell) for cell in table.columns[complete[0]]]
    # A day of birth is a time too; what says when a row was has the order of the rows.
    return complete[0] if _in_order(moments) and _has_older(moments) else ""


def _moment(cell: str | None) -> datetime:
    found = moment(cell or "")
    assert found is not None, cell
    return found


def _in_order(moments: Sequence[datetime]) -> bool:
    """Returns whether times grow with the rows, or fall with them, but for a few rows."""
    steps = [(before < after) - (before > after) for before, after in pairwise(moments)]
    return min(steps.count(1), steps.count(-1)) <= _MOST_AGAINST_RATIO * len(steps)


def _has_older(moments: Sequence[datetime]) -> bool:
    """Returns whether half of the rows are older than the newest quarter begins: not so of two days only."""
    cut = sorted(moments)[int(len(moments) * (1 - VALIDATION_RATIO))]
    return sum(one < cut for one in moments) >= len(moments) / 2


def _notes(target: Target, fields: Sequence[Decided], profiles: Sequence[Profile], time: str) -> list[str]:
    notes = [target.why]
    renamed = [f"{one.column!r} is {one.field.name}" for one in fields if one.column != one.field.name]
    if renamed:
        notes.append(f"renamed for requests: {', '.join(renamed)}")
    times = [one.name for one in profiles if one.form is Form.TIME]
    if time:
        notes.append(f"{time} says when a row was: the newest quarter validates, and `shipway retrain` has a window")
    elif times:
        notes.append(f"rows are split by what they hold; `--time {times[0]}` validates on the newest instead")
    return notes
