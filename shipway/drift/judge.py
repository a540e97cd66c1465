"""One window of all fields, judged: statistics, p-values, discoveries, what the windows before say, and a status."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.contract.drift import DriftSpec
from shipway.drift.calibration import Calibration, design_effect
from shipway.drift.discovery import combined, discoveries
from shipway.drift.persistence import History
from shipway.drift.reference import HOURS_OF_WEEK, Reference
from shipway.drift.result import DriftResult, Status
from shipway.drift.space import Sample
from shipway.drift.statistics import STATISTICS, measure

__all__ = ["Judgement", "Window", "deciding", "judge"]

Numbers = NDArray[np.float64]
_JUDGES = np.array([one.judges for one in STATISTICS.values()])
_NUMBERS_ONLY = np.array([one.numbers_only for one in STATISTICS.values()])


@dataclass(frozen=True, eq=False)
class Window:
    """What was counted in one window.

    Args:
        counts: flat, (`Bins.size`,).
        excess: how far in sum values lie beyond the reference's ends, (F, 2); None where that is not known: then
            Wasserstein-1 has no upper bound as soon as one does.
        blocks: the same counts by day, or those of a day by hour, (D, `Bins.size`): how slow features are known for
            what they are where the reference does not know its days.
        hour_of_week: of a window of one hour, Monday 0:00 is 0; it is compared with the same hours of the week.
    """

    counts: NDArray[np.generic]
    excess: Numbers | None = None
    blocks: NDArray[np.generic] | None = None
    hour_of_week: int | None = None


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a window says, and the history that the next window is judged with.

    Args:
        results: of each field every statistic that it has, in the order of the fields and of STATISTICS.
        history: this window included.
    """

    results: list[DriftResult]
    history: History


@dataclass(frozen=True, eq=False)
class _Judged:
    """Arrays that results are cut from: rows (F,), the rest (F, S)."""

    n: Numbers
    m: Numbers
    enough: NDArray[np.bool_]
    values: list[tuple[Numbers, Numbers, Numbers]]
    thresholds: Numbers
    p_values: Numbers
    found: NDArray[np.bool_]


def judge(
    reference: Reference, window: Window, spec: DriftSpec, history: History, calibration: Calibration
) -> Judgement:
    """Returns the results of one window over all fields, and the history for the next one.

    A field's p-value is the least of its judging statistics', times their number; the fields found are those of
    Benjamini and Hochberg over all fields with rows enough. A field is DRIFTED when it was found in
    `persistence_found` of its last `persistence_windows` judged windows. No row is SILENT; fewer than `minimum_rows`,
    or than `minimum_effective_rows` once divided by the design effect, are TOO_FEW. Neither is ever stable, and neither
    is remembered.

    The threshold of a result is the score with which its field would be found if no other field were.

    Args:
        reference: what is compared with.
        window: the counts.
        spec: model.yaml's `drift`.
        history: of the windows before, of the same length.
        calibration: keeps what it has drawn; the first window of a size takes a few seconds for fifty fields.

    Raises:
        ValueError: when the hour of the week is none, or the reference does not know its hours.
    """
    judged = _judged(reference, window, spec, calibration)
    names = reference.space.names
    told = {name: bool(judged.found[field]) for field, name in enumerate(names) if judged.enough[field]}
    after = history.heard(told, spec.persistence_windows)
    results: list[DriftResult] = []
    columns = [[column.tolist() for column in triple] for triple in judged.values]
    p_values, thresholds = judged.p_values.tolist(), judged.thresholds.tolist()
    has = (~(_NUMBERS_ONLY & ~reference.space.numeric[:, None])).tolist()
    n, m = judged.n.astype(int).tolist(), judged.m.astype(int).tolist()
    for field, name in enumerate(names):
        if name not in told:
            status = Status.TOO_FEW if m[field] else Status.SILENT
        else:
            status = Status.DRIFTED if after.persists(name, spec.persistence_found) else Status.STABLE
        for number, one in enumerate(STATISTICS.values()):
            if not has[field][number]:
                continue
            score, low, high = (column[field] for column in columns[number])
            if name not in told or score != score:
                said = (None, None, None, None, None)
            else:
                said = (score, low, high, thresholds[field][number], p_values[field][number])
            results.append(
                DriftResult(
                    name, one.name, *said[:3], one.unit, *said[3:], told.get(name, False), status, n[field], m[field]
                )
            )
    return Judgement(results, after)


