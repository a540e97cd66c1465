"""Adversarial requests, made from a schema: what lies on the edges, beyond them, and what is no value; pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shipway.contract.png import blank_png
from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["Case", "cases"]

_NUMBERS = (FieldKind.NUMBER, FieldKind.INTEGER)
_TEXTS = (FieldKind.CATEGORY, FieldKind.TEXT)

# Beyond the range of a float nothing is a number; these are just within it.
_HUGE = 1e308
_UNSEEN = "~unseen~"
# Another plane of Unicode, from right to left, a sign that joins the one before, one that is nothing, a line's end.
_STRANGE = ("\U0001d518\U0001f680", "עברית", "é̈", "\u200b", "a\nb", "'; drop table --", "")
# As JSON text: forms of no number, and numbers in other clothes.
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity", '"NaN"', '"1"', "true", "[]", "{}", "1e999")


@dataclass(frozen=True)
class Case:
    """One request.

    Args:
        group: what kind of trouble.
        name: which, in words.
        body: what is sent.
        valid: whether it fits the schema, so that the model itself has to answer; else the caller is told why not.
    """

    group: str
    name: str
    body: bytes
    valid: bool


def cases(schema: Schema, row: Mapping[str, Any]) -> Iterator[Case]:
    """Yields the requests for a schema.

    Args:
        schema: of the model.
        row: one that fits it; each case changes one thing of it.
    """
    yield from _together(schema, row)
    for field in schema.fields:
        for group, name, text in _values(field, row[field.name]):
            changed = {**row, field.name: _Text(text)}
            # What is valid is what the schema says of the value, not what this list thinks of it.
            valid = _fits(field, text)
            yield Case(group, f"{field.name} {name}", _body(changed), valid)
        rest = {name: value for name, value in row.items() if name != field.name}
        yield Case("envelope", f"without {field.name}", _body(rest), valid=False)
    yield from _envelopes(row)


def _together(schema: Schema, row: Mapping[str, Any]) -> Iterator[Case]:
    """Yields all numbers at their least, and all at their greatest, in one request."""
    for name, bound in (("least", "minimum"), ("greatest", "maximum")):
        changed = dict(row)
        for field in schema.fields:
            value = getattr(field, bound)
            if value is not None and field.kind in (*_NUMBERS, FieldKind.VECTOR):
                changed[field.name] = _of_kind(field, value)
        yield Case("extremes", f"every number {name}", _body(changed), valid=not schema.check([changed]))


def _values(field: FieldSpec, now: Any) -> Iterator[tuple[str, str, str]]:
    """Yields (group, name, JSON text) of the values to try in one field."""
    yield "nulls", "null", "null"
    match field.kind:
        case FieldKind.NUMBER | FieldKind.INTEGER:
            yield from _of_number(field)
        case FieldKind.VECTOR:
            yield from _of_vector(field, now)
        case FieldKind.CATEGORY | FieldKind.TEXT:
            yield from _of_text(field)
        case FieldKind.TIMESTAMP:
            yield from _of_time()
        case FieldKind.IMAGE:
            yield from _of_image(field)


def _of_number(field: FieldSpec) -> Iterator[tuple[str, str, str]]:
    for bound, step in ((field.minimum, -1.0), (field.maximum, 1.0)):
        far = json.dumps(_of_kind(field, step * (_HUGE if field.kind is FieldKind.NUMBER else 2**53)))
        if bound is None:
            yield "extremes", far, far
        else:
            yield "extremes", f"at {bound:g}", json.dumps(_of_kind(field, bound))
            beyond = json.dumps(_of_kind(field, bound + step * max(1.0, abs(bound) / 100)))
            yield "out of range", f"at {beyond}", beyond
            yield "out of range", far, far
    yield "extremes", "-0.0", "-0.0"
    yield "extremes", "5e-324", "5e-324"
    for text in _NOT_NUMBERS:
        yield "no numbers", text, text


def _of_vector(field: FieldSpec, now: Any) -> Iterator[tuple[str, str, str]]:
    length = field.length or 1
    for bound in (field.minimum, field.maximum):
        if bound is not None:
            yield "extremes", f"all {bound:g}", json.dumps([bound] * length)
    if field.maximum is not None:
        yield "out of range", "one beyond", json.dumps([field.maximum + 1.0, *list(now)[1:]])
    for text in _NOT_NUMBERS:
        rest = [json.dumps(value) for value in list(now)[1:]]
        yield "no numbers", f"with {text}", f"[{', '.join([text, *rest])}]"
    yield "wrong types", "one element short", json.dumps(list(now)[:-1])
    yield "wrong types", "one element long", json.dumps([*list(now), 0.0])
    yield "wrong types", "a number", "1.0"


def _of_text(field: FieldSpec) -> Iterator[tuple[str, str, str]]:
    longest = field.length or 200
    group = "unseen categories" if field.kind is FieldKind.CATEGORY else "text"
    yield group, "unseen", json.dumps(_UNSEEN[:longest])
    for text in _STRANGE:
        yield "text", ascii(text), json.dumps(text[:longest])
    yield "text", "as long as may be", json.dumps("x" * longest)
    if field.length is not None:
        yield "text", "too long", json.dumps("x" * (field.length + 1))
    yield "wrong types", "a number", "7"
    yield "wrong types", "a list", '["x"]'


def _of_image(field: FieldSpec) -> Iterator[tuple[str, str, str]]:
    height, width, channels = field.shape or (1, 1, 1)
    black = blank_png((height, width, channels))
    yield "extremes", "a black picture", json.dumps(black)
    yield "pictures", "one pixel higher", json.dumps(blank_png((height + 1, width, channels)))
    yield "pictures", "with other channels", json.dumps(blank_png((height, width, 4 - channels)))
    yield "pictures", "cut in half", json.dumps(black[: len(black) // 8 * 4])
    yield "pictures", "no base64", json.dumps("no picture")
    yield "pictures", "no PNG", json.dumps("R0lGODlhAQABAAAAACw=")
    yield "pictures", "empty", '""'
    yield "wrong types", "a number", "7"
    yield "wrong types", "an object", "{}"


def _of_time() -> Iterator[tuple[str, str, str]]:
    for text in (
        "0001-01-02T00:00:00+00:00",
        "9999-12-30T23:59:59+00:00",
        "2024-02-29T23:59:59.999999+14:00",
        "1970-01-01T00:00:00-12:00",
        "2013-11-03T01:30:00-04:00",
    ):
        yield "extremes", text, json.dumps(text)
    for text in ("2013-02-30T00:00:00Z", "2013-05-01T12:00:00", "yesterday", ""):
        yield "wrong types", text or "empty", json.dumps(text)
    yield "wrong types", "a number", "1367409600"


def _envelopes(row: Mapping[str, Any]) -> Iterator[Case]:
    def case(name: str, body: bytes) -> Case:
        return Case("envelope", name, body, valid=False)

    yield case("an extra field", _body({**row, "zz_extra": 1}))
    yield case("no rows", b'{"rows": []}')
    yield case("rows that are an object", b'{"rows": {}}')
    yield case("a row that is null", b'{"rows": [null]}')
    yield case("an extra key", b'{"rows": [' + _row(row) + b'], "zz": 1}')
    yield case("an empty body", b"")
    yield case("half a body", _body(row)[:-3])
    yield case("no UTF-8", b'{"rows": ["\xff\xfe"]}')
    yield case("half of a surrogate pair", b'{"rows": ["\\ud800"]}')
    yield case("deeply nested", b'{"rows": ' + b"[" * 5000 + b"]" * 5000 + b"}")
    yield case("an integer of 400 digits", b'{"rows": ' + b"9" * 400 + b"}")


class _Text(str):
    """A value that is JSON text already."""


def _fits(field: FieldSpec, text: str) -> bool:
    try:
        value: object = json.loads(text, parse_constant=float)
    except ValueError:
        return False
    return field.check(value) is None


def _of_kind(field: FieldSpec, value: float) -> Any:
    if field.kind is FieldKind.VECTOR:
        return [float(value)] * (field.length or 1)
    return int(value) if field.kind is FieldKind.INTEGER else float(value)


def _row(row: Mapping[str, Any]) -> bytes:
    parts: Sequence[str] = [
        f"{json.dumps(name)}: {value if isinstance(value, _Text) else json.dumps(value)}" for name, value in row.items()
    ]
    return ("{" + ", ".join(parts) + "}").encode()


def _body(row: Mapping[str, Any]) -> bytes:
    return b'{"rows": [' + _row(row) + b"]}"
