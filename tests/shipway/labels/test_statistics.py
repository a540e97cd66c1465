"""Metrics by late labels: the numbers of others, and intervals that hold at every look."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from shipway.contract.documents import parse
from shipway.contract.model import ModelSpec
from shipway.labels import statistics
from shipway.labels.statistics import Estimate, Task, certain_drop, estimates, task_of, width
from shipway.training import metrics as evaluation
from shipway.training.plan import Task as Trained
from tests.shipway.labels.logs import MODEL

ALPHA = 0.05
PATHS, LOOKS = 150, 20


def traffic(chance: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns labels and the probabilities a fair model gave them, rounded so that there are ties."""
    predictions = np.round(chance.beta(2, 5, count), 2)
    return (chance.random(count) < predictions).astype(float), predictions


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(statistics).failed == 0


def test_metrics_are_those_of_the_evaluation_and_of_scikit_learn() -> None:
    """What is measured on labels may be compared with what was measured on the validation set."""
    labels, predictions = traffic(np.random.default_rng(1), 5000)
    found = estimates(Task.BINARY, labels, predictions, 0.5, ALPHA)
    evaluated = evaluation.evaluate(Trained.BINARY, labels, predictions)
    for metric in ("auc", "brier", "calibration_error", "log_loss"):
        assert found[metric].value == pytest.approx(evaluated[metric], abs=1e-12)
    assert found["auc"].value == pytest.approx(roc_auc_score(labels, predictions), abs=1e-12)
    assert found["brier"].value == pytest.approx(brier_score_loss(labels, predictions), abs=1e-12)
    assert found["log_loss"].value == pytest.approx(log_loss(labels, np.clip(predictions, 1e-7, 1 - 1e-7)), abs=1e-9)
    numbers = estimates(Task.NUMBERS, labels * 7, predictions * 9, 0.5, ALPHA)
    evaluated = evaluation.evaluate(Trained.REGRESSION, labels * 7, predictions * 9)
    for metric in ("mae", "r2", "rmse"):
        assert numbers[metric].value == pytest.approx(evaluated[metric], abs=1e-12)
    assert set(estimates(Task.CLASSES, labels, predictions, 0.5, ALPHA)) == {"accuracy"}


def test_intervals_hold_at_every_look_at_once() -> None:
    """Over 20 looks at 150 growing logs each metric's true value is ever outside on at most 5 % of the logs."""
    chance = np.random.default_rng(7)
    true = estimates(Task.BINARY, *traffic(chance, 2_000_000), 0.5, ALPHA)
    missed = dict.fromkeys(("accuracy", "auc", "brier", "log_loss"), 0)
    for _ in range(PATHS):
        labels, predictions = traffic(chance, 6000)
        looks = [
            estimates(Task.BINARY, labels[:count], predictions[:count], 0.5, ALPHA)
            for count in np.linspace(200, 6000, LOOKS).astype(int)
        ]
        for metric in missed:
            missed[metric] += any(not one[metric].low <= true[metric].value <= one[metric].high for one in looks)
    assert {metric: count for metric, count in missed.items() if count / PATHS > ALPHA} == {}


def test_intervals_of_a_number_hold_at_every_look_at_once() -> None:
    """Over 20 looks at 150 growing logs of a regression each metric's true value is outside on at most 5 % of them."""
    chance = np.random.default_rng(11)
    # Labels of deviation 20, predictions that miss by 10 more.
    true = {"mae": 10 * math.sqrt(2 / math.pi), "r2": 0.8, "rmse": 10.0}
    missed = dict.fromkeys(true, 0)
    for _ in range(PATHS):
        predictions = chance.normal(100, math.sqrt(400), 6000)
        labels = predictions + chance.normal(0, 10, 6000)
        looks = [
            estimates(Task.NUMBERS, labels[:count], predictions[:count], 15.0, ALPHA)
            for count in np.linspace(200, 6000, LOOKS).astype(int)
        ]
        for metric, value in true.items():
            missed[metric] += any(not one[metric].low <= value <= one[metric].high for one in looks)
    assert {metric: count for metric, count in missed.items() if count / PATHS > ALPHA} == {}


def test_labels_without_spread_have_no_r2() -> None:
    """What may not vary at all cannot be explained, and so says nothing; the other metrics do."""
    predictions = np.random.default_rng(3).normal(0, 1, 300)
    found = estimates(Task.NUMBERS, np.ones(300), predictions, 0.5, ALPHA)
    assert set(found) == {"accuracy", "mae", "rmse"}


@given(st.integers(0, 2**32 - 1), st.integers(200, 800), st.sampled_from([*Task]))
def test_an_interval_holds_its_estimate(seed: int, count: int, task: Task) -> None:
    """low <= value <= high for every metric, all of them finite, whatever the labels are."""
    labels, predictions = traffic(np.random.default_rng(seed), count)
    for estimate in estimates(task, labels, predictions, 0.5, 0.01).values():
        assert estimate.low <= estimate.value <= estimate.high
        assert all(math.isfinite(end) for end in estimate)


def test_too_few_labels_say_nothing() -> None:
    """199 labels give no metric at all, and ten of one outcome no AUC; unfit labels are no binary task."""
    labels, predictions = traffic(np.random.default_rng(2), 400)
    assert estimates(Task.BINARY, labels[:199], predictions[:199], 0.5, ALPHA) == {}
    rare = np.where(np.arange(400) < 10, 1.0, 0.0)
    assert "auc" not in estimates(Task.BINARY, rare, predictions, 0.5, ALPHA)
    assert estimates(Task.BINARY, labels * 2, predictions, 0.5, ALPHA) == {}


def test_a_drop_is_what_noise_cannot_explain() -> None:
    """Better is up for accuracy and down for a loss; within the interval nothing has dropped."""
    assert certain_drop("accuracy", Estimate(0.8, 0.75, 0.85), 0.9) == pytest.approx(0.05 / 0.9)
    assert certain_drop("accuracy", Estimate(0.8, 0.75, 0.91), 0.9) == 0
    assert certain_drop("mae", Estimate(3.0, 2.5, 3.5), 2.0) == pytest.approx(0.25)
    assert certain_drop("mae", Estimate(3.0, 1.5, 3.5), 2.0) == 0
    assert certain_drop("mae", Estimate(3.0, 1.5, 3.5), 0.0) == 0


def test_the_interval_is_tight_where_it_matters() -> None:
    """At 1,000 values it is 1.6 times as wide as one that may be looked at once, at 100,000 still within 2.2."""
    for count, most in ((1000, 1.65), (100_000, 2.2)):
        assert width(1.0, count, 0.05) <= most * 1.96 / math.sqrt(count)


@pytest.mark.parametrize(
    ("metric", "task"),
    [
        ("auc", Task.BINARY),
        ("accuracy", Task.CLASSES),
        ("mae", Task.NUMBERS),
        ("r2", Task.NUMBERS),
        ("x", Task.CLASSES),
    ],
)
def test_a_models_gates_say_its_task(metric: str, task: Task) -> None:
    """A model that is admitted by its AUC has labels of 0 and 1."""
    spec = parse(ModelSpec, MODEL | {"evaluation": {"gates": [{"metric": metric, "minimum": 0.5}]}}, "model.yaml")
    assert task_of(spec) is task
