"""Resource and Stack: what a rule looks at, as Pulumi sends it on the wire, and how values in it are read."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from policies.unknown import Undecidable

__all__ = ["Resource", "Stack", "at", "mappings", "number", "quantity", "rows", "texts", "truthy"]

_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_FACTORS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTP", 1)
}


@dataclass(frozen=True)
class Resource:
    """One resource of a stack.

    Args:
        type: Pulumi's type token, such as `kubernetes:apps/v1:Deployment`.
        name: its name in the program.
        props: its properties under their names on the wire (camelCase).
        urn: its URN; empty where nothing refers to it.
        protect: whether Pulumi refuses to delete it.
        references: property -> URNs of the resources its value is computed from.
    """

    type: str
    name: str
    props: Mapping[str, Any]
    urn: str = ""
    protect: bool = False
    references: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


@dataclass(frozen=True)
class Stack:
    """All resources of a stack, found by their type."""

    resources: Sequence[Resource]

    @cached_property
    def _by_type(self) -> Mapping[str, list[Resource]]:
        found: defaultdict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            found[resource.type].append(resource)
        return found

    def of(self, *types: str) -> list[Resource]:
        """Returns the resources of any of these types; a version may be left out: `kubernetes:policy:Name`."""
        return [resource for wanted in types for resource in self._found(wanted)]

    def _found(self, wanted: str) -> Iterable[Resource]:
        package, group, kind = wanted.split(":")
        if package != "kubernetes" or "/" in group:
            return self._by_type.get(wanted, ())
        start, end = f"kubernetes:{group}/", f":{kind}"
        kinds = [found for found in self._by_type if found.startswith(start) and found.endswith(end)]
        return [resource for found in kinds for resource in self._by_type[found]]

    def related(self, owner: Resource, kind: str, key: str, *own: str) -> list[Resource]:
        """Returns the resources of type `kind` whose property `key` names `owner`.

        Args:
            owner: what they belong to.
            kind: their type.
            key: the property of theirs that names it.
            own: the owner's properties it may be named by.

        Raises:
            Undecidable: when none is found and one of them names something that is not known yet.
        """
        found: list[Resource] = []
        unknown: Undecidable | None = None
        for other in self.of(kind):
            if owner.urn and owner.urn in other.references.get(key, ()):
                found.append(other)
                continue
            try:
                value = other.props.get(key)
                if value and any(value == owner.props.get(name) for name in own):
                    found.append(other)
            except Undecidable as error:
                unknown = error
        if unknown and not found:
            raise unknown
        return found


def at(value: Any, *keys: str | int) -> Any:
    """Returns what lies under `keys`, None when any of them is missing."""
    for key in keys:
        try:
            value = value[key]
        except (KeyError, TypeError, IndexError):
            return None
    return value


def rows(value: Any) -> Sequence[Any]:
    """Returns `value` when it is a list; a single mapping as a list of one; else nothing."""
    if isinstance(value, Mapping):
        return (cast(Mapping[str, Any], value),)
    return cast(Sequence[Any], value) if isinstance(value, Sequence) and not isinstance(value, str) else ()


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Returns the mappings in a value that may be one or a list; what else is in it no cluster would take."""
    return [cast(Mapping[str, Any], one) for one in rows(value) if isinstance(one, Mapping)]


def texts(value: Any) -> Iterator[str]:
    """Returns the texts in a value that may be one text or a list of them."""
    return iter((value,)) if isinstance(value, str) else (one for one in rows(value) if isinstance(one, str))


def truthy(value: Any) -> bool:
    """Returns whether a flag is set; some AWS inputs are the texts `true` and `false`."""
    return value is True or (isinstance(value, str) and value.lower() == "true")


def number(value: Any) -> float | None:
    """Returns a number, also when it came as text; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else None


def quantity(value: Any) -> float | None:
    """Returns a Kubernetes quantity in its base unit, None when it is none.

    >>> quantity("500m"), quantity("2Ki"), quantity(3)
    (0.5, 2048.0, 3.0)
    """
    if isinstance(value, int | float):
        return number(value)
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _FACTORS[found[2] or ""] if found else None
