"""Target: what a folder of components must offer so that Platform and ModelService are the same call everywhere."""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import pulumi

from components.parts import ModelOutputs, PlatformOutputs
from components.services import Service
from shipway.contract.environment import EnvironmentSpec, environment_path
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot

__all__ = ["TargetModule", "Unasked", "target_of"]


class Unasked(SpecError):
    """What only the running system could tell, and it cannot be asked: undecided at a preview, refused at `up`."""


class TargetModule(Protocol):
    """The module `components/<target>/target.py`: the composer of its folder."""

    def refuse(self, root: Path, environment: EnvironmentSpec, services: Sequence[Service]) -> None:
        """Raises a ShipwayError for what cannot work, before the first resource; Unasked when that cannot be told."""
        ...

    def served(self, root: Path, environment: EnvironmentSpec) -> Mapping[str, tuple[Slot, str]]:
        """Returns model -> the slot that takes traffic now and its digest; a SpecError when that cannot be read."""
        ...

    def build_parts(self, parent: pulumi.Resource, root: Path, environment: EnvironmentSpec) -> PlatformOutputs:
        """Builds the platform's parts in order below `parent`."""
        ...

    def attach_parts(
        self, root: Path, environment: EnvironmentSpec, platform: pulumi.StackReference
    ) -> PlatformOutputs:
        """Returns what the stack `platform` provisioned, for models that are a stack of their own."""
        ...

    def build_model(self, parent: pulumi.Resource, service: Service, platform: PlatformOutputs) -> ModelOutputs:
        """Builds one model's own resources below `parent`."""
        ...


def target_of(root: Path, environment: EnvironmentSpec) -> TargetModule:
    """Returns the environment's target, imported only now: a laptop needs no cloud's SDK.

    Raises:
        SpecError: when there is no such folder of components.
    """
    package = f"components.{environment.target}"
    if importlib.util.find_spec(package) is None:
        known = sorted(path.parent.name for path in Path(__file__).parent.glob("*/target.py"))
        raise SpecError(
            environment_path(root, environment.name), "target", str(environment.target), f"one of {', '.join(known)}"
        )
    return cast(TargetModule, importlib.import_module(f"{package}.target"))
