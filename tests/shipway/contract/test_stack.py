"""Stacks: each file says which layers of which environment it holds."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shipway.contract.errors import SpecError
from shipway.contract.stack import load_stack

CLUSTER: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[3] / "stacks" / "Pulumi.onprem.yaml").read_text(encoding="utf-8")
)["config"]["shipway:environment"]


def write(root: Path, name: str, **config: Any) -> None:
    """Writes one stack file; `environment` is the example cluster under the stack's name."""
    (root / "stacks").mkdir(exist_ok=True)
    if config.pop("environment", False):
        config["environment"] = {**CLUSTER, "name": name}
    text = yaml.safe_dump({"config": {f"shipway:{key}": value for key, value in config.items()}})
    (root / "stacks" / f"Pulumi.{name}.yaml").write_text(text)


def test_a_stack_that_says_nothing_holds_platform_and_models(tmp_path: Path) -> None:
    """A laptop, or a cluster of one team: one stack is the environment."""
    write(tmp_path, "one", environment=True)
    stack = load_stack(tmp_path, "one")
    assert (stack.holds_platform, stack.holds_models, stack.environment.name) == (True, True, "one")


def test_models_of_their_own_stack_take_the_environment_of_their_platform(tmp_path: Path) -> None:
    """Every parameter stands in one file: the models' stack names the platform's and repeats nothing."""
    write(tmp_path, "prod", environment=True, layers=["platform"])
    write(tmp_path, "prod-models", layers=["models"], platform="prod")
    platform, models = load_stack(tmp_path, "prod"), load_stack(tmp_path, "prod-models")
    assert (platform.holds_platform, platform.holds_models) == (True, False)
    assert (models.holds_platform, models.holds_models) == (False, True)
    assert models.environment == platform.environment
    assert models.name == "prod-models"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": []}, "layers: got [], expected tuple should have at least 1 item"),
        ({"layers": ["model"]}, "layers.0: got 'model', expected 'platform' or 'models'"),
        ({"layers": ["models"]}, "expected platform to name a stack where layers lacks it, and only there"),
        ({"environment": True, "platform": "prod"}, "expected platform to name a stack where layers lacks it"),
        ({"layers": ["models"], "platform": "prd"}, "expected one of the environments models, onprem, prod"),
        (
            {"layers": ["models"], "platform": "onprem"},
            "shipway:platform: got 'onprem', expected a stack whose layers are [platform]",
        ),
        (
            {"layers": ["models"], "platform": "prod", "environment": True},
            "expected none: it is the one of prod",
        ),
        (
            {"environment": True, "provisioned_elsewhere": True},
            "expected provisioned_elsewhere with layers [platform] alone, not with platform, models",
        ),
    ],
)
def test_a_stack_whose_layers_do_not_fit_is_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    """The file, the key, the value and what was expected."""
    write(tmp_path, "prod", environment=True, layers=["platform"])
    write(tmp_path, "onprem", environment=True)
    write(tmp_path, "models", **config)
    with pytest.raises(SpecError) as caught:
        load_stack(tmp_path, "models")
    assert message in str(caught.value)


def test_a_platform_of_another_repository_is_known_and_not_ours(tmp_path: Path) -> None:
    """Models may stand on it; whether it is ours to deploy is said by its own file."""
    write(tmp_path, "prod", environment=True, layers=["platform"], provisioned_elsewhere=True)
    write(tmp_path, "prod-models", layers=["models"], platform="shipway/prod")
    platform, models = load_stack(tmp_path, "prod"), load_stack(tmp_path, "prod-models")
    assert (platform.elsewhere, platform.platform_project) == (True, "")
    assert (models.elsewhere, models.platform_project) == (False, "shipway")
    assert models.environment == platform.environment


def test_a_truth_that_pulumi_has_rewritten_as_a_word_is_one(tmp_path: Path) -> None:
    """Pulumi saves every value that is no text as a text, whenever it saves a stack's file."""
    write(tmp_path, "prod", environment=True, layers=["platform"], provisioned_elsewhere="true")
    assert load_stack(tmp_path, "prod").elsewhere
    write(tmp_path, "prod", environment=True, layers=["platform"], provisioned_elsewhere="yes")
    with pytest.raises(SpecError, match="provisioned_elsewhere: got 'yes', expected a valid boolean"):
        load_stack(tmp_path, "prod")
