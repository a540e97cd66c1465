"""What labelled predictions say of a model: each metric with the interval that holds at every look at once; pure.

Accuracy is a ratio of independent events: its interval is the Beta-mixture confidence sequence of
`contract.confidence`, exact at every size. The other metrics are means, or behave like one, and get the asymptotic
confidence sequence

    m +- s sqrt( 2 (n r^2 + 1) / (n^2 r^2) log( sqrt(n r^2 + 1) / alpha ) )

of a mean m of n values with the standard deviation s (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Annals of
Statistics 2024, arXiv 2103.06476, theorem 2.2), r being chosen for the least width at 1,000 values. It is valid for
large n, so nothing is said below `LEAST_LABELLED`.
"""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shipway.contract.confidence import lower_bound, upper_bound
from shipway.contract.metrics import HIGHER_IS_BETTER
from shipway.contract.model import ModelSpec

__all__ = ["LEAST_LABELLED", "Estimate", "Task", "certain_drop", "estimates", "task_of", "width"]

Values = NDArray[np.float64]

# Fewer labelled predictions than this say nothing; nor does an AUC with fewer of either outcome than a tenth of it.
LEAST_LABELLED = 200
_LEAST_OF_A_CLASS = LEAST_LABELLED // 10

_TIGHTEST_AT = 1000
# As the evaluation does it (`training.metrics`): the two numbers are compared.
_LOG_LOSS_CLIP = 1e-7
_CALIBRATION_GROUPS = 10

_BINARY = {"auc", "brier", "calibration_error", "log_loss"}
_NUMBERS = {"mae", "r2", "rmse"}


class Task(StrEnum):
    """What a model predicts, as far as its metrics go."""

    BINARY = "binary"
    CLASSES = "classes"
    NUMBERS = "numbers"


class Estimate(NamedTuple):
    """A metric as it was measured, and the least and the greatest value that the labels are compatible with."""

    value: float
    low: float
    high: float


def task_of(spec: ModelSpec) -> Task:
    """Returns what a model predicts, by the metrics that its gates name: those belong to one task."""
    named = {gate.metric for gate in spec.evaluation.gates}
    if named & _BINARY:
        return Task.BINARY
    return Task.NUMBERS if named & _NUMBERS else Task.CLASSES


def estimates(
    task: Task, labels: Values, predictions: Values, wrong_beyond: float, alpha: float
) -> Mapping[str, Estimate]:
    """Returns metric -> estimate; empty with too few labels, or where they do not suit the task.

    Args:
        task: which metrics there are. A binary one has labels of 0 and 1, and predictions between them.
        labels, predictions: finite, one each.
        wrong_beyond: a prediction is wrong when it is farther from its label than this.
        alpha: the probability with which an interval may ever miss the true value, for each metric.
    """
    count = len(labels)
    if count < LEAST_LABELLED:
        return {}
    error = predictions - labels
    right = int(np.count_nonzero(np.abs(error) <= wrong_beyond))
    low, high = lower_bound(right, count, alpha / 2), upper_bound(right, count, alpha / 2)
    found = {"accuracy": Estimate(right / count, low, high)}
    if task is Task.NUMBERS:
        square = _mean(error**2, alpha)
        found["mae"] = _bounded(_mean(np.abs(error), alpha), 0, math.inf)
        found["rmse"] = Estimate(*(math.sqrt(max(0.0, one)) for one in square))
        if explained := _r2(labels, error, alpha):
            found["r2"] = explained
    elif task is Task.BINARY:
        if not (np.isin(labels, (0.0, 1.0)).all() and predictions.min() >= 0 and predictions.max() <= 1):
            return {}
        clipped = np.clip(predictions, _LOG_LOSS_CLIP, 1 - _LOG_LOSS_CLIP)
        loss = -(labels * np.log(clipped) + (1 - labels) * np.log1p(-clipped))
        found["brier"] = _bounded(_mean(error**2, alpha), 0, 1)
        found["log_loss"] = _bounded(_mean(loss, alpha), 0, math.inf)
        found["calibration_error"] = _calibration_error(error, predictions, alpha)
        positives = int(np.count_nonzero(labels))
        if min(positives, count - positives) >= _LEAST_OF_A_CLASS:
            found["auc"] = _auc(labels, predictions, alpha)
    return found


