"""Verdicts on one model: every window that closed is judged once, in order, and what runs can be looked at.

Windows are calendar days, weeks and months of event time in UTC. One closes when event time has passed its end; for
labels a window stays open longer, for `labels.delay_seconds` of model.yaml. What comes later is counted, and changes no
verdict that was given.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from shipway.contract.drift import (
    ALL_ROWS,
    LABEL,
    PREDICTION,
    RELATION,
    DriftKind,
    DriftSpan,
    DriftStatus,
    DriftVerdict,
    WindowName,
)
from shipway.contract.model import ModelSpec
from shipway.drift.against import Against, Shape
from shipway.drift.calibration import Calibration
from shipway.drift.judge import Judgement, deciding
from shipway.drift.persistence import History
from shipway.drift.result import DriftResult
from shipway.drift.store import Store
from shipway.drift.tally import Vector, Watch
from shipway.drift.windows import Length, Span, span

__all__ = ["Detector", "Part", "Seen", "decisive", "hour_of", "moment_of", "moved_on", "silent_since", "verdict"]

_HOUR = timedelta(hours=1)
# Silence is told of so many windows back at most.
_SILENT_WINDOWS = 8

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Part(StrEnum):
    """What is judged together: labels come later than the rest."""

    ASKED = "asked"
    LABELLED = "labelled"


@dataclass(frozen=True, eq=False)
class Seen:
    """What a window says.

    Args:
        version, window, span, segment, part: which.
        results: of every field, each of its statistics; the predictions are called `prediction`.
        shapes: field -> what a person wants to know of its values.
    """

    version: str
    window: WindowName
    span: Span
    segment: str
    part: Part
    results: Sequence[DriftResult]
    shapes: Mapping[str, Shape]


class _Due(NamedTuple):
    """A window to be judged; they are in the order in which they closed."""

    closed: datetime
    window: WindowName
    part: Part
    segment: str
    version: str
    span: Span


def hour_of(moment: datetime) -> int:
    """Returns the hour since the epoch in which a moment lies."""
    return int((moment - _EPOCH) // _HOUR)


def moment_of(microseconds: int) -> datetime:
    """Returns the moment so many microseconds after the epoch."""
    return _EPOCH + timedelta(microseconds=microseconds)


def moved_on(window: WindowName, start: datetime, until: datetime) -> Iterator[Span]:
    """Yields the windows from the one that holds `start` on which have ended by `until`."""
    one = span(Length(window.value), start)
    while one.end <= until:
        yield one
        one = span(Length(window.value), one.end)


def silent_since(newest: datetime | None, live_since: datetime, now: datetime, window: Span) -> bool:
    """Returns whether a version that is live had no row for as long as a window is.

    Args:
        newest: event time of its newest row; None for none.
        live_since: from when on rows were to be expected.
        now: the event time now.
        window: the calendar window of `now`.
    """
    return now - max(newest or live_since, live_since) >= window.end - window.start


class Detector:
    """Judges the windows of one model.

    Args:
        model: its spec.
        store: what was counted.
        watch: version -> what is counted of it.
        calibration: one for a process.
    """

    def __init__(
        self, model: ModelSpec, store: Store, watch: Callable[[str], Watch | None], calibration: Calibration
    ) -> None:
        self._model, self._store, self._watch, self._calibration = model, store, watch, calibration
        self._against: dict[tuple[str, str], Against] = {}
        # Up to where there was nothing to say, so that it is not looked for again.
        self._passed: dict[tuple[str, WindowName, Part, str], datetime] = {}

    def close(self, now: datetime, live: Mapping[str, datetime]) -> int:
        """Judges each window that has ended by `now` and was not judged; returns how many.

        A version is judged in the windows from its first row to its last, and on to `now` while it is live. A window
        without rows is SILENT where the version was live all the time, and else nobody's concern.

        Args:
            now: the event time that all slots have surely written up to.
            live: version -> since when it is live.
        """
        due = sorted(self._due(now, live)) if self._model.drift.enabled else []
        for one in due:
            watch = self._watch(one.version)
            if watch is not None:
                _, _, history = self._remembered(one.version, one.window, one.part, one.segment)
                seen, judgement = self._seen(watch, one.window, one.span, one.segment, one.part, history)
                self._keep(seen, history, judgement.history, now)
        return len(due)

    def go_back(self, now: datetime) -> None:
        """Forgets that windows after `now` were judged, or had nothing to say: event time has gone back to it."""
        self._passed.clear()
        with self._store.change():
            self._store.forget_judged(hour_of(now))

    def extent(self, version: str, live: Mapping[str, datetime]) -> tuple[datetime, datetime] | None:
        """Returns from when to when windows of `version` are judged, None for never; without end while it is live."""
        hours = self._store.extent(version)
        first, last = (_EPOCH + hours[0] * _HOUR, _EPOCH + hours[1] * _HOUR) if hours else (None, None)
        if version in live:
            return min(first or live[version], live[version]), datetime.max.replace(tzinfo=UTC)
        return (first, last) if first is not None and last is not None else None

    def look(self, version: str, window: WindowName, at: datetime, segment: str = ALL_ROWS) -> list[Seen]:
        """Returns what the window that holds `at` says as it stands, judged after the windows that closed before.

        The newest window that closed is judged as it was then, with the same windows before it.
        """
        watch = self._watch(version)
        if watch is None:
            return []
        seen: list[Seen] = []
        for part in Part:
            if part is Part.LABELLED and watch.labels is None:
                continue
            one = span(Length(window.value), at)
            start, before, after = self._remembered(version, window, part, segment)
            history = before if start is not None and hour_of(one.start) <= start else after
            seen.append(self._seen(watch, window, one, segment, part, history)[0])
        return seen

    def judged(self, version: str, window: WindowName, segment: str = ALL_ROWS) -> datetime | None:
        """Returns the start of the newest window of this kind that was judged for inputs; None before the first."""
        start, _, _ = self._remembered(version, window, Part.ASKED, segment)
        return None if start is None else _EPOCH + start * _HOUR

    def _due(self, now: datetime, live: Mapping[str, datetime]) -> Iterator[_Due]:
        """Yields each window that has closed, was not judged and has something to say."""
        for version in sorted({*self._store.versions(), *live}):
            watch, extent = self._watch(version), self.extent(version, live)
            if watch is None or extent is None:
                continue
            for name in self._model.drift.windows:
                for part in Part:
                    if part is Part.ASKED or watch.labels is not None:
                        for segment in (ALL_ROWS, *sorted(watch.reference.segments)):
                            which = version, name, part, segment
                            yield from self._ended(which, extent, now, live.get(version))

    def _ended(
        self,
        which: tuple[str, WindowName, Part, str],
        extent: tuple[datetime, datetime],
        now: datetime,
        live_since: datetime | None,
    ) -> Iterator[_Due]:
        version, name, part, segment = which
        delay = timedelta(seconds=self._model.labels.delay_seconds if part is Part.LABELLED else 0)
        start, _, _ = self._remembered(version, name, part, segment)
        begin = extent[0] if start is None else span(Length(name.value), _EPOCH + start * _HOUR).end
        for one in moved_on(name, max(begin, self._passed.get(which, begin)), now - delay):
            if one.start > extent[1]:
                break
            rows = self._store.any_rows(version, segment, hour_of(one.start), hour_of(one.end))
            if rows or (segment == ALL_ROWS and _expected(one, live_since, now)):
                yield _Due(one.end + delay, name, part, segment, version, one)
            else:
                self._passed[which] = one.end

    def _seen(
        self, watch: Watch, name: WindowName, one: Span, segment: str, part: Part, history: History
    ) -> tuple[Seen, Judgement]:
        total, blocks = self._counted(watch, one, segment)
        key = (watch.version, segment)
        if key not in self._against:
            self._against[key] = Against.of(watch, segment)
        against = self._against[key]
        judge = against.judge_inputs if part is Part.ASKED else against.judge_labels
        judgement = judge(total, blocks, self._model.drift, history, self._calibration)
        seen = Seen(
            version=watch.version,
            window=name,
            span=one,
            segment=segment,
            part=part,
            results=[_named(result) for result in judgement.results],
            shapes=against.shapes(total),
        )
        return seen, judgement

    def _counted(self, watch: Watch, one: Span, segment: str) -> tuple[Vector, list[Vector]]:
        """Returns what was counted in a window, and the same by day or, of a day, by hour."""
        start, end = hour_of(one.start), hour_of(one.end)
        hours = self._store.hours(watch.version, segment, start, end, watch.size)
        each = 1 if end - start <= 24 else 24
        blocks: dict[int, Vector] = {}
        for hour, vector in sorted(hours.items()):
            block = (hour - start) // each
            blocks[block] = blocks[block] + vector if block in blocks else vector
        total = np.sum(list(hours.values()), axis=0) if hours else np.zeros(watch.size)
        return total, list(blocks.values())

    def _remembered(
        self, version: str, window: WindowName, part: Part, segment: str
    ) -> tuple[int | None, History, History]:
        """Returns the last judged window's first hour, and the histories before and after it."""
        known = self._store.judged(version, str(part), str(window), segment)
        if known is None:
            return None, History(), History()
        told = json.loads(known[1])
        before, after = (History({name: tuple(found) for name, found in told[key].items()}) for key in _HISTORIES)
        return known[0], before, after

    def _keep(self, seen: Seen, before: History, after: History, now: datetime) -> None:
        history = json.dumps({key: dict(one.found) for key, one in zip(_HISTORIES, (before, after), strict=True)})
        which = (seen.version, str(seen.part), str(seen.window), seen.segment)
        with self._store.change():
            self._store.judge(
                which, hour_of(seen.span.start), history, lambda first: list(self._lines(seen, now, first))
            )

    def _lines(self, seen: Seen, now: datetime, first: int) -> Iterator[str]:
        watch = self._watch(seen.version)
        importances = watch.reference.importances if watch else {}
        for number, result in enumerate(decisive(seen.results)):
            yield verdict(self._model.name, seen, result, now, importances, first + number).model_dump_json()


