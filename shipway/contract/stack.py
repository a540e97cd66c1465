"""StackSpec: which layers of which environment one stack holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from shipway.contract.documents import Spec, parse
from shipway.contract.environment import (
    ENVIRONMENT_KEY,
    EnvironmentSpec,
    environment_path,
    load_environment,
    stack_config,
)
from shipway.contract.errors import SpecError

__all__ = ["ELSEWHERE_KEY", "LAYERS_KEY", "PLATFORM_KEY", "Layer", "StackSpec", "load_stack"]

LAYERS_KEY = "shipway:layers"
PLATFORM_KEY = "shipway:platform"
# In a repository that holds models alone, of the platform that they run on.
ELSEWHERE_KEY = "shipway:provisioned_elsewhere"


class Layer(StrEnum):
    """What is deployed on its own, by people with rights of their own."""

    PLATFORM = "platform"
    MODELS = "models"


@dataclass(frozen=True)
class StackSpec:
    """One stack.

    Args:
        name: the stack's name.
        environment: what it is a part of, or all of.
        layers: what of it this stack holds.
        elsewhere: whether another repository deploys it, and this one only knows what it is like.
        platform_project: the Pulumi project of the platform that the models run on; empty for this one.
    """

    name: str
    environment: EnvironmentSpec
    layers: frozenset[Layer]
    elsewhere: bool = False
    platform_project: str = ""

    @property
    def holds_platform(self) -> bool:
        """Whether this stack provisions the platform; otherwise it builds on the stack called after the environment."""
        return Layer.PLATFORM in self.layers

    @property
    def holds_models(self) -> bool:
        """Whether the models run from this stack."""
        return Layer.MODELS in self.layers


def _word(value: object) -> object:
    """Returns a truth that Pulumi has written as a word, which it does whenever it saves a stack's file."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


class _Keys(Spec):
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (Layer.PLATFORM, Layer.MODELS)
    platform: str | None = None
    provisioned_elsewhere: Annotated[bool, BeforeValidator(_word)] = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.platform is None) != (Layer.PLATFORM in self.layers):
            layers = ", ".join(self.layers)
            raise ValueError(f"platform to name a stack where layers lacks it, and only there, not with {layers}")
        if self.provisioned_elsewhere and self.layers != (Layer.PLATFORM,):
            layers = ", ".join(self.layers)
            raise ValueError(f"provisioned_elsewhere with layers [platform] alone, not with {layers}")
        return self


def load_stack(root: Path, name: str) -> StackSpec:
    """Returns the stack `name` of the project at `root`; one that holds no platform takes its environment from another.

    Raises:
        SpecError: when there is no such stack, or a document is wrong.
    """
    path = environment_path(root, name)
    config = stack_config(root, name)
    keys = parse(_Keys, _own_keys(config), path)
    # `project/stack` where the platform is another project's.
    project, _, platform = (keys.platform or "").rpartition("/")
    if keys.platform is None:
        environment = load_environment(root, name)
    else:
        if ENVIRONMENT_KEY in config:
            said = f"none: it is the one of {platform}"
            raise SpecError(path, f"config.{ENVIRONMENT_KEY}", config[ENVIRONMENT_KEY], said)
        environment = load_environment(root, platform)
        if load_stack(root, platform).holds_models:
            expected = "a stack whose layers are [platform]: this one's models would be there twice"
            raise SpecError(path, f"config.{PLATFORM_KEY}", keys.platform, expected)
    layers = frozenset(keys.layers)
    return StackSpec(name, environment, layers, elsewhere=keys.provisioned_elsewhere, platform_project=project)


def _own_keys(config: Mapping[str, object]) -> dict[str, object]:
    return {key.partition(":")[2]: config[key] for key in (LAYERS_KEY, PLATFORM_KEY, ELSEWHERE_KEY) if key in config}
