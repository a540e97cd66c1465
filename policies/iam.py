"""Policy documents of AWS: JSON text or mappings in, statements out."""

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, cast

from policies.resource import at, rows, texts
from policies.unknown import Undecidable

__all__ = ["any_of_its_kind", "condition", "grants", "principals", "statements"]

# Services whose resources are identities, keys and secrets: even all of one account are too many.
_KEPT_APART = frozenset({"iam", "kms", "secretsmanager", "ssm"})
_WILD = re.compile(r"[*?]")


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


def any_of_its_kind(resource: str) -> bool:
    """Returns whether a statement's resource names none: not even an account's own, or any identity, key or secret.

    >>> any_of_its_kind("arn:*"), any_of_its_kind("arn:aws:ec2:*:*:instance/*")
    (True, True)
    >>> any_of_its_kind("arn:aws:ec2:eu-west-1:111111111111:instance/*"), any_of_its_kind("arn:aws:s3:::models/*")
    (False, False)
    """
    parts = resource.split(":", 5)
    if len(parts) < 6:
        return bool(_WILD.search(resource))
    _, _, service, _, account, named = parts
    name = re.sub(r"^[\w-]+[/:]", "", named)
    if re.search(r"[^*?/:]", name):
        return False
    # Whoever makes instances and volumes cannot know their ids; a bucket, a topic or a secret has a name.
    return name == named or service in _KEPT_APART or bool(_WILD.search(service + account))


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
