"""Every target tells the same things about its parts and its models, in the same types."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.model_service import ModelService
from components.parts import ModelOutputs, PlatformOutputs
from components.platform import Platform
from components.services import load_services
from shipway.contract.environment import load_environment
from shipway.contract.metrics import Slot
from tests.components.recording import record

STACKS = ["local", "onprem"]
DIGEST = "sha256:" + "a" * 64


def _build(project: Any, stack: str) -> tuple[PlatformOutputs, ModelOutputs]:
    project.add_bundle(DIGEST)
    project.release(project.add_model("first"), stack, blue=DIGEST)
    root: Path = project.root
    environment = load_environment(root, stack)
    (service,) = load_services(root, stack)
    built: list[Any] = []

    def program() -> None:
        platform = Platform("platform", root, environment).outputs
        built.extend((platform, ModelService(service, platform).outputs))

    record(program, stack)
    platform, model = built
    return platform, model


@pytest.mark.parametrize("stack", STACKS)
def test_a_target_returns_the_dataclass_of_each_part(project: Any, stack: str) -> None:
    """Platform and services read these and nothing else, so they stay the same call on every target."""
    platform, model = _build(project, stack)
    assert type(platform) is PlatformOutputs
    for field in fields(PlatformOutputs):
        if is_dataclass(field.type):
            assert type(getattr(platform, field.name)) is field.type, field.name
    assert isinstance(platform.serving.provider, pulumi.ProviderResource)
    assert type(model) is ModelOutputs
    assert list(model.slots) == list(Slot)


@pytest.mark.parametrize("stack", STACKS)
def test_a_model_answers_below_the_gateway_by_its_name(project: Any, stack: str) -> None:
    """The same path everywhere; a slot without a digest says so."""
    platform, model = _build(project, stack)
    assert model.url == f"{platform.routing.url}/first/predict"
    assert {slot: at.digest for slot, at in model.slots.items()} == {Slot.BLUE: DIGEST, Slot.GREEN: ""}
