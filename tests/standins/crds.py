"""Custom resources against the schemas of their definitions, as an API server checks them strictly."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from pulumi.runtime.rpc import UNKNOWN

__all__ = ["problems", "schema_of"]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


@cache
def schema_of(folder: Path, api_version: str, kind: str) -> Mapping[str, Any] | None:
    """Returns the schema of a kind in the definitions below `folder`, None where none defines it.

    Only a file that speaks of the kind is parsed: those of one operator take seconds together.
    """
    group, _, version = api_version.partition("/")
    named = re.compile(rf"^\s+kind: {re.escape(kind)}$", re.MULTILINE)
    for path in sorted(folder.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        if not named.search(text) or f"group: {group}" not in text:
            continue
        for document in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            spec = cast(dict[str, Any], document or {}).get("spec") or {}
            if spec.get("group") != group or spec.get("names", {}).get("kind") != kind:
                continue
            for one in spec["versions"]:
                if one["name"] == version:
                    return cast(Mapping[str, Any], one["schema"]["openAPIV3Schema"])
    return None


def problems(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Returns path -> what is wrong there, by a structural schema; an unknown value fits everything."""
    if value == UNKNOWN or (value is None and schema.get("nullable")):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, str | int):
            yield path, f"must be a whole number or a string, not {type(value).__name__}"
        return
    declared = schema.get("type")
    if declared is not None and (not isinstance(value, _TYPES[declared]) or (declared != "boolean" and value in (True, False) and isinstance(value, bool))):
        yield path, f"must be of type {declared}, not {type(value).__name__}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path, f"unsupported value {value!r}: supported are {', '.join(map(repr, schema['enum']))}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield path, f"{value!r} should match {schema['pattern']!r}"
    if isinstance(value, dict):
        yield from _object(cast(dict[str, Any], value), schema, path)
    elif isinstance(value, list):
        for number, one in enumerate(cast(list[Any], value)):
            yield from problems(one, schema.get("items", {}), f"{path}[{number}]")


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    known: Mapping[str, Any] = schema.get("properties", {})
    more = schema.get("additionalProperties")
    loose = schema.get("x-kubernetes-preserve-unknown-fields") or more is True or not schema
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}", "is required"
    for name, one in value.items():
        if name in known:
            yield from problems(one, known[name], f"{path}.{name}")
        elif isinstance(more, Mapping):
            yield from problems(one, cast(Mapping[str, Any], more), f"{path}.{name}")
        elif not loose:
            yield f"{path}.{name}", "unknown field"
