"""Challenger against champion on the same labelled rows: pure, and every refusal with both numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.contract.model import GateSpec, ModelSpec
from shipway.contract.retraining import FloorSpec
from shipway.training.gates import GateResult, judge
from shipway.training.metrics import HIGHER_IS_BETTER, evaluate
from shipway.training.plan import Task

__all__ = ["Answers", "Finding", "compare", "compare_segments"]

# How likely at most all floors together refuse a challenger that is worse in no segment by more than its tolerance.
_ALPHA = 0.05

# Resamples of a segment: the spread of a difference is known to 7 % with a hundred.
_RESAMPLES = 100

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What both versions answer for the same rows.

    Args:
        where: what the rows are, in words.
        rows: request fields, for the segments.
        labels: the truth, one a row.
        challenger, champion: one answer a row.
    """

    where: str
    rows: pd.DataFrame
    labels: NDArray[Any]
    challenger: Values
    champion: Values


@dataclass(frozen=True)
class Finding:
    """One bar, where it was put up and what was measured; `passed` is None where nothing could be judged."""

    where: str
    rows: int
    passed: bool | None
    said: str

    def __str__(self) -> str:
        return f"{self.where} ({self.rows} rows): {self.said}"


def compare(task: Task, gates: Sequence[GateSpec], answers: Answers) -> list[Finding]:
    """Returns one finding for each gate that names a champion_tolerance: the other bars are of the validation rows.

    Raises:
        KeyError: when a gate names a metric that the task does not have.
    """
    if not _both_labels(task, answers.labels):
        return [Finding(answers.where, len(answers.labels), None, "not judged: every label is the same")]
    mine, theirs = (evaluate(task, answers.labels, one) for one in (answers.challenger, answers.champion))
    bars = [GateSpec(metric=gate.metric, champion_tolerance=gate.champion_tolerance) for gate in _compared(gates)]
    return [_finding(answers.where, len(answers.labels), result) for result in judge(bars, mine, {}, theirs)]


def compare_segments(task: Task, spec: ModelSpec, answers: Answers, rng: np.random.Generator) -> list[Finding]:
    """Returns one finding for each floor in each segment with enough rows, and one that says so for each with too few.

    A segment is worse than the champion's when its difference is below the tolerance by more than chance explains: the
    upper bound of the difference, its own value plus z times its spread over resamples of the segment's rows, z at
    0.05 over the number of bars (Bonferroni).

    Args:
        task: what is predicted.
        spec: names the segments and the floors.
        answers: of both versions.
        rng: draws the resamples.
    """
    segments = list(_segments(spec, answers.rows))
    floors = spec.retraining.floors or tuple(
        FloorSpec(metric=gate.metric, champion_tolerance=gate.champion_tolerance)
        for gate in _compared(spec.evaluation.gates)
    )
    bound = NormalDist().inv_cdf(1 - _ALPHA / max(1, len(segments) * len(floors)))
    found: list[Finding] = []
    for name, chosen in segments:
        where, rows = f"{answers.where}, {name}", int(np.count_nonzero(chosen))
        labels = answers.labels[chosen]
        if rows < spec.retraining.minimum_segment_rows:
            few = f"not judged: expected at least {spec.retraining.minimum_segment_rows} rows"
            found.append(Finding(where, rows, None, few))
        elif not _both_labels(task, labels):
            found.append(Finding(where, rows, None, "not judged: every label is the same"))
        else:
            pair = (answers.challenger[chosen], answers.champion[chosen])
            found += [_floor(task, floor, where, labels, pair, bound, rng) for floor in floors]
    return found


def _floor(
    task: Task,
    floor: FloorSpec,
    where: str,
    labels: NDArray[Any],
    pair: tuple[Values, Values],
    bound: float,
    rng: np.random.Generator,
) -> Finding:
    mine, theirs = (evaluate(task, labels, one) for one in pair)
    absolute = {"metric": floor.metric, "minimum": floor.minimum, "maximum": floor.maximum}
    if floor.minimum is not None or floor.maximum is not None:
        failed = [one for one in judge([GateSpec.model_validate(absolute)], mine, {}, None) if not one.passed]
        if failed:
            return _finding(where, len(labels), failed[0])
    value, champion = mine[floor.metric], theirs[floor.metric]
    if floor.champion_tolerance is None:
        return Finding(where, len(labels), True, f"passed: {floor.metric} is {value:.4f}")
    sign = 1.0 if floor.metric in HIGHER_IS_BETTER else -1.0
    better = sign * (value - champion)
    best = better + bound * _spread(task, floor.metric, labels, pair, rng)
    passed = bool(best >= -floor.champion_tolerance)
    said = (
        f"{'passed' if passed else 'failed'}: {floor.metric} is {value:.4f}, the champion's {champion:.4f}: "
        f"{max(0.0, -best):.4f} worse beyond chance, expected at most {floor.champion_tolerance}"
    )
    return Finding(where, len(labels), passed, said)


def _spread(
    task: Task, metric: str, labels: NDArray[Any], pair: tuple[Values, Values], rng: np.random.Generator
) -> float:
    """Returns the standard deviation of the difference of both versions' metric over resamples of the same rows."""
    differences: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, len(labels), len(labels))
        if _both_labels(task, labels[drawn]):
            mine, theirs = (evaluate(task, labels[drawn], one[drawn])[metric] for one in pair)
            differences.append(mine - theirs)
    return float(np.std(differences, ddof=1)) if len(differences) > 1 else 0.0


def _segments(spec: ModelSpec, rows: pd.DataFrame) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for field in spec.segments:
        values = rows[field].astype(str).to_numpy()
        for value in sorted(set(values)):
            yield f"{field} {value}", values == value


def _compared(gates: Sequence[GateSpec]) -> list[GateSpec]:
    return [gate for gate in gates if gate.champion_tolerance is not None]


def _both_labels(task: Task, labels: NDArray[Any]) -> bool:
    """Returns whether the metrics of the task exist for `labels`: an AUC needs both answers."""
    return task is not Task.BINARY or len(np.unique(labels)) > 1


def _finding(where: str, rows: int, result: GateResult) -> Finding:
    return Finding(where, rows, result.passed, str(result))
