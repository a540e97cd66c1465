"""A stand-in for Pulumi's AWS provider, whose program and whose cloud no test can reach.

It checks every input against the types that the provider's own Python SDK declares and against what AWS itself refuses
most often, and keeps what it makes in one file. It proves that a program is well formed and how it changes from one
deployment to the next; it does not prove the upstream provider, nor AWS. The engine starts it by its name,
`pulumi-resource-aws`; SHIPWAY_STANDIN_WORLD names the file.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from pulumi.runtime.rpc import UNKNOWN

from tests.standins import checking
from tests.standins.aws_functions import FUNCTIONS
from tests.standins.aws_objects import Place, computed, identity, unknown_parts
from tests.standins.aws_refusals import refusals, refusals_at_creation
from tests.standins.aws_replacing import REPLACING
from tests.standins.offline_provider import Checked, OfflineProvider, Problems, Refused
from tests.standins.sdk import ResourceType, alternatives, provider_settings, resource_type
from tests.standins.wire import has_unknown, serve
from tests.standins.world import World

__all__ = ["AwsProvider", "main"]


class AwsProvider(OfflineProvider):
    """One provider process: an account that is not there, and what the engine asks of it."""

    def __init__(self, world: World) -> None:
        super().__init__("aws", version("pulumi-aws"), world)
        self._place = Place()
        self._tags: Mapping[str, str] = {}

    def check_provider(self, given: Mapping[str, Any]) -> Problems:
        return checking.settings(given, provider_settings("aws"))

    def replaced_by(self, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Sequence[str]:
        return [key for key in ("region",) if olds.get(key) != news.get(key)]

    def configure(self, given: Mapping[str, Any]) -> None:
        # Of the accounts that the program lets itself work in, it is in the first.
        allowed = json.loads(str(given.get("allowedAccountIds") or "[]"))
        self._place = Place(str(given.get("region") or Place.region), str(allowed[0] if allowed else Place.account))
        tags = json.loads(str(given.get("defaultTags") or "{}"))
        self._tags = cast(Mapping[str, str], tags.get("tags") or {})

    def check(self, kind: str, name: str, inputs: dict[str, Any], olds: Mapping[str, Any], seed: bytes) -> Checked:
        known = resource_type(kind)
        if known is None:
            return Checked(inputs, [("", f"{kind} is no type of pulumi-aws {self._version}")])
        found = list(checking.problems(known, inputs))
        named = _named(known, name, inputs, olds, seed)
        # What has the wrong type would only be complained about twice.
        return Checked(named, found or list(refusals(kind, named, self._place)))

    def replacing(self, kind: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[list[str], bool]:
        known = resource_type(kind)
        named = known.autonamed if known else ""
        documented = known.replacing if known else frozenset()
        keys = {*documented, *REPLACING.get(kind, ()), *((named,) if named else ())}
        replaces = [key for key in sorted(keys) if olds.get(key) != news.get(key)]
        # A name that the program chose is taken until its holder is gone.
        chosen = bool(named) and named not in news.get("__defaults", []) and olds.get(named) == news.get(named)
        return replaces, chosen

    def made(self, kind: str, inputs: Mapping[str, Any], fresh: str) -> tuple[str, dict[str, Any]]:
        for refusal in refusals_at_creation(kind, inputs, self._world):
            raise Refused(refusal)
        known = _known(kind)
        key = identity(kind, inputs, fresh, known, self._place)
        return key, {**computed(known, inputs, key, fresh, self._place), **self._always(known, inputs)}

    def foreseen(self, kind: str, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        known = _known(kind)
        if before:
            kept = {name: value for name, value in before.items() if name not in known.inputs or name in known.computed}
            return {**kept, **_given(inputs), **self._always(known, inputs)}
        unknown = {name: UNKNOWN for name in known.computed if inputs.get(name) is None}
        return {**unknown, **unknown_parts(kind, _given(inputs)), **self._always(known, inputs)}

    def invoked(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        return FUNCTIONS[token](arguments, self._place) if token in FUNCTIONS else None

    def refuse_deletion(self, kind: str, properties: Mapping[str, Any]) -> None:
        if properties.get("deletionProtection") or properties.get("enableDeletionProtection"):
            raise Refused(f"InvalidParameterCombination: cannot delete protected {kind.rpartition(':')[2]}")

    def _always(self, known: ResourceType, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is known of every object before it is made: where it will be, and all its tags."""
        found: dict[str, Any] = {}
        if "region" in known.outputs:
            found["region"] = inputs.get("region") or self._place.region
        if "tagsAll" in known.outputs:
            own = inputs.get("tags") or {}
            found["tagsAll"] = UNKNOWN if own == UNKNOWN else {**self._tags, **own}
        return found


def _known(kind: str) -> ResourceType:
    known = resource_type(kind)
    if known is None:
        raise Refused(f"{kind} is no type of the provider")
    return known


def _given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name != "__defaults"}


def _named(
    known: ResourceType, name: str, inputs: dict[str, Any], olds: Mapping[str, Any], seed: bytes
) -> dict[str, Any]:
    """Returns the inputs with a name made up once, and then for good; it is marked as the real provider marks it."""
    key = known.autonamed
    if not key or inputs.get(key) is not None or not any(one is str for one in alternatives(known.inputs[key])):
        return inputs
    suffix = hashlib.sha256(seed).hexdigest()[:7]
    prefix = inputs.get(f"{key}Prefix")
    before = olds.get(key) if key in olds.get("__defaults", []) else None
    made_up = f"{prefix}{suffix}" if prefix and not has_unknown(prefix) else f"{name}-{suffix}"
    return {**inputs, key: before or made_up, "__defaults": [key]}


def main() -> None:
    """Serves until the engine lets go."""
    serve(AwsProvider(World(Path(os.environ["SHIPWAY_STANDIN_WORLD"]))), __doc__)


if __name__ == "__main__":
    main()
