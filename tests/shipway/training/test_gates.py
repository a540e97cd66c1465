import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.model import GateSpec
from shipway.training.gates import judge

UNIT = st.floats(0, 1)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (GateSpec(metric="auc", minimum=0.7), "failed: auc is 0.6500, expected at least 0.7000"),
        (GateSpec(metric="auc", minimum=0.6), "passed: auc is 0.6500, expected at least 0.6000"),
        (GateSpec(metric="log_loss", maximum=0.5), "failed: log_loss is 0.6000, expected at most 0.5000"),
        (
            GateSpec(metric="auc", beats_base_rate_by=0.2),
            "failed: auc is 0.6500, expected at least (base rate 0.5000, better by 0.2) 0.7000",
        ),
        (
            GateSpec(metric="log_loss", beats_base_rate_by=0.05),
            "passed: log_loss is 0.6000, expected at most (base rate 0.6900, better by 0.05) 0.6400",
        ),
        (
            GateSpec(metric="auc", champion_tolerance=0.02),
            "failed: auc is 0.6500, expected at least (champion 0.6800, worse by up to 0.02) 0.6600",
        ),
        (
            GateSpec(metric="log_loss", champion_tolerance=0.02),
            "passed: log_loss is 0.6000, expected at most (champion 0.5900, worse by up to 0.02) 0.6100",
        ),
    ],
)
def test_each_bar_says_both_numbers(gate: GateSpec, said: str) -> None:
    """Better is higher for some metrics and lower for others, and the sentence says which."""
    metrics = {"auc": 0.65, "log_loss": 0.6}
    base_rate, champion = {"auc": 0.5, "log_loss": 0.69}, {"auc": 0.68, "log_loss": 0.59}
    assert [str(result) for result in judge([gate], metrics, base_rate, champion)] == [said]


def test_without_a_champion_its_bar_does_not_apply() -> None:
    """The first version has nothing to be compared with; the gate's other bars still hold."""
    gate = GateSpec(metric="auc", minimum=0.6, champion_tolerance=0.0)
    assert [result.rule for result in judge([gate], {"auc": 0.7}, {"auc": 0.5}, None)] == ["at least"]


def test_a_metric_that_was_not_measured_is_no_pass() -> None:
    """Missing is never a pass."""
    with pytest.raises(KeyError, match="f1"):
        judge([GateSpec(metric="f1", minimum=0.1)], {"auc": 0.7}, {}, None)


@given(UNIT, UNIT)
def test_nan_never_passes(minimum: float, maximum: float) -> None:
    """A metric that is not a number clears no bar."""
    gate = GateSpec(metric="auc", minimum=minimum, maximum=maximum, beats_base_rate_by=0.0, champion_tolerance=0.0)
    results = judge([gate], {"auc": float("nan")}, {"auc": 0.5}, {"auc": 0.5})
    assert not any(result.passed for result in results)
