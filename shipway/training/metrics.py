"""Evaluation metrics by task, and what predicting the base rate would have scored."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import HIGHER_IS_BETTER
from shipway.training.plan import Task

__all__ = [
    "HIGHER_IS_BETTER",
    "auc",
    "base_rate_predictions",
    "calibration_error",
    "checked_predictions",
    "evaluate",
    "r2",
]

# Enough rows in each group for its rate to mean something at ten thousand rows.
_CALIBRATION_GROUPS = 10

# A prediction of exactly 0 or 1 that is wrong would cost infinitely much.
_LOG_LOSS_CLIP = 1e-7

Values = NDArray[np.float64]


def checked_predictions(task: Task, predictions: object, rows: int, who: str) -> NDArray[Any]:
    """Returns predictions once they are one finite number a row, and probabilities where yes or no is asked.

    NaN would be left out of ranks and so of the AUC; a second axis would be compared with every label.

    Args:
        task: what a prediction is.
        predictions: what a plan answered.
        rows: how many it was asked about.
        who: answered, for the error.

    Raises:
        ShipwayError: saying what is wrong with them.
    """
    try:
        values = np.asarray(predictions, dtype=float)
    except (TypeError, ValueError):
        raise ShipwayError(f"{who} answered something else than numbers, expected one a row") from None
    if values.shape != (rows,):
        raise ShipwayError(f"{who} answered an array of shape {values.shape}, expected ({rows},): one number a row")
    wrong = ~np.isfinite(values)
    expected = "finite numbers"
    if task is Task.BINARY and not wrong.any():
        wrong, expected = (values < 0) | (values > 1), "probabilities between 0 and 1"
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ShipwayError(
            f"{who} answered {values[first]:g} for row {first} and the like for {int(wrong.sum())} of {rows}, "
            f"expected {expected}"
        )
    return np.asarray(predictions)


def evaluate(task: Task, labels: NDArray[Any], predictions: Values) -> dict[str, float]:
    """Returns the task's metrics, each as a plain float.

    Args:
        labels: 0 and 1, classes, or numbers.
        predictions: the probability of 1, the class, or the number.
    """
    if task is Task.BINARY:
        return _binary(labels.astype(float), predictions)
    if task is Task.MULTICLASS:
        return {"accuracy": float(np.count_nonzero(labels == predictions) / len(labels))}
    numbers = labels.astype(float)
    error = predictions - numbers
    return {
        "mae": float(np.mean(np.abs(error))),
        "mean_label": float(numbers.mean()),
        "mean_prediction": float(predictions.mean()),
        "r2": r2(numbers, predictions),
        "rmse": float(np.sqrt(np.mean(error**2))),
    }


def base_rate_predictions(task: Task, train_labels: NDArray[Any], rows: int) -> Values:
    """Returns what one who knows the training labels but no input would predict: the mean, or the commonest class."""
    if task is Task.MULTICLASS:
        values, counts = np.unique(train_labels, return_counts=True)
        return np.full(rows, values[np.argmax(counts)])
    return np.full(rows, float(np.mean(train_labels)))


def auc(labels: Values, predictions: Values) -> float:
    """Returns the probability that a row labelled 1 is predicted higher than one labelled 0, ties counting half.

    The Mann-Whitney statistic over all pairs: (R - p (p + 1) / 2) / (p n) with R the sum of the positives' ranks.

    >>> auc(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.3, 0.3]))
    0.75
    """
    ranks = pd.Series(predictions).rank().to_numpy(dtype=float)
    positives = float(labels.sum())
    pairs = positives * (len(labels) - positives)
    return (float(ranks[labels == 1].sum()) - positives * (positives + 1) / 2) / pairs


def r2(labels: Values, predictions: Values) -> float:
    """Returns how much of the labels' spread the predictions explain: 1 is all, 0 what the mean does, below 0 is worse.

    The coefficient of determination, 1 - sum (y - p)^2 / sum (y - mean y)^2. Labels without any spread are explained by
    the very same predictions alone: 1 for those, 0 for others.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    0.5
    """
    missed = float(np.sum((labels - predictions) ** 2))
    spread = float(np.sum((labels - labels.mean()) ** 2))
    return 1 - missed / spread if spread > 0 else float(missed == 0)


def calibration_error(labels: Values, predictions: Values) -> float:
    """Returns how far predicted and observed rates lie apart, on average over groups of like predictions.

    Ten groups of equal size by prediction; the mean over rows of |mean prediction - mean label| in a row's group.
    0 is perfect (expected calibration error, Naeini et al. 2015, with equal-mass groups).

    >>> calibration_error(np.array([0.0, 1.0]), np.array([0.25, 0.75]))
    0.25
    """
    order = np.argsort(predictions, kind="stable")
    groups = np.array_split(order, min(_CALIBRATION_GROUPS, len(order)))
    gaps = [abs(float(predictions[group].mean() - labels[group].mean())) * len(group) for group in groups]
    return sum(gaps) / len(labels)


def _binary(labels: Values, predictions: Values) -> dict[str, float]:
    clipped = np.clip(predictions, _LOG_LOSS_CLIP, 1 - _LOG_LOSS_CLIP)
    return {
        "auc": auc(labels, predictions),
        "brier": float(np.mean((predictions - labels) ** 2)),
        "calibration_error": calibration_error(labels, predictions),
        "log_loss": float(-np.mean(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped))),
        "mean_label": float(labels.mean()),
        "mean_prediction": float(predictions.mean()),
    }
