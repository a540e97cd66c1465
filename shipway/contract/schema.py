"""Schema: the fields of one request row, said once and used by serving, data-quality checks and load generation."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator

from shipway.contract.derived import MEASURES
from shipway.contract.documents import Spec
from shipway.contract.png import critical_chunks, is_png, most_characters

__all__ = ["FieldKind", "FieldSpec", "Schema", "Violation", "plain_time"]


# A time with nanoseconds and an offset of seconds takes 41 characters.
_LONGEST_TIME = 64

# Larger pictures are scaled by whoever sends them: a request has one body, and all of it is in the log.
_Pixels = Annotated[int, Field(ge=1, le=1024)]


class FieldKind(StrEnum):
    """What a field holds; `vector` is a fixed-length list of numbers, `image` a PNG in base64."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    TEXT = "text"
    TIMESTAMP = "timestamp"
    VECTOR = "vector"
    IMAGE = "image"


class Violation(Spec):
    """One thing wrong with one row; `got` is a short description, never a personal value in full."""

    row: int
    field: str
    rule: str
    got: str
    expected: str


class FieldSpec(Spec):
    """One field of a row.

    Args:
        minimum, maximum: inclusive bounds of a number, integer or each element of a vector.
        values: the closed set of a category; empty means any text is allowed.
        length: the number of elements of a vector, or the greatest number of characters of text.
        shape: height, width and channels of an image, whose samples have 8 bits: 1 channel is grey, 3 are colours.
        measures: by what drift of a text, an image or a time is watched, see `shipway.contract.derived`; by default by
            nothing.
        nullable: whether null is an answer of its own.
        personal: whether the prediction log must hash it.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    kind: FieldKind
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    length: Annotated[int, Field(gt=0)] | None = None
    shape: tuple[_Pixels, _Pixels, Literal[1, 3]] | None = None
    measures: tuple[str, ...] = ()
    nullable: bool = False
    personal: bool = False
    example: Any = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind is FieldKind.VECTOR and self.length is None:
            raise ValueError(f"length with kind vector in field {self.name}")
        if (self.kind is FieldKind.IMAGE) != (self.shape is not None):
            raise ValueError(f"shape with kind image, and with no other, in field {self.name}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum ({self.minimum}) to be at most maximum ({self.maximum}) in field {self.name}")
        return self

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        known = list(MEASURES.get(self.kind, ()))
        if self.measures and self.personal:
            raise ValueError(f"no measures of a personal field, not {', '.join(self.measures)}, in field {self.name}")
        if unknown := [one for one in self.measures if one not in known]:
            allowed = f"measures from {', '.join(known)}" if known else f"no measures with kind {self.kind}"
            raise ValueError(f"{allowed}, not {', '.join(unknown)}, in field {self.name}")
        return self

    @property
    def derived(self) -> tuple[str, ...]:
        """The names under which the field's measures are counted, such as `comment.words`."""
        return tuple(f"{self.name}.{measure}" for measure in self.measures)

    def test(self) -> Callable[[Any], bool]:
        """Returns what tells quickly that a value is fine; about any other, `check` has to be asked."""
        absent = (type(None),) if self.nullable else ()
        if self.kind in (FieldKind.NUMBER, FieldKind.INTEGER):
            kinds = frozenset({int, *absent} if self.kind is FieldKind.INTEGER else {int, float, *absent})
            # Neither NaN nor an infinity lies between two finite numbers.
            low = -sys.float_info.max if self.minimum is None else self.minimum
            high = sys.float_info.max if self.maximum is None else self.maximum
            return lambda value: type(value) in kinds and (value is None or low <= value <= high)
        if self.values and self.length is None and self.kind is FieldKind.CATEGORY:
            allowed = frozenset({*self.values, *([None] if self.nullable else [])})
            return lambda value: type(value) in (str, *absent) and value in allowed
        return lambda value: self.check(value) is None

    def check(self, value: object) -> tuple[str, str] | None:
        """Returns (rule, expected) for what is wrong with `value`, or None when it is fine."""
        if value is None:
            return None if self.nullable else ("null", "a value")
        match self.kind:
            case FieldKind.NUMBER | FieldKind.INTEGER:
                return self._check_number(value)
            case FieldKind.VECTOR:
                return self._check_vector(value)
            case FieldKind.IMAGE:
                return self._check_image(value)
            case _:
                return self._check_text(value)

    def _check_number(self, value: object) -> tuple[str, str] | None:
        whole = self.kind is FieldKind.INTEGER
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return "type", "an integer" if whole else "a number"
        # A whole number is finite however long it is; as a float it would overflow.
        if isinstance(value, float) and not math.isfinite(value):
            return "finite", "a finite number"
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            return "range", f"a value from {self.minimum} to {self.maximum}"
        return None

    def _check_vector(self, value: object) -> tuple[str, str] | None:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return "type", f"a list of {self.length} numbers"
        if len(cast("Sequence[object]", value)) != self.length:
            return "length", f"{self.length} elements"
        for element in cast("Sequence[object]", value):
            if problem := self._check_number(element):
                return problem
        return None

    def _check_image(self, value: object) -> tuple[str, str] | None:
        assert self.shape is not None
        height, width, channels = self.shape
        expected = f"a PNG in base64, {height} by {width} pixels (height by width) of 8 bits, "
        expected += "grey" if channels == 1 else "red, green and blue"
        if not isinstance(value, str):
            return "type", expected
        longest = self.length or most_characters(self.shape)
        if len(value) > longest:
            return "length", f"at most {longest} characters"
        picture = critical_chunks(value)
        if picture is None:
            return "image", expected
        return None if is_png(picture, self.shape) else ("shape", expected)

    def _check_text(self, value: object) -> tuple[str, str] | None:
        if not isinstance(value, str):
            return "type", "text"
        if self.length is not None and len(value) > self.length:
            return "length", f"at most {self.length} characters"
        if self.values and value not in self.values:
            shown = ", ".join(self.values[:20]) + (", ..." if len(self.values) > 20 else "")
            return "category", f"one of {shown}"
        if self.kind is FieldKind.TIMESTAMP:
            return _check_timestamp(value)
        return None


