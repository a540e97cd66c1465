"""model.yaml: safe defaults, cross-field rules with both values, names."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.documents import parse
from shipway.contract.errors import SpecError
from shipway.contract.evidence import Gate, GateAction
from shipway.contract.model import ModelSpec, RolloutSpec, load_model
from shipway.contract.naming import RESERVED_NAMES, check_model_name, suggest_model_name

GOOD: dict[str, Any] = {
    "name": "my-model",
    "description": "x",
    "owner": {"team": "t", "contact": "c", "escalation": "e", "runbook_url": "r"},
    "resources": {"cpu_millicores": 500, "memory_mib": 512},
    "evaluation": {"gates": [{"metric": "auc", "minimum": 0.6}]},
}


def test_the_defaults_start_at_one_percent_and_roll_back() -> None:
    """A model.yaml that tunes nothing gets guarded steps, the first within the harm budget."""
    rollout = parse(ModelSpec, GOOD, "m").rollout
    assert rollout.steps_percent == (1, 5, 25, 50, 100)
    assert rollout.steps_percent[0] / 100 <= rollout.harm_budget_ratio


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"owner": {"team": "t"}}, "m: owner.contact: got 'nothing', expected a value: this key is required"),
        ({"resources": None}, "m: resources: got None, expected an object"),
        ({"rollout": {"steps_percent": [5, 100]}}, "the first step (5 %) to fit harm_budget_ratio (1.00%)"),
        ({"rollout": {"steps_percent": [1, 1, 100]}}, "steps_percent to grow strictly and end at 100, not [1, 1, 100]"),
        ({"rollout": {"harm_budget_ratio": 0}}, "rollout.harm_budget_ratio: got 0, expected greater than 0"),
        ({"rollout": {"harm_budget_ratio": 1}}, "rollout.harm_budget_ratio: got 1, expected less than 1"),
        ({"rollout": {"guardrail_alpha": 1.5}}, "rollout.guardrail_alpha: got 1.5, expected less than 1"),
        ({"rollout": {"gates": {"erors": "pause"}}}, "rollout.gates.erors.[key]: got 'erors', expected 'errors', "),
        ({"rollout": {"gates": {"evidence": False}}}, "evidence cannot be tuned"),
        ({"rollout": {"gates": {"sample_ratio": "rollback"}}}, "sample_ratio to be pause or off: a wrong split says "),
        (
            {"rollout": {"gates": {"errors": "stop"}}},
            "rollout.gates.errors: got 'stop', expected 'rollback', 'pause' or ",
        ),
        (
            {"rollout": {"min_step_seconds": 9, "max_step_seconds": 1}},
            "max_step_seconds (1.0) to be at least min_step_seconds (9.0)",
        ),
        (
            {"resources": {"cpu_millicores": 1, "memory_mib": 1, "gpus": 1}},
            "gpu_type (None) and gpus (1) to be given together",
        ),
        ({"serving": {"fallback": ["constant"]}}, "fallback_constant (None)"),
        ({"serving": {"fallback": ["guess"]}}, "expected 'previous', 'cached' or 'constant'"),
        (
            {"labels": {"delay_seconds": 33 * 86_400}},
            "labels.delay_seconds: got 2851200, expected less than or equal to 2764800",
        ),
        ({"name": "My Model"}, "try 'my-model'"),
        ({"name": "gateway"}, "try 'gateway-model'"),
        ({"evaluation": {"gates": []}}, "evaluation.gates"),
        ({"evaluation": {"gates": [{"metric": "auc"}]}}, "at least one of minimum, maximum"),
        ({"features": {"reads": [{"name": "v:a", "default": 0, "ttl_seconds": 1}] * 2}}, "each feature once"),
        ({"features": {"reads": [{"name": "a", "default": 0, "ttl_seconds": 1}]}}, "features.reads.0.name"),
    ],
)
def test_a_wrong_value_is_refused_with_both_numbers(change: dict[str, Any], message: str) -> None:
    """Each rule of model.yaml refuses and says what it saw."""
    with pytest.raises(SpecError) as caught:
        parse(ModelSpec, {**GOOD, **change}, "m")
    assert message in str(caught.value)


def test_the_file_is_named(tmp_path: Path) -> None:
    """A mistake in a file on disk names that file."""
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "ownr": {}}))
    with pytest.raises(SpecError, match=r"model.yaml: ownr: got \{\}, expected no such key; known keys are .*owner"):
        load_model(path)


@given(st.text(max_size=60))
def test_every_suggestion_is_a_good_name(name: str) -> None:
    """Whatever a person types, the suggested name is accepted."""
    assert check_model_name(suggest_model_name(name)) == ""


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_reserved_words_are_refused(name: str) -> None:
    """A model cannot take a name the platform or Python uses."""
    assert check_model_name(name)


def test_a_bare_off_is_the_word() -> None:
    """YAML reads `off` as false; under `rollout.gates` it switches the gate off."""
    rollout = parse(RolloutSpec, yaml.safe_load("gates: {slow_live: off}"), "model.yaml")
    assert rollout.action(Gate.SLOW_LIVE) is GateAction.OFF
    assert rollout.action(Gate.ERRORS) is GateAction.ROLLBACK
    assert rollout.action(Gate.SAMPLE_RATIO) is GateAction.PAUSE
