"""A slot's configuration survives the way through the environment."""

import dataclasses
from pathlib import Path

import pytest

from shipway.contract.environment import Tier
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot
from shipway.serving.configuration import SlotConfiguration

CONFIGURATION = SlotConfiguration(
    bundle=Path("/store/sha256") / ("ab" * 32),
    slot=Slot.GREEN,
    predictions=Path("/predictions"),
    features=Path("/features"),
    tier=Tier.NONPROD,
)


def test_what_is_handed_over_is_read_back() -> None:
    """BentoML creates services without arguments; nothing may be lost on the way."""
    assert SlotConfiguration.from_environment(CONFIGURATION.environment()) == CONFIGURATION
    whole = dataclasses.replace(CONFIGURATION, served_routes=Path("/rds.json"), artifacts=Path("/store"))
    assert SlotConfiguration.from_environment(whole.environment()) == whole
    assert CONFIGURATION.digest == "sha256:" + "ab" * 32


def test_a_missing_variable_is_named() -> None:
    """Whoever serves a Bento by other means learns what it needs."""
    environment = CONFIGURATION.environment()
    del environment["SHIPWAY_SLOT_FEATURES"]
    with pytest.raises(SpecError, match="environment: SHIPWAY_SLOT_FEATURES: got 'nothing', expected a value"):
        SlotConfiguration.from_environment(environment)