def certain_drop(metric: str, estimate: Estimate, reference: float) -> float:
    """Returns by how much a metric is worse than `reference` for certain, relative to it; 0 when it need not be.

    >>> round(certain_drop("auc", Estimate(0.6, 0.55, 0.65), 0.7), 4)
    0.0714
    >>> certain_drop("log_loss", Estimate(0.5, 0.4, 0.6), 0.45)
    0.0
    """
    if reference <= 0:
        return 0.0
    worse = reference - estimate.high if metric in HIGHER_IS_BETTER else estimate.low - reference
    return max(0.0, worse / reference)


def width(deviation: float, count: int, alpha: float) -> float:
    """Returns half of the width of the asymptotic confidence sequence of a mean.

    >>> round(width(1.0, 1000, 0.05), 4), round(width(1.0, 100_000, 0.05), 4)
    (0.096, 0.0113)

    Args:
        deviation: the standard deviation of one value.
        count: how many values.
        alpha: the probability with which the true mean may ever be outside.
    """
    log_inverse = -2 * math.log(alpha)
    mixed = count * (log_inverse + math.log(log_inverse) + 1) / _TIGHTEST_AT
    return deviation * math.sqrt(2 * (mixed + 1) / (count * mixed) * math.log(math.sqrt(mixed + 1) / alpha))


def _mean(values: Values, alpha: float) -> Estimate:
    mean, half = float(values.mean()), width(float(values.std(ddof=1)), len(values), alpha)
    return Estimate(mean, mean - half, mean + half)


def _bounded(estimate: Estimate, least: float, most: float) -> Estimate:
    inside: Callable[[float], float] = lambda one: min(max(one, least), most)  # noqa: E731
    return Estimate(estimate.value, inside(estimate.low), inside(estimate.high))


def _r2(labels: Values, error: Values, alpha: float) -> Estimate | None:
    """One less the ratio of two means; the ends take each at its worst, None where the labels may have no spread."""
    missed = _bounded(_mean(error**2, alpha / 2), 0, math.inf)
    # The mean of the labels is taken as known: what it adds is of the order of 1 / n.
    spread = _mean((labels - labels.mean()) ** 2, alpha / 2)
    if spread.low <= 0:
        return None
    return Estimate(1 - missed.value / spread.value, 1 - missed.high / spread.low, 1 - missed.low / spread.high)


def _auc(labels: Values, predictions: Values, alpha: float) -> Estimate:
    """The Mann-Whitney statistic, ties counting half; its variance by placements (DeLong et al., Biometrics 1988)."""
    ones, zeros = np.sort(predictions[labels == 1]), np.sort(predictions[labels == 0])

    def above(values: Values, others: Values) -> Values:
        return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (2 * len(others))

    placed, passed = above(ones, zeros), above(zeros, ones)
    value = float(placed.mean())
    variance = len(labels) * (placed.var(ddof=1) / len(ones) + passed.var(ddof=1) / len(zeros))
    half = width(math.sqrt(float(variance)), len(labels), alpha)
    return _bounded(Estimate(value, value - half, value + half), 0, 1)


def _calibration_error(error: Values, predictions: Values, alpha: float) -> Estimate:
    """Groups of like predictions of equal size; the ends take each group's gap at its nearest to 0 and its farthest."""
    order = np.argsort(predictions, kind="stable")
    sums = np.zeros(3)
    for group in np.array_split(order, _CALIBRATION_GROUPS):
        gap = _mean(error[group], alpha / _CALIBRATION_GROUPS)
        half = gap.high - gap.value
        sums += len(group) * np.array([abs(gap.value), max(0.0, abs(gap.value) - half), abs(gap.value) + half])
    value, low, high = (float(one) for one in sums / len(error))
    return _bounded(Estimate(value, low, high), 0, 1)
