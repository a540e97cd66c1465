"""Fairness check: how far the segments of a model lie apart, by intervals, so that noise is no verdict; pure.

Three comparisons of each value of each of `segments`, on labelled rows that no version is trained on:

- **selection ratio**: its rate of yes over that of the value with the highest rate. Below four fifths is what US
  authorities generally regard as evidence of adverse impact (Uniform Guidelines, 29 CFR 1607.4 D).
- **true positive gap**: how many more of their true cases all other rows are told than its own (equality of
  opportunity: Hardt, Price & Srebro 2016).
- **metric gap**: how much worse its metric is than that of all other rows, relative to theirs.

A bound is missed when the whole interval lies beyond it, and held when the whole interval lies within; else nothing is
decided. The intervals share `alpha` (Bonferroni).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.checks.facts import Facts, Labelled, Values, records
from shipway.checks.finding import Finding, Status
from shipway.checks.intervals import difference_interval, ratio_interval, z_value
from shipway.contract.check import CheckName, FairnessSpec
from shipway.training.metrics import HIGHER_IS_BETTER, auc, evaluate
from shipway.training.plan import Task

__all__ = ["Group", "check_fairness", "compare_groups"]

# One metric a task: it exists in every segment with both labels, and has one direction.
_METRIC = {Task.BINARY: "auc", Task.MULTICLASS: "accuracy", Task.REGRESSION: "mae"}

# Of a metric's spread a hundred resamples say enough: it is known to 7 %.
_RESAMPLES = 100
_SEED = 20130101

# More rows than this narrow no interval that anybody waits for.
_MOST_ROWS = 20_000

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Group:
    """The rows of one value of one segment.

    Args:
        name: such as `origin EWR`.
        rows: which of all rows they are.
    """

    name: str
    rows: Flags


def check_fairness(facts: Facts) -> Iterator[Finding]:
    """Yields what each segment's value is told, compared with the others."""
    if not facts.spec.segments:
        yield _plain("segments", Status.SKIPPED, f"no `segments` are declared in {facts.path}")
        return
    labelled = _largest(facts)
    rows = labelled.rows
    fields = [field for field in facts.spec.segments if field in rows.columns]
    for field in facts.spec.segments:
        if field not in fields:
            yield _plain(field, Status.FAILED, f"{labelled.where} have no such column, expected a field of the request")
    if not fields:
        return
    if len(rows) > _MOST_ROWS:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(int)]
    labels = labelled.labels.loc[rows.index].to_numpy(dtype=float)
    answers = facts.ask(records(rows))
    for field in fields:
        values = rows[field].astype(str).to_numpy()
        groups = [Group(f"{field} {value}", values == value) for value in sorted(set(values.tolist()))]
        yield from compare_groups(facts.task, facts.spec.checks.fairness, groups, labels, answers)


def _largest(facts: Facts) -> Labelled:
    """Returns the larger one of the frozen set and what the plan holds out."""
    frozen = facts.frozen
    return frozen if frozen is not None and len(frozen.rows) > len(facts.held_out.rows) else facts.held_out


def compare_groups(
    task: Task, spec: FairnessSpec, groups: list[Group], labels: Values, answers: Values
) -> Iterator[Finding]:
    """Yields the findings of one segment.

    Args:
        task: what is predicted.
        spec: the bounds.
        groups: the segment's values.
        labels: the truth, one a row.
        answers: one a row.
    """
    large = [one for one in groups if np.count_nonzero(one.rows) >= spec.minimum_rows]
    for one in groups:
        if one not in large:
            few = f"{np.count_nonzero(one.rows)} labelled rows, expected at least {spec.minimum_rows} to judge it"
            yield _plain(one.name, Status.UNDECIDED, few)
    if len(large) < 2:
        yield _plain("all segments", Status.UNDECIDED, "fewer than two of them have enough labelled rows to compare")
        return
    bounds = (spec.selection_ratio, spec.true_positive_gap_ratio)
    binary = task is Task.BINARY
    rules = sum(bound is not None for bound in bounds) * binary + (spec.metric_gap_ratio is not None)
    z = z_value(spec.alpha, rules * len(large))
    chosen = answers >= spec.decision_threshold
    if binary and spec.selection_ratio is not None:
        yield from _selection(large, chosen, spec.selection_ratio, z)
    if binary and spec.true_positive_gap_ratio is not None:
        yield from _true_positives(large, chosen, labels == 1, spec.true_positive_gap_ratio, z)
    if spec.metric_gap_ratio is not None:
        rng = np.random.default_rng(_SEED)
        for one in large:
            yield _metric_gap(task, one, labels, answers, spec.metric_gap_ratio, z, rng)


