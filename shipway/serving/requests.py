"""From bytes to rows: strict JSON, every violation found, nothing that crashes."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from shipway.contract.metrics import EVENT_TIME_HEADER, ROLLOUT_HEADER, UNIT_HEADER
from shipway.contract.schema import Schema, Violation, plain_time
from shipway.serving.units import RolloutStep

__all__ = [
    "BODY",
    "MAX_ROWS",
    "MAX_SAMPLES",
    "MAX_UNIT_ID_CHARACTERS",
    "MAX_VIOLATIONS",
    "Asked",
    "Rejected",
    "check_rows",
    "kind_of",
    "most_rows",
    "parse_json",
    "parse_object",
    "parse_time",
]

# The row number of a violation that concerns the request itself.
BODY = -1

# A request's rows share one timeout and one place in the bulkhead; larger jobs belong into several requests.
MAX_ROWS = 1000

# A picture may unpack to a thousand times what came: the pictures of one request hold so many samples together, which
# is 128 MiB as the floats that a model reads.
MAX_SAMPLES = 2**24

# An answer lists this many violations; the rest is a number, or a hostile body could ask for an answer many times its
# own size.
MAX_VIOLATIONS = 1000

MAX_UNIT_ID_CHARACTERS = 200


class Rejected(Exception):
    """The caller's request is not one; carries what is wrong with it."""

    def __init__(self, error: str, violations: list[Violation], status: int = 400) -> None:
        super().__init__(error)
        self.error, self.violations, self.status = error, violations, status


class Asked(NamedTuple):
    """A valid request.

    Args:
        rows: by the schema.
        unit_id: whom it is about, from header or body; empty when nobody said.
        event_time: when the event happened.
        routing_key: what the gateway chose the slot by: the unit's header alone, empty when the pick was random.
        rollout_step: the step of a rollout in which the gateway sent it, None outside one.
    """

    rows: list[dict[str, Any]]
    unit_id: str
    event_time: datetime
    routing_key: str = ""
    rollout_step: RolloutStep | None = None


class _Doubled(dict[str, Any]):
    """An object in which some key came twice; the last value counts nowhere, the request is rejected."""

    doubles: tuple[str, ...] = ()


def parse_json(body: bytes) -> Any:
    """Returns the JSON document in `body`; NaN, infinities and huge integers become floats that no schema accepts.

    Raises:
        Rejected: for anything that is not JSON text in UTF-8.
    """
    try:
        document = _DECODER.decode(body.decode("utf-8"))
        if b"\\ud" in body or b"\\uD" in body:
            # An escaped half of a surrogate pair is legal JSON and illegal text; re-encoding is the check.
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("utf-8", f"a byte that is not UTF-8 at position {error.start}") from None
    except UnicodeEncodeError:
        raise _malformed("unicode", "half of a surrogate pair") from None
    except RecursionError:
        raise _malformed("depth", "too many nested arrays or objects") from None
    except json.JSONDecodeError as error:
        got = "an empty body" if not body.strip() else f"{error.msg} at line {error.lineno} column {error.colno}"
        raise _malformed("json", got) from None
    return document


def _integer(text: str) -> int | float:
    # Past 18 digits no field can hold it exactly; as a float it fails the field's own rule, with a row and a name.
    return int(text) if len(text) < 19 else float(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) == len(pairs):
        return content
    doubled = _Doubled(content)
    doubled.doubles = tuple(sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1))
    return doubled


# Made once: json.loads with arguments makes one for each document.
_DECODER = json.JSONDecoder(parse_constant=float, parse_int=_integer, object_pairs_hook=_object)


def _malformed(rule: str, got: str) -> Rejected:
    violation = Violation(row=BODY, field="", rule=rule, got=got, expected="a JSON object in UTF-8")
    return Rejected("the body is not a JSON object in UTF-8", [violation])


def parse_object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object in `body`.

    Raises:
        Rejected: for anything else.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise _malformed("type", f"a JSON {kind_of(document)}")
    return cast("dict[str, Any]", document)


