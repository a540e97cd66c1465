"""What a column of a CSV holds: how much, of what form, how many different values."""

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from shipway.contract.errors import SpecError
from shipway.training.csv_table import Table
from shipway.training.examples import moment, number, whole_number

__all__ = ["Form", "Profile", "profile", "quoted"]


class Form(StrEnum):
    """How the values of a column are written."""

    WHOLE = "whole"
    NUMBER = "number"
    TIME = "time"
    TEXT = "text"


# 12,5 and 1,234 and 1.234,56 and 1'234 and, with spaces of three widths, 1 234.
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[.,' \u00a0\u202f]\d{3})*(?:[.,]\d+)?|[+-]?\d+,\d+", re.ASCII)
# Neither a float nor a 64-bit integer keeps all digits of such a number: it names something.
_LONG = re.compile(r"[+-]?\d{19,}", re.ASCII)

# How the error for a value of another form says what the others are.
_WORDS = {Form.NUMBER: "a number", Form.TIME: "an ISO 8601 date or time"}


@dataclass(frozen=True, eq=False)
class Profile:
    """One column.

    Args:
        name: the column's.
        form: of its values.
        counts: value -> in how many rows; nulls apart.
        nulls: rows without a value.
    """

    name: str
    form: Form
    counts: Counter[str]
    nulls: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.counts.total() + self.nulls

    @property
    def numbers(self) -> list[float]:
        """The different numbers, growing; of a column of numbers."""
        return sorted({float(value) for value in self.counts})

    @property
    def is_integral(self) -> bool:
        """Whether every number is whole, however it is written; of a column of numbers."""
        return all(value.is_integer() for value in self.numbers)

    @property
    def is_unique(self) -> bool:
        """Whether every row has a value and no value comes twice."""
        return self.nulls == 0 and len(self.counts) == self.rows


def profile(table: Table, name: str) -> Profile:
    """Returns the profile of a column.

    Raises:
        SpecError: for a column with no value at all, or with values of two forms.
    """
    counts = Counter(cell for cell in table.column(name) if cell is not None)
    nulls = len(table) - counts.total()
    if not counts:
        expected = f"a value in some row; `--leave-out {quoted(name)}` goes on without the column"
        raise SpecError(table.path, name, "no value in any row", expected)
    return Profile(name, _form(table, name, counts), counts, nulls)


def _form(table: Table, name: str, counts: Counter[str]) -> Form:
    total = counts.total()
    for form, read in ((Form.NUMBER, number), (Form.TIME, moment)):
        fitting = {value for value in counts if read(value) is not None}
        share = sum(counts[value] for value in fitting)
        if share == total:
            break
        # Half of a column is no accident: what differs is a mistake, not a category among others.
        if share * 2 >= total:
            other = min((value for value in counts if value not in fitting), key=lambda one: table.line_of(name, one))
            expected = (
                f"{_WORDS[form]}, as in {share:,} other rows; correct the {total - share:,} that differ, leave them "
                f"empty, or `--leave-out {quoted(name)}`"
            )
            raise SpecError(table.path, f"line {table.line_of(name, other)}, {name}", other, expected)
    else:
        _refuse_grouped(table, name, counts)
        return Form.TEXT
    if form is Form.TIME:
        return form
    if any(_is_code(value) or _LONG.fullmatch(value) for value in counts):
        return Form.TEXT
    return Form.WHOLE if all(whole_number(value) is not None for value in counts) else Form.NUMBER


def _refuse_grouped(table: Table, name: str, counts: Counter[str]) -> None:
    """Refuses numbers that are written for people: as texts, each would be a category of its own.

    Raises:
        SpecError: naming the first, and how it should be written.
    """
    grouped = [value for value in counts if _GROUPED.fullmatch(value)]
    if sum(counts[value] for value in grouped) * 2 < counts.total():
        return
    first = min(grouped, key=lambda one: table.line_of(name, one))
    expected = (
        "numbers as programs write them, such as 1234.5, without a decimal comma or a sign between thousands; rewrite "
        f"them, or `--leave-out {quoted(name)}`"
    )
    raise SpecError(table.path, f"line {table.line_of(name, first)}, {name}", first, expected)


def _is_code(value: str) -> bool:
    """Returns whether a number begins with a zero that it would lose: a postal code, an account, a phone."""
    return len(value) > 1 and value[0] == "0" and value.isdigit()


def quoted(name: str) -> str:
    """Returns a column's name as it is typed after an option."""
    return shlex.quote(name)