def plain_time(text: str) -> datetime:
    """Returns an ISO 8601 time that is written in plain signs.

    Raises:
        ValueError: for anything else; Python's own parser takes a NUL at the end, any sign before the hour, and as
            many digits of a second as somebody likes to send.
    """
    if len(text) > _LONGEST_TIME or not text.isascii() or not text.isprintable():
        raise ValueError("longer than a time, or with a sign that no time is written with")
    return datetime.fromisoformat(text)


def _check_timestamp(value: str) -> tuple[str, str] | None:
    try:
        stamp = plain_time(value)
    except ValueError:
        return "timestamp", "an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z"
    if stamp.tzinfo is None:
        return "timezone", "a time with an offset, such as 2013-05-01T12:00:00Z"
    try:
        stamp.astimezone(UTC)
    except OverflowError:
        return "timestamp", "a time that exists in UTC too"
    return None


class Schema(Spec):
    """The fields of one request row, in order."""

    fields: Annotated[tuple[FieldSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"each field name once, not {', '.join(self.names)}")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The field names in order."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def samples(self) -> int:
        """How many samples the images of one row have together."""
        return sum(math.prod(field.shape) for field in self.fields if field.shape is not None)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.names)

    def check(self, rows: Iterable[object]) -> list[Violation]:
        """Returns every violation in `rows` (row numbers count from 0); empty when all are fine."""
        found: list[Violation] = []
        for number, row in enumerate(rows):
            if isinstance(row, dict) and self._fits(cast("dict[Any, object]", row)):
                continue
            if not isinstance(row, Mapping):
                found.append(Violation(row=number, field="", rule="type", got="no object", expected="an object"))
                continue
            found.extend(self._check_row(number, cast("Mapping[Any, object]", row)))
        return found

    @cached_property
    def _tests(self) -> tuple[tuple[str, Callable[[Any], bool]], ...]:
        return tuple((field.name, field.test()) for field in self.fields)

    def _fits(self, row: dict[Any, object]) -> bool:
        # Nearly every row does; what is wrong with one that does not is looked for afterwards.
        if row.keys() != self._known:
            return False
        for name, fits in self._tests:  # noqa: SIM110 - a generator takes as long as all the tests of a row
            if not fits(row[name]):
                return False
        return True

    def _check_row(self, number: int, row: Mapping[Any, object]) -> Iterable[Violation]:
        for field in self.fields:
            if field.name not in row:
                yield Violation(row=number, field=field.name, rule="missing", got="nothing", expected="a value")
            elif problem := field.check(row[field.name]):
                got = "a personal value" if field.personal else _show(row[field.name])
                yield Violation(row=number, field=field.name, rule=problem[0], got=got, expected=problem[1])
        for name in sorted(str(key) for key in row if key not in self.names):
            known = f"one of {', '.join(self.names)}"
            yield Violation(row=number, field=name[:100], rule="unknown", got="an extra field", expected=known)


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
