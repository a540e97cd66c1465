"""Policy documents of AWS: JSON text or mappings in, statements out."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from policies.resource import at, rows, texts
from policies.unknown import Undecidable

__all__ = ["condition", "grants", "principals", "statements"]


def statements(document: Any) -> list[Mapping[str, Any]]:
    """Returns the statements of a policy document.

    Raises:
        Undecidable: when it is no JSON object, so that nobody can tell what it allows.
    """
    try:
        found = json.loads(document) if isinstance(document, str) else document
    except json.JSONDecodeError as error:
        raise Undecidable(f"the policy document is no JSON ({error})") from None
    if not isinstance(found, Mapping):
        raise Undecidable(f"the policy document is {found!r}, expected a JSON object")
    return [cast(Mapping[str, Any], each) for each in rows(at(found, "Statement")) if isinstance(each, Mapping)]


def grants(statement: Mapping[str, Any], action: str) -> bool:
    """Returns whether an allowing statement's actions include `action`; IAM does not tell case apart in actions."""
    return any(fnmatchcase(action.lower(), each.lower()) for each in texts(statement.get("Action")))


def principals(statement: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Returns (kind, who) of everyone whom a statement names; `*` alone is (`*`, `*`)."""
    named = statement.get("Principal")
    if isinstance(named, Mapping):
        for kind, who in cast(Mapping[str, Any], named).items():
            yield from ((kind, each) for each in texts(who))
    else:
        yield from ((each, each) for each in texts(named))


def condition(statement: Mapping[str, Any], operator: str, key: str) -> list[str]:
    """Returns the values that a condition with one of the operators of a prefix allows for `key`, in any case."""
    found: list[str] = []
    conditions: Mapping[str, Any] = statement.get("Condition") or {}
    for name, wanted in conditions.items():
        # `...IfExists` passes a request that lacks the key: it conditions nothing.
        if name.startswith(operator) and not name.endswith("IfExists"):
            for one in cast(Mapping[str, Any], wanted):
                if one.lower() == key.lower():
                    found += texts(wanted[one])
    return found
