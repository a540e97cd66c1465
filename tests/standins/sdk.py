"""What a provider's own Python SDK says of a resource: its inputs and their types, and what the provider computes.

Nothing here is a table: the SDK is generated from the provider's schema, so a type, a required property and a computed
one are whatever its classes declare.
"""

import importlib
import inspect
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import NoneType
from typing import Any, Union, get_args, get_origin

import pulumi
from pulumi import _types as sdk_types
from pulumi.runtime.rpc import get_resource_module

__all__ = ["Fields", "ResourceType", "alternatives", "fields", "resource_type"]

# How the SDK's documentation says that the provider makes a name where none is given.
_AUTONAMED = re.compile(r"(?:if|when) omitted, (?:this provider|the provider|pulumi) will assign a random", re.I)
# Only what holds without a condition: "if this is true, changing it forces ..." depends on more than the change.
_REPLACING = re.compile(r"(?:^|[.(] ?)(?:forces (?:a )?(?:new|replacement)|changing this value (?:will )?forces?)", re.I)


@dataclass(frozen=True)
class ResourceType:
    """One type of resource.

    Args:
        token: its name on the wire, such as aws:eks/cluster:Cluster.
        inputs: property -> its type.
        required: the inputs that must be given.
        outputs: property -> its type.
        computed: the outputs that are always there, given or not.
        replacing: the inputs that the documentation says force a replacement.
        autonamed: the input that is made up where it is left out, empty where none is.
    """

    token: str
    inputs: Mapping[str, Any]
    required: frozenset[str]
    outputs: Mapping[str, Any]
    computed: frozenset[str]
    replacing: frozenset[str] = frozenset()
    autonamed: str = ""


@dataclass(frozen=True)
class Fields:
    """The properties of one object among a resource's inputs: their types, and which must be given."""

    types: Mapping[str, Any]
    required: frozenset[str] = field(default_factory=frozenset)


@cache
def resource_type(token: str) -> ResourceType | None:
    """Returns the type that `token` names, None where the SDK has none."""
    package, module, _ = token.split(":")
    importlib.import_module(f"pulumi_{package}")
    found: Any = get_resource_module(package, module, "")
    if found is None or token not in found.mod_info["classes"]:
        return None
    name = found.mod_info["classes"][token]
    classes = importlib.import_module(found.mod_info["fqn"])
    resource: type = getattr(classes, name)
    # Where an object of the same name is also a part of others, its own arguments have the longer name.
    arguments: type = getattr(classes, f"{name}InitArgs", None) or getattr(classes, f"{name}Args")
    inputs, documentation = fields(arguments), _documentation(arguments)
    hints = sdk_types._raw_return_hints(resource)
    return ResourceType(
        token,
        inputs.types,
        inputs.required,
        sdk_types.resource_types(resource),
        frozenset(name for name, hint in hints.items() if NoneType not in _flat(hint)),
        frozenset(name for name, text in documentation.items() if _REPLACING.search(text)),
        _autonamed(name, inputs, documentation),
    )


@cache
def fields(arguments: type) -> Fields:
    """Returns the properties of a class of arguments, under their names on the wire."""
    names = sdk_types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters  # type: ignore[misc]
    required = {names[name] for name, one in parameters.items() if name in names and one.default is one.empty}
    return Fields(sdk_types.input_type_types(arguments), frozenset(required))


def alternatives(declared: Any) -> list[Any]:
    """Returns what a declared type allows, without what is only a way to hand it over: outputs, awaitables, None."""
    return [one for one in _flat(declared) if one is not NoneType]


def _flat(declared: Any) -> list[Any]:
    """Returns the members of a union and of what is inside an Output, and nothing of an Awaitable."""
    origin = get_origin(declared)
    if origin is Union or type(declared).__name__ == "UnionType":
        members = get_args(declared)
        # An Input's own Output is beside its Awaitable and says nothing that the first members do not.
        handed_over = any(get_origin(one) is Awaitable for one in members)
        kept = [one for one in members if not (handed_over and get_origin(one) in (Awaitable, pulumi.Output))]
        return [each for one in kept for each in _flat(one)]
    if origin is pulumi.Output:
        return [each for one in get_args(declared) for each in _flat(one)]
    return [declared]


def _documentation(arguments: type) -> dict[str, str]:
    return {
        name: " ".join((one.fget.__doc__ or "").split())
        for _, name, one in sdk_types._py_properties(arguments)
    }


def _autonamed(resource: str, inputs: Fields, documentation: Mapping[str, str]) -> str:
    """Returns the property that names a resource by itself: the one said to be, else an optional name or own id.

    The last two are the rule of Pulumi's bridge to Terraform providers (SetAutonaming) and what the AWS provider adds.
    """
    told = [name for name, text in documentation.items() if _AUTONAMED.search(text) and not name.endswith("Prefix")]
    usual = ("name", f"{resource[0].lower()}{resource[1:]}Id")
    optional = [name for name in usual if name in inputs.types and name not in inputs.required]
    return next(iter([*told, *optional]), "")
