"""Which requests are sent: rows that the schema allows, some of them at its bounds, mixed with logged ones. Pure."""

import math
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from shipway.contract.errors import ShipwayError
from shipway.contract.loadtest import LoadTestSpec
from shipway.contract.png import Shape, blank_png, png_of
from shipway.contract.schema import FieldKind, FieldSpec, Schema

__all__ = ["NO_KEYS", "Keys", "fitting", "fitting_keys", "generated_row", "rows"]

Row = dict[str, Any]
# Field -> values for which the feature store has something.
Keys = Mapping[str, Sequence[Any]]
NO_KEYS: Keys = {}

# A number without a bound varies about its example by so much; without an example it is of this size.
_SPREAD = 0.5
_UNBOUNDED = 100.0
_LONGEST_TEXT = 40
_SQUARE = 4
_TIME_SPREAD = timedelta(days=180)
_ANY_TIME = datetime(2020, 1, 1, tzinfo=UTC)


def rows(
    schema: Schema, spec: LoadTestSpec, logged: Sequence[Mapping[str, Any]], rng: random.Random, keys: Keys = NO_KEYS
) -> Iterator[tuple[Row, bool]]:
    """Yields rows for ever, each with whether it comes from the log.

    Args:
        schema: every row fits it.
        spec: which shares are logged, at a bound, or null.
        logged: rows that fit the schema; with none, all are generated.
        rng: chooses.
        keys: generated rows take the fields in here from it, but where they are at an edge or null.

    Raises:
        ShipwayError: when a field cannot be generated and has no example.
    """
    while True:
        generated = generated_row(schema, spec, rng, keys)
        if logged and rng.random() < spec.logged_ratio:
            taken = dict(rng.choice(logged))
            # The log holds a hash where a personal value was.
            taken |= {field.name: generated[field.name] for field in schema.fields if field.personal}
            yield taken, True
        else:
            yield generated, False


def fitting(schema: Schema, found: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Returns those of the rows that the schema allows, its personal fields apart, which are never taken from a log."""
    open_fields = tuple(field for field in schema.fields if not field.personal)
    if not open_fields:
        return []
    visible = Schema(fields=open_fields)
    kept = ({name: value for name, value in row.items() if name in visible.names} for row in found)
    return [row for row in kept if not visible.check([row])]


def fitting_keys(schema: Schema, found: Keys) -> dict[str, list[Any]]:
    """Returns those of the keys that a field of the same name may hold; a person's are never sent."""
    chosen = {
        field.name: [value for value in found[field.name] if field.check(value) is None]
        for field in schema.fields
        if field.name in found and not field.personal
    }
    return {name: values for name, values in chosen.items() if values}


def generated_row(schema: Schema, spec: LoadTestSpec, rng: random.Random, keys: Keys = NO_KEYS) -> Row:
    """Returns a row that fits `schema`, the fields in `keys` from there.

    Raises:
        ShipwayError: when a field cannot be generated and has no example.
    """
    return {field.name: _value(field, spec, rng, keys.get(field.name, ())) for field in schema.fields}


def _value(field: FieldSpec, spec: LoadTestSpec, rng: random.Random, keys: Sequence[Any]) -> Any:
    if field.nullable and rng.random() < spec.null_ratio:
        return None
    edge = rng.random() < spec.edge_ratio
    if keys and not edge:
        return rng.choice(keys)
    match field.kind:
        case FieldKind.NUMBER:
            found: Any = _number(field, field.example, rng, edge=edge)
        case FieldKind.INTEGER:
            found = _integer(field, rng, edge=edge)
        case FieldKind.VECTOR:
            found = _vector(field, rng, edge=edge)
        case FieldKind.TIMESTAMP:
            found = _time(field, rng)
        case FieldKind.CATEGORY | FieldKind.TEXT:
            found = _text(field, rng, edge=edge)
        case FieldKind.IMAGE:
            found = _image(field.shape or (1, 1, 1), rng, edge=edge)
    if found is not None and field.check(found) is None:
        return found
    if field.example is not None and field.check(field.example) is None:
        return field.example
    raise ShipwayError(
        f"field {field.name} of kind {field.kind}: no value can be made up and it has no valid example; "
        "give it one in schema.py"
    )


def _bounds(field: FieldSpec, around: object) -> tuple[float, float]:
    middle = float(around) if isinstance(around, int | float) and not isinstance(around, bool) else 0.0
    spread = max(abs(middle) * _SPREAD, 1.0) if middle else _UNBOUNDED
    low = field.minimum if field.minimum is not None else min(middle - spread, _or(field.maximum, math.inf) - spread)
    high = field.maximum if field.maximum is not None else max(middle + spread, low + spread)
    return low, high


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _number(field: FieldSpec, around: object, rng: random.Random, *, edge: bool) -> float:
    low, high = _bounds(field, around)
    return float(rng.choice((low, high))) if edge else min(max(rng.uniform(low, high), low), high)


def _integer(field: FieldSpec, rng: random.Random, *, edge: bool) -> int:
    low, high = _bounds(field, field.example)
    first, last = math.ceil(low), math.floor(high)
    return rng.choice((first, last)) if edge or first >= last else rng.randint(first, last)


def _vector(field: FieldSpec, rng: random.Random, *, edge: bool) -> list[float]:
    length = field.length or 1
    given: object = field.example
    example = cast(list[object], given) if isinstance(given, list) else []
    around = example if len(example) == length else [None] * length
    return [_number(field, one, rng, edge=edge) for one in around]


def _time(field: FieldSpec, rng: random.Random) -> str:
    try:
        middle = datetime.fromisoformat(str(field.example))
    except ValueError:
        middle = _ANY_TIME
    moment = middle + rng.uniform(-1, 1) * _TIME_SPREAD
    return moment.replace(microsecond=0).isoformat()


def _text(field: FieldSpec, rng: random.Random, *, edge: bool) -> str:
    if field.values:
        return rng.choice(field.values)
    longest = field.length or _LONGEST_TEXT
    if edge:
        return "x" * longest
    model = str(field.example or "example")[:longest]
    words = model.split()
    if len(words) > 1:
        # Free text: the example's own words, some of them, in another order.
        return " ".join(rng.choices(words, k=rng.randint(1, 2 * len(words))))[:longest]
    # A code or a name: what callers send looks like the example, with its length and its signs.
    return "".join(_like(sign, rng) for sign in model)


def _like(sign: str, rng: random.Random) -> str:
    for signs in (string.ascii_uppercase, string.ascii_lowercase, string.digits):
        if sign in signs:
            return rng.choice(signs)
    return sign


def _image(shape: Shape, rng: random.Random, *, edge: bool) -> str:
    """Returns a picture of coloured squares, which takes about the room of a photograph; at the edge a black one."""
    if edge:
        return blank_png(shape)
    height, width, channels = shape
    rows: list[bytes] = []
    for _ in range(0, height, _SQUARE):
        colours = [rng.randbytes(channels) for _ in range(0, width, _SQUARE)]
        row = b"".join(colour * _SQUARE for colour in colours)[: width * channels]
        rows += [row] * _SQUARE
    return png_of(b"".join(rows[:height]), shape)
