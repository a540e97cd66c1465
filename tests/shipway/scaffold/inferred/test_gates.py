"""Bars from what a baseline reached: it clears them itself, and one who knows nothing does not."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import HIGHER_IS_BETTER
from shipway.scaffold.inferred.gates import METRICS, Measured, gate, too_good
from shipway.training.gates import judge
from shipway.training.plan import Task


def measured(task: Task, reached: float, base: float, deviation: float) -> Measured:
    name = METRICS[task]
    return Measured(
        metrics={name: reached},
        base_rate={name: base},
        metric_deviation=deviation,
        gain_deviation=deviation,
        label_mean=0.5,
        train_rows=300,
        validation_rows=100,
        fit_seconds=0.1,
    )


ratio = st.floats(0, 1)


@settings(deadline=None)
@given(st.sampled_from(list(Task)), ratio, ratio, ratio, st.sampled_from([1e-6, 1.0, 1e6]))
def test_a_gate_lets_the_baseline_through_and_stops_the_base_rate(
    task: Task, reached: float, base: float, deviation: float, scale: float
) -> None:
    """In whatever unit the metric is, and however much chance there is in it."""
    unit = scale if task is Task.REGRESSION else 1.0
    found = measured(task, reached * unit, base * unit, deviation * unit)
    sign = 1 if METRICS[task] in HIGHER_IS_BETTER else -1
    gain = sign * (reached - base)
    assume(gain > 1e-6)
    if gain <= 2 * deviation:
        with pytest.raises(ShipwayError, match="the columns say too little about the target"):
            gate(task, found)
        return
    bars = gate(task, found)
    assert all(one.passed for one in judge([bars], found.metrics, found.base_rate, found.metrics))
    # At the edge of chance the bar itself, rounded, may lie at the base rate: the other one stops it.
    assert not all(one.passed for one in judge([bars], found.base_rate, found.base_rate, None))


def test_the_bars_of_a_plain_case() -> None:
    """Two deviations below what was reached, half of the gain above the base rate, one deviation below a champion."""
    bars = gate(Task.BINARY, measured(Task.BINARY, 0.9, 0.5, 0.03))
    assert bars.model_dump(exclude_none=True) == {
        "metric": "auc",
        "minimum": 0.84,
        "beats_base_rate_by": 0.2,
        "champion_tolerance": 0.03,
    }


def test_a_baseline_that_knows_nothing_is_refused_with_both_numbers() -> None:
    """No gate is made of chance."""
    with pytest.raises(ShipwayError) as refused:
        gate(Task.REGRESSION, measured(Task.REGRESSION, 9.5, 10.0, 0.4))
    assert str(refused.value).startswith(
        "the baseline's mae is 9.5 on 100 validation rows, expected one better than 10, what knowing no column "
        "reaches, by more than chance (0.8)"
    )


@pytest.mark.parametrize(
    ("task", "reached", "expected"),
    [(Task.BINARY, 0.999, True), (Task.BINARY, 0.98, False), (Task.REGRESSION, 0.001, True)],
)
def test_what_is_too_good_is_suspected(task: Task, reached: float, expected: bool) -> None:
    """Almost no mistake means that a column may hold the answer."""
    assert too_good(task, measured(task, reached, 0.5, 0.01)) == expected