def check_rows(
    document: dict[str, Any], headers: Mapping[str, str], schema: Schema, now: Callable[[], datetime]
) -> Asked:
    """Returns the request in a document `{"rows": [...], "unit_id": "..."}`.

    Args:
        document: the parsed body.
        headers: `x-unit-id`, `x-event-time` and `x-shipway-rollout` are read; the caller leaves the second out where it
            is not believed.
        schema: the rows' schema.
        now: the clock, for requests without an event time.

    Raises:
        Rejected: with every violation.
    """
    limit, routing_key = most_rows(schema), headers.get(UNIT_HEADER, "")
    given: Any = document.get("rows")
    rows = cast("list[Any]", given) if isinstance(given, list) and 0 < len(cast("list[Any]", given)) <= limit else []
    # Most requests are rows and nothing else, about which there is nothing more to say.
    is_plain = rows and type(document) is dict and len(document) == 1 and UNIT_HEADER not in headers
    found = [] if is_plain else _check_envelope(document, headers, limit)
    found += schema.check(rows)
    for number, row in enumerate(rows):
        if isinstance(row, _Doubled):
            found += _doubles(row, number)
    event_time = now()
    if stamp := headers.get(EVENT_TIME_HEADER):
        try:
            event_time = parse_time(stamp)
        except ValueError:
            expected = "an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z"
            found.append(_body(EVENT_TIME_HEADER, "timestamp", stamp[:60], expected))
    if found:
        raise Rejected(f"{len(found)} violation{'s' if len(found) > 1 else ''} of the schema", found)
    unit_id = routing_key or document.get("unit_id") or ""
    return Asked(rows, unit_id, event_time, routing_key, RolloutStep.parse(headers.get(ROLLOUT_HEADER)))


def parse_time(text: str) -> datetime:
    """Returns an ISO 8601 time with an offset, in UTC.

    Raises:
        ValueError: for anything else.
    """
    stamp = plain_time(text)
    if stamp.tzinfo is None:
        raise ValueError(f"no offset in {text}")
    try:
        return stamp.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is outside the calendar") from None


def most_rows(schema: Schema) -> int:
    """Returns how many rows a request may have: fewer than others where large pictures are in them.

    Args:
        schema: the rows' schema.
    """
    return min(MAX_ROWS, max(1, MAX_SAMPLES // schema.samples)) if schema.samples else MAX_ROWS


_ENVELOPE = frozenset({"rows", "unit_id"})


def _check_envelope(document: dict[str, Any], headers: Mapping[str, str], limit: int) -> list[Violation]:
    found = _doubles(document, BODY)
    for key in sorted(document.keys() - _ENVELOPE)[:MAX_VIOLATIONS]:
        found.append(_body(key[:100], "unknown", "an extra key", "only rows and unit_id"))
    rows = document.get("rows")
    if "rows" not in document:
        found.append(_body("rows", "missing", "nothing", f"a list of 1 to {limit} rows"))
    elif not isinstance(rows, list):
        found.append(_body("rows", "type", f"a JSON {kind_of(rows)}", f"a list of 1 to {limit} rows"))
    elif not 0 < len(cast("list[Any]", rows)) <= limit:
        found.append(_body("rows", "length", f"{len(cast(list[Any], rows))} rows", f"1 to {limit} rows"))
    for where, unit_id in (("unit_id", document.get("unit_id")), (UNIT_HEADER, headers.get(UNIT_HEADER))):
        if unit_id is not None and not _is_unit_id(unit_id):
            expected = f"1 to {MAX_UNIT_ID_CHARACTERS} printable characters"
            found.append(_body(where, "unit_id", f"a JSON {kind_of(unit_id)}", expected))
    body, header = document.get("unit_id"), headers.get(UNIT_HEADER)
    if body is not None and header is not None and body != header and not found:
        found.append(_body("unit_id", "differs", "another id than in x-unit-id", "a copy of the header"))
    return found


def _is_unit_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_UNIT_ID_CHARACTERS and value.isprintable()


def _doubles(row: object, number: int) -> list[Violation]:
    doubles = row.doubles if isinstance(row, _Doubled) else ()
    return [
        Violation(row=number, field=key[:100], rule="duplicate", got="the key more than once", expected="each key once")
        for key in doubles
    ]


def _body(field: str, rule: str, got: str, expected: str) -> Violation:
    return Violation(row=BODY, field=field, rule=rule, got=got, expected=expected)


def kind_of(value: object) -> str:
    """Returns what a value is in JSON, in words; never the value, which may be somebody's name."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "array"
        case _:
            return "object"
