"""What a version loses when an input is shuffled."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from shipway.training.importance import permutation_importances
from shipway.training.plan import Task

CHANCE = np.random.default_rng(0)
ROWS = pd.DataFrame({"strong": CHANCE.normal(size=400), "weak": CHANCE.normal(size=400), "idle": ["a", "b"] * 200})


def score(rows: pd.DataFrame) -> NDArray[np.float64]:
    return rows["strong"].to_numpy() * 2 + rows["weak"].to_numpy() * 0.5


def probability(rows: pd.DataFrame) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-score(rows)))


CASES: list[tuple[Task, Any, Any]] = [
    (Task.REGRESSION, score, score(ROWS)),
    (Task.BINARY, probability, (probability(ROWS) > 0.5).astype(float)),
    (Task.MULTICLASS, lambda rows: np.sign(score(rows)), np.sign(score(ROWS))),
]


@pytest.mark.parametrize(("task", "predict", "labels"), CASES, ids=[str(task) for task, *_ in CASES])
def test_inputs_are_ranked_by_what_the_model_reads(task: Task, predict: Any, labels: Any) -> None:
    """The stronger coefficient comes first, an input that is not read has no share, and the shares are of one whole."""
    found = permutation_importances(task, ROWS, labels, predict)
    assert sorted(found, key=lambda name: -found[name]) == ["strong", "weak", "idle"]
    assert found["idle"] == 0
    assert sum(found.values()) == pytest.approx(1)


def test_the_same_rows_give_the_same_shares() -> None:
    """The digest of a bundle covers them."""
    twice = [permutation_importances(Task.REGRESSION, ROWS, score(ROWS), score) for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_model_that_reads_nothing_ranks_nothing() -> None:
    """Nothing is lost by any shuffle: the shares are equal, never a division by zero."""
    constant = lambda rows: np.zeros(len(rows))  # noqa: E731
    found = permutation_importances(Task.REGRESSION, ROWS, np.ones(400), constant)
    assert found == dict.fromkeys(ROWS.columns, 1 / 3)


def test_many_rows_are_sampled() -> None:
    """The cost is bounded: no more than 5,000 rows are predicted at once."""
    seen: list[int] = []

    def predict(rows: pd.DataFrame) -> NDArray[np.float64]:
        seen.append(len(rows))
        return score(rows)

    many = pd.concat([ROWS] * 20, ignore_index=True)
    permutation_importances(Task.REGRESSION, many, score(many), predict)
    assert set(seen) == {5000}