def _selection(groups: list[Group], chosen: Flags, bound: float, z: float) -> Iterator[Finding]:
    counts = {one.name: (int(chosen[one.rows].sum()), int(one.rows.sum())) for one in groups}
    best = max(counts, key=lambda name: counts[name][0] / counts[name][1])
    events_best, trials_best = counts[best]
    if not events_best:
        yield _plain("selection ratio", Status.UNDECIDED, "no row of any segment is answered with a yes")
        return
    for name, (events, trials) in counts.items():
        if name != best:
            value = (events / trials) / (events_best / trials_best)
            interval = ratio_interval(events, trials, events_best, trials_best, z)
            said = f"yes to {events / trials:.1%} of {trials} rows, {best} to {events_best / trials_best:.1%}"
            yield _judged(f"{name}, selection ratio", value, interval, bound, "ratio", said, least=True)


def _true_positives(groups: list[Group], chosen: Flags, true: Flags, bound: float, z: float) -> Iterator[Finding]:
    for one in groups:
        mine, others = true & one.rows, true & ~one.rows
        subject = f"{one.name}, true positive gap"
        if not mine.any() or not others.any():
            yield _plain(subject, Status.UNDECIDED, "it or all others have no true case")
            continue
        told, trials = int((chosen & others).sum()), int(others.sum())
        events, cases = int((chosen & mine).sum()), int(mine.sum())
        interval = difference_interval(told, trials, events, cases, z)
        said = f"{events / cases:.1%} of {cases} true cases are told, {told / trials:.1%} of all others"
        yield _judged(subject, told / trials - events / cases, interval, bound, "ratio", said, least=False)


def _metric_gap(
    task: Task, group: Group, labels: Values, answers: Values, bound: float, z: float, rng: np.random.Generator
) -> Finding:
    name = _METRIC[task]
    sign = 1.0 if name in HIGHER_IS_BETTER else -1.0

    def gap(mine: NDArray[np.int64], others: NDArray[np.int64]) -> float | None:
        if not (_measurable(task, labels[mine]) and _measurable(task, labels[others])):
            return None
        own, theirs = (_measured(task, labels[some], answers[some]) for some in (mine, others))
        return sign * (theirs - own) / abs(theirs) if theirs else None

    mine, others = np.flatnonzero(group.rows), np.flatnonzero(~group.rows)
    subject = f"{group.name}, {name} gap"
    value = gap(mine, others)
    drawn = [one for one in _resampled(gap, mine, others, rng) if one is not None]
    if value is None or len(drawn) < _RESAMPLES // 2:
        return _plain(subject, Status.UNDECIDED, f"{name} does not exist in it or in all others: one label alone")
    half = z * float(np.std(drawn, ddof=1))
    own, theirs = (_measured(task, labels[some], answers[some]) for some in (mine, others))
    said = f"{name} is {own:.4f} on {len(mine)} rows, {theirs:.4f} on all others"
    return _judged(subject, value, (value - half, value + half), bound, "ratio", said, least=False)


def _resampled(
    gap: Callable[[Any, Any], float | None],
    mine: NDArray[np.int64],
    others: NDArray[np.int64],
    rng: np.random.Generator,
) -> Iterator[float | None]:
    for _ in range(_RESAMPLES):
        yield gap(rng.choice(mine, len(mine)), rng.choice(others, len(others)))


def _measured(task: Task, labels: Values, answers: Values) -> float:
    # The other metrics of a probability would be measured hundreds of times for nothing.
    return auc(labels, answers) if task is Task.BINARY else evaluate(task, labels, answers)[_METRIC[task]]


def _measurable(task: Task, labels: Values) -> bool:
    return task is not Task.BINARY or len(np.unique(labels)) > 1


def _judged(
    subject: str, value: float, interval: tuple[float, float], bound: float, unit: str, said: str, *, least: bool
) -> Finding:
    low, high = interval
    within, beyond = (low >= bound, high < bound) if least else (high <= bound, low > bound)
    status = Status.PASSED if within else Status.FAILED if beyond else Status.UNDECIDED
    side = "at least" if least else "at most"
    return Finding(
        check=CheckName.FAIRNESS,
        subject=subject,
        status=status,
        sentence=f"{said}; interval {low:.3f} to {high:.3f}, expected {side} {bound:g}",
        value=value,
        bound=bound,
        unit=unit,
    )


def _plain(subject: str, status: Status, said: str) -> Finding:
    return Finding(check=CheckName.FAIRNESS, subject=subject, status=status, sentence=said)
