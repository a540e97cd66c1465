"""Every target offers the same four functions with the same parameters."""

import importlib
import inspect
from pathlib import Path

import pytest

from components.target import TargetModule

FOLDER = Path(inspect.getfile(TargetModule)).parent
TARGETS = sorted(path.parent.name for path in FOLDER.glob("*/target.py"))
FUNCTIONS = sorted(name for name in vars(TargetModule) if not name.startswith("_"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_target_offers_what_platform_and_model_service_call(target: str, function: str) -> None:
    """Platform and ModelService stay the same call, whatever they are built of."""
    module = importlib.import_module(f"components.{target}.target")
    wanted = list(inspect.signature(getattr(TargetModule, function)).parameters)[1:]
    assert list(inspect.signature(getattr(module, function)).parameters) == wanted
    assert set(module.__all__) >= set(FUNCTIONS)