def _expected(one: Span, live_since: datetime | None, now: datetime) -> bool:
    """Returns whether a window without rows is worth a word: the version was live in all of it, and it is not long ago.

    A stack that replays a year of the past and is asked in the present then has years without rows behind it.
    """
    recent = now - one.end < _SILENT_WINDOWS * (one.end - one.start)
    return live_since is not None and live_since <= one.start and recent


_HISTORIES = ("before", "after")


def decisive(results: Sequence[DriftResult]) -> list[DriftResult]:
    """Returns one result a field: the one with the least p-value."""
    related = [one for one in results if one.feature == RELATION]
    return [*deciding(one for one in results if one.feature != RELATION), *related]


def verdict(
    model: str, seen: Seen, result: DriftResult, now: datetime, importances: Mapping[str, float], sequence: int
) -> DriftVerdict:
    """Returns what `result` says as a line of the verdicts."""
    shape = seen.shapes.get(result.feature)
    kinds = {PREDICTION: DriftKind.PREDICTION, LABEL: DriftKind.LABEL, RELATION: DriftKind.CONCEPT}
    return DriftVerdict(
        sequence=sequence,
        time=now.isoformat(),
        model=model,
        version=seen.version,
        window=DriftSpan(name=seen.window, start=seen.span.start.isoformat(), end=seen.span.end.isoformat()),
        kind=kinds.get(result.feature, DriftKind.INPUT),
        segment=seen.segment,
        feature=result.feature,
        statistic=result.statistic,
        score=_finite(result.score),
        low=_finite(result.low),
        high=_finite(result.high),
        threshold=_finite(result.threshold),
        p_value=_finite(result.p_value),
        found=result.found,
        status=DriftStatus(result.status.value),
        importance=importances.get(result.feature),
        mean=_finite(shape.mean) if shape else None,
        reference_mean=_finite(shape.reference_mean) if shape else None,
        n_reference=result.n_reference,
        n_current=result.n_current,
    )


def _named(result: DriftResult) -> DriftResult:
    """Returns the result with the predictions called by their name."""
    return result if result.feature else dataclasses.replace(result, feature=PREDICTION)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
