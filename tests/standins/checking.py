"""Inputs against the types that an SDK declares: one sentence for each that does not fit."""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, cast, get_args, get_origin

from pulumi._types import is_input_type
from pulumi.runtime.rpc import UNKNOWN

from tests.standins.sdk import Fields, ResourceType, alternatives, fields

__all__ = ["problems", "settings"]

# What the engine marks assets, archives and references to resources with.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SCALARS: Mapping[type, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float)}
_NAMES: Mapping[type, str] = {str: "a string", bool: "a boolean", int: "a whole number", float: "a number"}


def problems(kind: ResourceType, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Returns property path -> what is wrong there; an unknown value fits everything, for it is not known yet.

    Args:
        kind: what the SDK says of the resource's type.
        inputs: what the program gave, under its names on the wire.
    """
    yield from _object(inputs, kind.inputs, kind.required, "")


def settings(given: Mapping[str, Any], known: Fields) -> list[tuple[str, str]]:
    """Returns what is wrong with a provider's own settings, which come as JSON where they are no text."""
    decoded: dict[str, Any] = {}
    for name, value in given.items():
        is_text = name not in known.types or str in alternatives(known.types[name])
        decoded[name] = value if is_text or not isinstance(value, str) or value == UNKNOWN else json.loads(value)
    # The engine's own.
    for name in ("version", "pluginDownloadURL"):
        decoded.pop(name, None)
    return list(_object(decoded, known.types, known.required, ""))


def _suggestion(name: str, known: Collection[str]) -> str:
    """Returns what a mistyped name may have been meant to be, in brackets, or empty."""
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _object(
    given: Mapping[str, Any], types: Mapping[str, Any], required: Collection[str], path: str
) -> Iterator[tuple[str, str]]:
    for name in sorted(set(required) - given.keys()):
        yield _at(path, name), "is missing, but it is required"
    for name, value in given.items():
        if name not in types:
            yield _at(path, name), f"is no property of it{_suggestion(name, types)}"
        else:
            yield from _value(value, types[name], _at(path, name))


def _value(value: Any, declared: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is None or value == UNKNOWN:
        return
    allowed = alternatives(declared)
    if isinstance(value, Mapping) and _SIGNATURE in value:
        return
    tried = [list(_one(value, each, path)) for each in allowed]
    if all(tried):
        # Of several forms, the one that the value comes closest to says the most useful thing.
        yield from max(tried, key=lambda found: max(len(where) for where, _ in found))


def _one(value: Any, declared: Any, path: str) -> Iterator[tuple[str, str]]:
    origin = get_origin(declared)
    if declared is Any or declared in (dict, object):
        return
    if origin is Literal:
        if value not in get_args(declared):
            yield path, f"is {value!r}, expected {' or '.join(map(repr, get_args(declared)))}"
    elif isinstance(declared, type) and issubclass(declared, Enum):
        if value not in {member.value for member in declared}:
            yield path, f"is {value!r}, expected one of {', '.join(sorted(str(one.value) for one in declared))}"
    elif declared in _SCALARS:
        if not isinstance(value, _SCALARS[declared]) or (declared is not bool and isinstance(value, bool)):
            yield path, f"is {_said(value)}, expected {_NAMES[declared]}"
    elif isinstance(declared, type) and is_input_type(declared):
        yield from _nested(value, declared, path)
    elif origin is not None and issubclass(origin, Mapping):
        yield from _mapping(value, get_args(declared), path)
    elif origin is not None and issubclass(origin, Sequence):
        yield from _sequence(value, get_args(declared), path)


def _nested(value: Any, declared: type, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"is {_said(value)}, expected an object"
        return
    known = fields(declared)
    yield from _object(cast(Mapping[str, Any], value), known.types, known.required, path)


def _mapping(value: Any, arguments: tuple[Any, ...], path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"is {_said(value)}, expected a map"
        return
    for key, one in cast(Mapping[str, Any], value).items():
        yield from _value(one, arguments[1] if arguments else Any, _at(path, key))


def _sequence(value: Any, arguments: tuple[Any, ...], path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield path, f"is {_said(value)}, expected a list"
        return
    for number, one in enumerate(cast(Sequence[Any], value)):
        yield from _value(one, arguments[0] if arguments else Any, f"{path}[{number}]")


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _said(value: Any) -> str:
    """Returns a value's kind; never the value, which may be a secret."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return _NAMES.get(cast(type, type(value)), type(value).__name__)
