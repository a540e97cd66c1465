"""Every environment there is, as the program registers it with both of the repository's services."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import deserialize_properties

from shipway.contract.environment import EnvironmentSpec, Tier, load_environment
from tests.components.conftest import REPOSITORY, Project, make_project
from tests.components.recording import Recorder, run

__all__ = ["STACKS", "Environment", "Registration", "plain", "recorded_environments", "registrations"]

STACKS = sorted(path.stem.removeprefix("Pulumi.") for path in (REPOSITORY / "stacks").glob("Pulumi.*.yaml"))

FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def plain(value: Any) -> Any:
    """Returns a value of the wire as a document has it: whole numbers are whole, nothing is left out but None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


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
class Environment:
    """One environment and all that the program registers for it."""

    name: str
    spec: EnvironmentSpec
    recorder: Recorder

    @cached_property
    def registrations(self) -> list[Registration]:
        return registrations(self.recorder)

    @property
    def keeps_data(self) -> bool:
        return self.spec.tier is Tier.PROD


def registrations(recorder: Recorder) -> list[Registration]:
    """Returns what a recorder heard of, in the order of its registration."""
    return [
        Registration(urn, request, plain(deserialize_properties(request.object)))
        for urn, request in recorder.requests.items()
    ]


def _fill(project: Project) -> None:
    """Releases both slots of one service and one of another, in every environment."""
    project.add_bundle(FIRST, model="flight-delay")
    project.add_bundle(SECOND, model="digits")
    folders = [project.add_service(name, STACKS[0]) for name in ("flight_delay", "digits")]
    for stack in STACKS:
        project.release(folders[0], stack, blue=FIRST, green=FIRST if stack == "local" else SECOND)
        project.release(folders[1], stack, blue=SECOND)


@contextmanager
def recorded_environments(folder: Path) -> Iterator[Callable[[str], Environment]]:
    """Yields what registers an environment in a project below `folder`: each is run once."""
    with pytest.MonkeyPatch.context() as patch:
        project = make_project(folder, patch)
        _fill(project)
        known: dict[str, Environment] = {}

        def environment(name: str) -> Environment:
            if name not in known:
                known[name] = Environment(name, load_environment(project.root, name), run(project.root, name))
            return known[name]

        yield environment
