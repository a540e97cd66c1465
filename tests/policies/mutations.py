"""Mutation operators: how a clean stack is broken, rule by rule, as people break it.

An operator is (which resources, which property, what to put there). Resources are chosen by patterns over `type|name`,
separated by spaces; a property is a path with `>` between keys and `*` for any item of a list; the value is one of
several, DROP takes the property out, a function makes the new value of the old one. An empty path takes the resource
out of the stack, `protect` is its option.
"""

import copy
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from policies.resource import Resource

DROP = object()
Value = Callable[[Any], Any] | Any


@dataclass(frozen=True)
class Operator:
    """One way to break a rule."""

    where: str
    path: str
    values: tuple[Value, ...]

    def mutants(self, stack: Sequence[Resource]) -> list[int]:
        """Returns the indices of the resources it can break."""
        return [i for i, one in enumerate(stack) if self._matches(one) and self._applies(one.props)]

    def _matches(self, resource: Resource) -> bool:
        return any(fnmatchcase(f"{resource.type}|{resource.name}", pattern) for pattern in self.where.split())

    def _applies(self, props: Any) -> bool:
        keys = self.path.split(">")
        for key in keys[:-1]:
            if key == "*":
                props = props[0] if props else None
            elif isinstance(props, dict) and key in props:
                props = props[key]
            else:
                return False
        return isinstance(props, dict | list) and (DROP not in self.values or keys[-1] == "*" or keys[-1] in props)

    def apply(self, stack: Sequence[Resource], index: int, draw: random.Random) -> list[Resource]:
        """Returns the stack with one resource broken."""
        others, broken = [*stack[:index], *stack[index + 1 :]], stack[index]
        if not self.path:
            return others
        if self.path == "protect":
            return [*others, replace(broken, protect=False)]
        props = copy.deepcopy(dict(broken.props))
        put(props, self.path, draw.choice(self.values), draw)
        return [*others, replace(broken, props=props)]


def put(props: Any, path: str, value: Value, draw: random.Random) -> None:
    """Puts a value at a path."""
    keys = path.split(">")
    for key in keys[:-1]:
        props = props[draw.randrange(len(props))] if key == "*" else props[key]
    last: Any = draw.randrange(len(props)) if keys[-1] == "*" else keys[-1]
    if value is DROP:
        del props[last]
    else:
        old = props[last] if isinstance(props, list) else props.get(last)
        props[last] = value(copy.deepcopy(old)) if callable(value) else value


def op(where: str, path: str, *values: Value) -> Operator:
    """Makes an operator."""
    return Operator(where, path, values)


def lacks(*keys: str) -> Callable[[Any], Any]:
    """Returns a function that takes keys out of a mapping."""
    return lambda old: {key: value for key, value in old.items() if key not in keys}


def without(item: str) -> Callable[[Any], Any]:
    """Returns a function that takes an item out of a list."""
    return lambda old: [one for one in old if one != item]


def plus(item: Any) -> Callable[[Any], Any]:
    """Returns a function that adds an item to a list."""
    return lambda old: [*(old or []), item]


def statement(**changes: Any) -> Callable[[Any], Any]:
    """Returns a function that changes the first statement of a policy document; None takes a key out."""

    def change(document: Any) -> str:
        parsed = json.loads(document) if isinstance(document, str) else document
        first = {**parsed["Statement"][0], **changes}
        parsed["Statement"][0] = {key: value for key, value in first.items() if value is not None}
        return json.dumps(parsed)

    return change


SLOT = "*:Deployment|*-blue *:Deployment|*-green *:Rollout|*"
SERVING = f"{SLOT} *:Deployment|delivery-deployment"
JOB = "*:CronJob|*"
SPEC, JOB_SPEC = "spec>template>spec", "spec>jobTemplate>spec>template>spec"
MODEL, PLATFORM = "*:ModelService|*", "*:Platform|*"
PSA = "pod-security.kubernetes.io/enforce"


def in_pods(path: str, *values: Value) -> list[Operator]:
    """Returns operators on the pods of whatever serves, and of a CronJob."""
    return [op(SERVING, f"{SPEC}>{path}", *values), op(JOB, f"{JOB_SPEC}>{path}", *values)]


def in_containers(path: str, *values: Value) -> list[Operator]:
    """Returns operators on the containers of whatever serves, and of a CronJob."""
    return in_pods(f"containers>*>{path}", *values)
