"""How good each version of a model is, by the labels that have come, and whether it has become worse for certain; pure.

Windows are of event time, and end with the newest day that has predictions: that clock is the traffic's own. The week
begins so early that the labels of seven days are due. A drop is certain when even the near end of the confidence
sequence is worse than the reference, which is what the version was evaluated at, or, where that is not known, the worst
that the labels of the version before it are compatible with: in the same hours, if both answered in them. Whether a
version goes back for it is a question of its own, which only the same hours of both answer: on a day that is bad for
every version, each is worse than it was evaluated at.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shipway.contract.metrics import HIGHER_IS_BETTER
from shipway.labels.sample import DAY_SECONDS, Drawn, Sample
from shipway.labels.statistics import LEAST_LABELLED, Estimate, certain_drop, estimates
from shipway.labels.watched import Watched

__all__ = ["ALPHA", "Assessment", "Coverage", "Quality", "Window", "assess"]

# How likely one metric of one version in one window is ever shown an interval that misses the true value.
ALPHA = 0.01
WEEK_DAYS = 7
EVALUATION = "evaluation"
_HOUR_SECONDS = 3600
# Segments of a field, by size; the rest is in no segment.
_MOST_SEGMENTS = 20

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """Whole days (UTC) of event time, from the first second of `first_day` to the last one of `last_day`.

    Args:
        name: day or week.
        first_day, last_day: days since the epoch.
    """

    name: str
    first_day: int
    last_day: int

    @property
    def start(self) -> str:
        """When it begins, ISO 8601."""
        return _moment(self.first_day)

    @property
    def end(self) -> str:
        """The first moment after it, ISO 8601."""
        return _moment(self.last_day + 1)


@dataclass(frozen=True)
class Quality:
    """One metric of one version, overall or in one segment.

    Args:
        version: short digest.
        segment: `field=value`, empty for all.
        metric: its name.
        window: when the predictions were made.
        estimate: the metric and its interval.
        labelled: how many labelled predictions it is from.
        reference: what a drop is measured from, None where nothing is known or a drop is no alarm.
        against: `evaluation` or the version before, empty without a reference.
        drop_ratio: how much worse than the reference it is for certain, None without one.
        beside_ratio: how much worse than the version before it in the same hours it is for certain, None where the two
            did not answer in the same hours. Only that tells a worse version from a worse day.
    """

    version: str
    segment: str
    metric: str
    window: Window
    estimate: Estimate
    labelled: int
    reference: float | None = None
    against: str = ""
    drop_ratio: float | None = None
    beside_ratio: float | None = None


@dataclass(frozen=True)
class Coverage:
    """Of predictions that are old enough to have a label, how many have one.

    Args:
        labelled, due: how many.
        window: when they were made.
    """

    labelled: int
    due: int


@dataclass(frozen=True)
class Assessment:
    """What the labels of a model say.

    Args:
        newest_seconds: of the predictions' event times, the newest.
        limit_ratio: how far a metric may fall; None where a drop is no alarm.
        sampled_ratio: the share of the newest week's predictions that was looked at.
        quality: of the newest week, then of its days one by one.
        coverage: version -> coverage over the newest week and what was due before it.
        finished: windows for which no more labels are waited for.
    """

    newest_seconds: float
    limit_ratio: float | None
    sampled_ratio: float = 1.0
    quality: tuple[Quality, ...] = ()
    coverage: Mapping[str, Coverage] = field(default_factory=dict[str, Coverage])

    def drops(self) -> Mapping[tuple[str, str, str], float]:
        """Returns (version, segment, metric) -> the drop that is certain now: over the week, or on its last known day.

        A bad day that was followed by good ones is told in the verdicts, and is no alarm any more.
        """
        return self._newest((one, one.drop_ratio) for one in self.quality)

    def drops_beside(self) -> Mapping[tuple[str, str, str], float]:
        """Returns the same against the version before in the same hours: what going back to it would mend."""
        return self._newest((one, one.beside_ratio) for one in self.quality)

    def _newest(self, drops: Iterable[tuple[Quality, float | None]]) -> Mapping[tuple[str, str, str], float]:
        week, day = dict[tuple[str, str, str], float](), dict[tuple[str, str, str], float]()
        for one, ratio in drops:
            if ratio is not None:
                (week if one.window.name == "week" else day)[one.version, one.segment, one.metric] = ratio
        return {series: max(week.get(series, 0.0), day.get(series, 0.0)) for series in sorted(week.keys() | day.keys())}

    def finished(self, window: Window, delay_seconds: float) -> bool:
        """Returns whether no more labels of `window` are waited for."""
        return self.newest_seconds >= (window.last_day + 1) * DAY_SECONDS + delay_seconds


def assess(model: Watched, sample: Sample) -> Assessment:
    """Returns what the labels in `sample` say of a model."""
    if not sample.days:
        return Assessment(sample.newest_seconds, model.drop_ratio)
    last = sample.days[-1]
    # Where labels take a month, the last seven days have none: a week is one whose labels are due, and what came early.
    due = math.floor((sample.newest_seconds - model.delay_seconds) / DAY_SECONDS)
    week = Window("week", due - WEEK_DAYS + 1, last)
    drawn = sample.drawn(week.first_day, week.last_day)
    everything = sample.drawn(sample.days[0], last)
    before = _Before(model, sample, everything)
    found = [*_of_window(model, sample, drawn, week, before, segments=True)]
    for day in sample.days:
        window = Window("day", day, day)
        found += _of_window(model, sample, sample.drawn(day, day), window, before, segments=False)
    return Assessment(
        newest_seconds=sample.newest_seconds,
        limit_ratio=model.drop_ratio,
        sampled_ratio=0.5**drawn.level,
        quality=tuple(found),
        coverage=_coverage(model, sample, everything),
    )


def _of_window(
    model: Watched, sample: Sample, drawn: Drawn, window: Window, before: "_Before", *, segments: bool
) -> Iterator[Quality]:
    labelled = np.isfinite(drawn.labels)
    for code in np.unique(drawn.versions[labelled]):
        version = sample.versions[int(code)]
        mine = labelled & (drawn.versions == code)
        named = [("", mine)]
        if segments:
            named += _segments(model, sample, drawn, mine)
        for segment, mask in named:
            beside = before.beside(drawn, window, (version, segment), mask)
            for metric, estimate in _estimates(model, drawn, mask).items():
                reference, against = before.reference(version, segment, metric, beside.theirs)
                judged = estimate if against == EVALUATION or beside.theirs is None else beside.mine.get(metric)
                yield Quality(
                    version=version,
                    segment=segment,
                    metric=metric,
                    window=window,
                    estimate=estimate,
                    labelled=int(np.count_nonzero(mask)),
                    reference=reference,
                    against=against,
                    drop_ratio=None if reference is None or judged is None else certain_drop(metric, judged, reference),
                    beside_ratio=beside.drop(metric) if metric in model.judged else None,
                )


@dataclass(frozen=True)
class _Beside:
    """Two versions on equally many rows of each hour: what the hours were like is then no difference between them.

    Args:
        mine, theirs: metric -> estimate; `theirs` is None where the two never answered in the same window.
    """

    mine: Mapping[str, Estimate] = field(default_factory=dict[str, Estimate])
    theirs: Mapping[str, Estimate] | None = None

    def drop(self, metric: str) -> float | None:
        """Returns how much worse the one is than the other for certain, None where that cannot be told."""
        mine, theirs = self.mine.get(metric), (self.theirs or {}).get(metric)
        return None if mine is None or theirs is None else certain_drop(metric, mine, _worst(metric, theirs))


def _worst(metric: str, estimate: Estimate) -> float:
    """Returns the worst that the labels are compatible with."""
    return estimate.low if metric in HIGHER_IS_BETTER else estimate.high


def _equally_many(seconds: NDArray[np.float64], mine: Mask, theirs: Mask) -> tuple[Mask, Mask]:
    """Returns as many of `mine` as of `theirs` in each hour; rows are in random order, so the first will do."""
    found, hours = np.unique(np.floor_divide(seconds, _HOUR_SECONDS), return_inverse=True)
    counts = [np.bincount(hours[mask], minlength=len(found)) for mask in (mine, theirs)]
    least = np.minimum(*counts)
    return _first(hours, mine, least), _first(hours, theirs, least)


def _first(groups: NDArray[np.intp], mask: Mask, counts: NDArray[np.intp]) -> Mask:
    """Returns of the rows in `mask` the first `counts[group]` of each group."""
    rows = np.flatnonzero(mask)
    rows = rows[np.argsort(groups[rows], kind="stable")]
    own = groups[rows]
    rank = np.arange(len(rows)) - np.searchsorted(own, own)
    chosen = np.zeros_like(mask)
    chosen[rows[rank < counts[own]]] = True
    return chosen


class _Before:
    """What each version is measured against: its own evaluation, or the version that came before it.

    Args:
        model: whose.
        sample, everything: all that is remembered.
    """

    def __init__(self, model: Watched, sample: Sample, everything: Drawn) -> None:
        self._model, self._sample, self._drawn = model, sample, everything
        codes = [int(code) for code in np.unique(everything.versions)]
        first = {code: float(everything.seconds[everything.versions == code].min()) for code in codes}
        order = sorted(codes, key=lambda code: first[code])
        self._previous = {sample.versions[code]: before for before, code in pairwise(order)}
        self._known: dict[tuple[int, str], Mapping[str, Estimate]] = {}

    def beside(self, drawn: Drawn, window: Window, whose: tuple[str, str], mine: Mask) -> _Beside:
        """Returns a version and the one before it on the same hours of a window, overall or in one segment.

        A week without a single common hour is left to what the version before did in its own time; a day is too
        short for that: it may be a bad day for everybody.
        """
        version, segment = whose
        before = self._previous.get(version)
        theirs = np.isfinite(drawn.labels) & (drawn.versions == before) if before is not None else np.zeros_like(mine)
        if segment:
            theirs = dict(_segments(self._model, self._sample, drawn, theirs)).get(segment, np.zeros_like(mine))
        one, other = _equally_many(drawn.seconds, mine, theirs)
        if not one.any() and window.name == "week":
            return _Beside()
        return _Beside(_estimates(self._model, drawn, one), _estimates(self._model, drawn, other))

    def reference(
        self, version: str, segment: str, metric: str, beside: Mapping[str, Estimate] | None
    ) -> tuple[float | None, str]:
        """Returns what a metric is measured against, and what that is."""
        if metric not in self._model.judged:
            return None, ""
        evaluated = self._model.evaluations.get(version, {}).get(metric)
        if evaluated is not None and not segment:
            return evaluated, EVALUATION
        before = self._previous.get(version)
        if before is None:
            return None, ""
        estimate = (self._estimates(before, segment) if beside is None else beside).get(metric)
        if estimate is None:
            return None, ""
        return _worst(metric, estimate), self._sample.versions[before]

    def _estimates(self, code: int, segment: str) -> Mapping[str, Estimate]:
        if (code, segment) not in self._known:
            mine = np.isfinite(self._drawn.labels) & (self._drawn.versions == code)
            masks = dict(_segments(self._model, self._sample, self._drawn, mine)) if segment else {"": mine}
            mask = masks.get(segment)
            self._known[code, segment] = {} if mask is None else _estimates(self._model, self._drawn, mask)
        return self._known[code, segment]


def _estimates(model: Watched, drawn: Drawn, mask: Mask) -> Mapping[str, Estimate]:
    # Each time the sample is thinned out another sequence begins, and all of them together may miss once in 1 / ALPHA.
    alpha = ALPHA / ((drawn.level + 1) * (drawn.level + 2))
    return estimates(model.task, drawn.labels[mask], drawn.predictions[mask], model.wrong_beyond, alpha)


def _segments(model: Watched, sample: Sample, drawn: Drawn, mine: Mask) -> list[tuple[str, Mask]]:
    found: list[tuple[str, Mask]] = []
    for place, name in enumerate(model.segments):
        codes = drawn.segments[:, place]
        values, counts = np.unique(codes[mine], return_counts=True)
        largest = [int(one) for one in np.argsort(-counts, kind="stable")[:_MOST_SEGMENTS]]
        for one in largest:
            code = int(values[one])
            value = sample.values[place][code] if code < len(sample.values[place]) else ""
            if value and counts[one] >= LEAST_LABELLED:
                found.append((f"{name}={value}", mine & (codes == code)))
    return found


def _coverage(model: Watched, sample: Sample, drawn: Drawn) -> Mapping[str, Coverage]:
    due = drawn.seconds <= sample.newest_seconds - model.delay_seconds
    labelled = due & np.isfinite(drawn.labels)
    return {
        sample.versions[int(code)]: Coverage(
            int(np.count_nonzero(labelled & (drawn.versions == code))),
            int(np.count_nonzero(due & (drawn.versions == code))),
        )
        for code in np.unique(drawn.versions[due])
    }


def _moment(day: int) -> str:
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).isoformat()
