import doctest
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, r2_score, roc_auc_score

from shipway.contract.errors import ShipwayError
from shipway.training import metrics
from shipway.training.metrics import auc, base_rate_predictions, calibration_error, checked_predictions, evaluate, r2
from shipway.training.plan import Task

SCORED = st.lists(st.tuples(st.integers(0, 1), st.floats(0.01, 0.99)), min_size=4, max_size=60)


def test_the_examples_in_the_docstrings_hold() -> None:
    """Each formula shows a number, and the number is right."""
    assert doctest.testmod(metrics).failed == 0


@given(SCORED)
def test_auc_and_log_loss_agree_with_scikit_learn(scored: list[tuple[int, float]]) -> None:
    """Ties included."""
    labels = np.array([float(label) for label, _ in scored])
    predictions = np.array([prediction for _, prediction in scored])
    assume(0 < labels.sum() < len(labels))
    measured = evaluate(Task.BINARY, labels, predictions)
    assert measured["auc"] == pytest.approx(roc_auc_score(labels, predictions))
    assert measured["log_loss"] == pytest.approx(log_loss(labels, predictions))


@given(SCORED)
def test_auc_turns_over_with_the_predictions(scored: list[tuple[int, float]]) -> None:
    """Who is wrong about everything is right when read backwards."""
    labels = np.array([float(label) for label, _ in scored])
    predictions = np.array([prediction for _, prediction in scored])
    assume(0 < labels.sum() < len(labels))
    assert auc(labels, predictions) + auc(labels, -predictions) == pytest.approx(1)


def test_calibration_error_of_the_base_rate_on_its_own_data_is_zero() -> None:
    """One who predicts the observed rate for all rows, in any order of rows, is calibrated."""
    labels = np.tile([0.0, 0.0, 0.0, 1.0], 100)
    assert calibration_error(labels, np.full(400, 0.25)) == pytest.approx(0)
    assert calibration_error(labels, np.full(400, 0.75)) == pytest.approx(0.5)


def test_the_base_rate_knows_the_training_labels_only() -> None:
    """The mean for probabilities and numbers, the commonest class for classes."""
    assert base_rate_predictions(Task.BINARY, np.array([0, 0, 1, 1, 1]), 2).tolist() == [0.6, 0.6]
    assert base_rate_predictions(Task.MULTICLASS, np.array([3, 4, 4]), 2).tolist() == [4, 4]


def test_each_task_has_its_metrics() -> None:
    """Classes are counted, numbers are measured."""
    assert evaluate(Task.MULTICLASS, np.array([1, 2, 3]), np.array([1.0, 2.0, 9.0])) == {
        "accuracy": pytest.approx(2 / 3)
    }
    assert evaluate(Task.REGRESSION, np.array([1.0, 2.0]), np.array([2.0, 2.0])) == {
        "mae": 0.5,
        "mean_label": 1.5,
        "mean_prediction": 2.0,
        "r2": -1.0,
        "rmse": pytest.approx(0.5**0.5),
    }


def test_r2_is_that_of_scikit_learn() -> None:
    """So are its answers for labels without any spread."""
    rng = np.random.default_rng(5)
    labels = rng.normal(100, 20, 300)
    predictions = labels + rng.normal(3, 10, 300)
    assert r2(labels, predictions) == pytest.approx(r2_score(labels, predictions), abs=1e-12)
    same = np.full(3, 4.0)
    assert (r2(same, same), r2(same, same + 1)) == (1.0, 0.0) == (r2_score(same, same), r2_score(same, same + 1))


@pytest.mark.parametrize(
    ("predictions", "task", "said"),
    [
        ([[0.1], [0.2], [0.3]], Task.MULTICLASS, r"shape \(3, 1\), expected \(3,\): one number a row"),
        ([0.1, 0.2], Task.REGRESSION, r"shape \(2,\), expected \(3,\)"),
        ([0.1, math.nan, 0.3], Task.BINARY, "nan for row 1 and the like for 1 of 3, expected finite numbers"),
        ([math.inf, 0.2, math.inf], Task.REGRESSION, "inf for row 0 and the like for 2 of 3, expected finite numbers"),
        ([0.1, 0.2, 1.7], Task.BINARY, "1.7 for row 2 and the like for 1 of 3, expected probabilities between 0 and 1"),
        (["a", "b", "c"], Task.MULTICLASS, "something else than numbers, expected one a row"),
    ],
)
def test_what_is_not_one_number_a_row_is_never_judged(predictions: object, task: Task, said: str) -> None:
    """An AUC leaves NaN out, a column compared with a row is right by chance, a margin has an AUC too."""
    with pytest.raises(ShipwayError, match=f"^toy answered (an array of )?{said}"):
        checked_predictions(task, predictions, 3, "toy")
    assert checked_predictions(Task.REGRESSION, [1, 2, 3], 3, "toy").tolist() == [1, 2, 3]