def deciding(results: Iterable[DriftResult]) -> list[DriftResult]:
    """Returns one result a field: of the statistics that judge, the one with the least p-value."""
    least: dict[str, DriftResult] = {}
    for one in results:
        if not STATISTICS[one.statistic].judges:
            continue
        before = least.setdefault(one.feature, one)
        if one.p_value is not None and (before.p_value is None or one.p_value < before.p_value):
            least[one.feature] = one
    return list(least.values())


def _judged(reference: Reference, window: Window, spec: DriftSpec, calibration: Calibration) -> _Judged:
    space = reference.space
    against, effect = _against(reference, window)
    excess = np.full((len(space.names), 2), np.nan) if window.excess is None else window.excess
    current = Sample(space.table(window.counts), excess)
    n, m = against.rows, current.rows
    least = np.minimum(n, m)
    enough = (least >= spec.minimum_rows) & (least / effect >= spec.minimum_effective_rows)
    # Rows that repeat count once: all that follows is of so many fewer.
    against, current = against.divided(effect), current.divided(effect)
    measured = list(measure(space, against, current).values())
    p_values = np.full((len(n), len(STATISTICS)), np.nan)
    thresholds = p_values.copy()
    some = np.flatnonzero(enough)
    if len(some):
        extremes = np.maximum(reference.extremes / effect, against.rows)
        sizes = np.stack([against.rows, current.rows, extremes], axis=1)[some]
        part = space if len(some) == len(n) else space.only(some)
        keys = tuple(reference.keys[int(one)] for one in some)
        # Also for an hour the shares of all hours: 168 times as much is not drawn. What an hour has of its own, its own
        # null knows.
        null = calibration.null(part, reference.whole.counts[some], keys, sizes)
        pivots = np.stack([one.pivot for one in measured], axis=1)
        p_values[some] = null.p_values(pivots[some])
        judging = int((~np.isnan(p_values) & _JUDGES).sum(axis=1).max())
        level = spec.false_discovery_ratio / len(some) / max(judging, 1)
        thresholds[some] = null.pivot_at(level)
        if window.hour_of_week is not None and reference.own is not None:
            # Hours that differ from week to week in ways of their own: they are not taken for rows drawn one by one.
            p_values = np.fmax(p_values, np.where(enough[:, None], reference.own.p_values(pivots), np.nan))
            thresholds = np.fmax(thresholds, np.where(enough[:, None], reference.own.pivot_at(level), np.nan))
        with np.errstate(divide="ignore", invalid="ignore"):
            for number, one in enumerate(STATISTICS.values()):
                thresholds[:, number] = one.threshold(thresholds[:, number], measured[number].scale, against)
    found = discoveries(combined(np.where(_JUDGES, p_values, np.nan)), spec.false_discovery_ratio)
    return _Judged(n, m, enough, [(one.score, one.low, one.high) for one in measured], thresholds, p_values, found)


def _against(reference: Reference, window: Window) -> tuple[Sample, Numbers]:
    """Returns what the window is compared with, and its design effect."""
    hour, hours = window.hour_of_week, reference.hours
    if hour is None:
        effect = reference.effect
        if effect is None:
            blocks = window.blocks
            one = np.ones(len(reference.space.names))
            effect = one if blocks is None else design_effect(reference.space.table(blocks))
        return reference.whole, effect
    if not 0 <= hour < HOURS_OF_WEEK or not hours:
        knows = "knows" if hours else "does not know"
        raise ValueError(
            f"hour_of_week ({hour}): expected 0 to {HOURS_OF_WEEK - 1}, and a reference that knows its hours; "
            f"this one {knows} them"
        )
    return hours[hour].sample, hours[hour].effect
