"""Every stack there is, as the program registers it with both of the repository's services."""

import importlib
import keyword
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pulumi import _types as types_of
from pulumi.runtime.rpc import deserialize_properties

from shipway.contract.environment import EnvironmentSpec, Tier
from shipway.contract.stack import StackSpec, load_stack
from tests.components.conftest import REPOSITORY, Project, make_project
from tests.components.recording import Recorder, run
from tests.components.wire import plain

__all__ = ["STACKS", "RecordedStack", "Registration", "recorded_stacks", "registrations", "sdk_types"]

STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (REPOSITORY / "stacks").glob("Pulumi.*.yaml"))

FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@dataclass(frozen=True)
class Registration:
    """One resource as it was registered.

    Args:
        urn: its URN.
        request: what the program sent, options included.
        inputs: its inputs, as a document.
    """

    urn: str
    request: Any
    inputs: Mapping[str, Any]

    @property
    def type(self) -> str:
        return str(self.request.type)

    @property
    def name(self) -> str:
        return str(self.request.name)

    @property
    def references(self) -> Mapping[str, list[str]]:
        """Property -> URNs of the resources that its value is computed from."""
        return {key: list(found.urns) for key, found in self.request.propertyDependencies.items() if found.urns}


@dataclass(frozen=True)
class RecordedStack:
    """One stack and all that the program registers for it."""

    spec: StackSpec
    recorder: Recorder

    @property
    def environment(self) -> EnvironmentSpec:
        return self.spec.environment

    @cached_property
    def registrations(self) -> list[Registration]:
        return registrations(self.recorder)

    @property
    def keeps_data(self) -> bool:
        return self.environment.tier is Tier.PROD


def registrations(recorder: Recorder) -> list[Registration]:
    """Returns what a recorder heard of, in the order of its registration."""
    return [
        Registration(urn, request, plain(deserialize_properties(request.object)))
        for urn, request in recorder.requests.items()
    ]


def sdk_types(token: str) -> Mapping[str, Any]:
    """Returns property -> type of a resource of AWS, as the SDK declares them."""
    _, module, name = token.split(":")
    service = module.partition("/")[0]
    package = f"pulumi_aws.{service}_" if keyword.iskeyword(service) else f"pulumi_aws.{service}"
    return types_of.resource_types(getattr(importlib.import_module(package), name))


def _fill(project: Project) -> None:
    """Releases both slots of one service and one of another, in every environment."""
    names = sorted({load_stack(project.root, stack).environment.name for stack in STACKS})
    project.add_bundle(FIRST, model="flight-delay")
    project.add_bundle(SECOND, model="digits")
    folders = [project.add_service(service, names[0]) for service in ("flight_delay", "digits")]
    for name in names:
        # A bundle of the local store is of one model.
        project.release(folders[0], name, blue=FIRST, green=FIRST if name == "local" else SECOND)
        project.release(folders[1], name, blue=SECOND)


@contextmanager
def recorded_stacks(folder: Path) -> Iterator[Callable[[str], RecordedStack]]:
    """Yields what registers a stack by its name, in a project below `folder`: each is run once."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(folder, patch)
        _fill(project)
        known: dict[str, RecordedStack] = {}

        def stack(name: str) -> RecordedStack:
            if name not in known:
                known[name] = RecordedStack(load_stack(project.root, name), run(project.root, name))
            return known[name]

        yield stack
