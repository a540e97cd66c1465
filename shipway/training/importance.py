"""How much each input matters to a version: what is lost when its column is shuffled."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.training.metrics import evaluate
from shipway.training.plan import Task

__all__ = ["permutation_importances"]

# More rows make the ranking no different, only slower: each input costs one prediction of them all.
_ROWS = 5000

# What is lost, by task; each grows as predictions get worse.
_LOSSES = {Task.BINARY: "log_loss", Task.MULTICLASS: "accuracy", Task.REGRESSION: "rmse"}


def permutation_importances(
    task: Task,
    rows: pd.DataFrame,
    labels: NDArray[Any],
    predict: Callable[[pd.DataFrame], NDArray[np.float64]],
    seed: int = 0,
) -> dict[str, float]:
    """Returns column -> its share of what all columns lose together when each is shuffled; they add up to 1.

    Permutation importance (Breiman 2001): the loss with the column in another order less the loss as it is, here log
    loss, share of wrong classes or root mean squared error. A gain is 0: the column says nothing. Without any loss at
    all the shares are equal. The same rows and seed give the same shares.

    Args:
        task: decides the loss.
        rows: what the model is shown, nulls replaced as in serving.
        labels: of `rows`, as numbers.
        predict: the version's answers for some rows.
        seed: of the order in which a column is shuffled.
    """
    chance = np.random.default_rng(seed)
    if len(rows) > _ROWS:
        chosen = np.sort(chance.choice(len(rows), _ROWS, replace=False))
        rows, labels = rows.iloc[chosen], labels[chosen]
    names = [str(name) for name in rows.columns]
    base = _loss(task, labels, predict(rows))
    lost: dict[str, float] = {}
    for name in names:
        order = chance.permutation(len(rows))
        shuffled = rows.assign(**{name: rows[name].array[order]})
        lost[name] = max(0.0, _loss(task, labels, predict(shuffled)) - base)
    total = sum(lost.values())
    return {name: one / total if total > 0 else 1 / len(names) for name, one in lost.items()}


def _loss(task: Task, labels: NDArray[Any], predictions: NDArray[np.float64]) -> float:
    metric = _LOSSES[task]
    if task is Task.BINARY:
        # Not `evaluate`, whose AUC is not defined where a small set holds one label only.
        clipped = np.clip(predictions, 1e-7, 1 - 1e-7)
        return float(-np.mean(labels * np.log(clipped) + (1 - labels) * np.log(1 - clipped)))
    value = evaluate(task, labels, predictions)[metric]
    return 1 - value if metric == "accuracy" else value
