"""How one model stands: a window of it field by field, ranked, and the verdicts of the windows before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np

from shipway.contract.drift import ALL_ROWS, RELATION, DriftSpec, DriftVerdict, WindowName
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.model import ModelSpec
from shipway.drift.against import LABEL_REST, Shape
from shipway.drift.calibration import Calibration
from shipway.drift.detector import Detector, Seen, decisive
from shipway.drift.intake import Intake
from shipway.drift.places import Keeper, Place
from shipway.drift.ranking import Ranked, effect, ranked
from shipway.drift.result import DriftResult, Status
from shipway.drift.rounds import event_clock, live_versions, newest_event
from shipway.drift.statistics import STATISTICS
from shipway.drift.store import Store
from shipway.drift.windows import Length, Span, span

__all__ = ["Asked", "Report", "Row", "examine", "held", "sentence"]


@dataclass(frozen=True)
class Asked:
    """What somebody wants to know.

    Args:
        window: day, week or month.
        segment: `field=value`, empty for all rows.
        since: verdicts on windows that began before are left out; None for those on the last windows.
    """

    window: WindowName
    segment: str = ALL_ROWS
    since: datetime | None = None


@dataclass(frozen=True)
class Row:
    """One field of the window: what was found, where it ranks, and one sentence."""

    ranked: Ranked
    says: str

    @property
    def result(self) -> DriftResult:
        """What was found."""
        return self.ranked.result

    def document(self) -> dict[str, Any]:
        """Returns the row as plain values."""
        one = self.result
        return {
            "feature": one.feature,
            "statistic": one.statistic,
            "score": one.score,
            "low": one.low,
            "high": one.high if one.high is not None and np.isfinite(one.high) else None,
            "unit": one.unit,
            "threshold": one.threshold,
            "p_value": one.p_value,
            "found": one.found,
            "status": one.status.value,
            "importance": self.ranked.importance,
            "effect": effect(one),
            "weight": self.ranked.weight,
            "n_reference": one.n_reference,
            "n_current": one.n_current,
            "says": self.says,
        }


@dataclass(frozen=True)
class Report:
    """The state of one model.

    Args:
        model, version: whose; the live version, or the newest that predicted.
        asked: what somebody wanted to know.
        span: the window that is shown.
        closed: whether it has ended; its verdict is final then.
        now: the event time up to which records are known.
        rows: the fields in their order.
        verdicts: on windows of this kind and segment, oldest first.
    """

    model: str
    version: str
    asked: Asked
    span: Span
    closed: bool
    now: datetime
    rows: Sequence[Row]
    verdicts: Sequence[DriftVerdict]

    @property
    def drifted(self) -> bool:
        """Whether a field drifted or is silent."""
        return any(row.result.status in (Status.DRIFTED, Status.SILENT) for row in self.rows)

    @property
    def judged(self) -> bool:
        """Whether anything could be judged at all."""
        return any(row.result.status is not Status.TOO_FEW for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Returns the report as plain values."""
        return {
            "model": self.model,
            "version": self.version,
            "segment": self.asked.segment,
            "window": {
                "name": str(self.asked.window),
                "start": self.span.start.isoformat(),
                "end": self.span.end.isoformat(),
                "closed": self.closed,
            },
            "counted_until": self.now.isoformat(),
            "fields": [row.document() for row in self.rows],
            "verdicts": [json.loads(one.model_dump_json()) for one in self.verdicts],
        }


class _Look:
    """A look at a model that changes nothing: the store is copied, and what the worker has not counted yet is added."""

    def __init__(self, place: Place, keeper: Keeper, spec: ModelSpec, calibration: Calibration) -> None:
        self.store, self.watch = keeper.copy(spec.name), place.watch(spec.name)
        self.detector = Detector(spec, self.store, self.watch, calibration)
        self._source = place.source(spec.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def newest(self) -> datetime | None:
        """Returns the newest event time, after counting what is new."""
        intake = Intake(self._source, self.store, self.watch)
        intake.take()
        if intake.missed:
            raise ShipwayError(intake.missed)
        return newest_event(self.store)


def examine(
    place: Place,
    keeper: Keeper,
    tier: Tier,
    spec: ModelSpec,
    asked: Asked,
    wall: datetime,
    calibration: Calibration,
) -> Report:
    """Returns how a model stands: by the counts that the worker kept, and what the logs hold beyond them.

    The window that runs is shown when it has rows enough, else the newest that closed.

    Args:
        place: where the model's logs are.
        keeper: what keeps the worker's counts and verdicts.
        tier: decides what time it is for windows, see `rounds.event_clock`.
        spec: the model.
        asked: what somebody wants to know.
        wall: the time on the wall.
        calibration: one for the process.

    Raises:
        OSError: when what was kept cannot be read.
        ShipwayError: when nothing was ever predicted, the logs cannot be looked at now, or the segment is none of the
            version's.
    """
    with _Look(place, keeper, spec, calibration) as look:
        now = event_clock(tier, look.newest(), wall)
        live = live_versions(look.store, place.live(spec.name), now)
        versions = look.store.versions()
        if now is None or not (versions or live):
            raise ShipwayError(
                f"{place.where(spec.name)}: no prediction of {spec.name} was logged yet, so there is nothing to judge"
            )
        version = next(iter(live), "") or max(versions, key=lambda one: look.store.extent(one) or (0, 0))
        watch = look.watch(version)
        if watch is None:
            raise ShipwayError(f"{spec.name}: the drift of version {version} is not watched")
        known = sorted(watch.reference.segments)
        if asked.segment != ALL_ROWS and asked.segment not in known:
            expected = ", ".join(known) or "none: model.yaml names no segments"
            raise ShipwayError(f"{spec.name} has no segment {asked.segment!r}; known: {expected}")
        look.detector.go_back(now)
        look.detector.close(now, live)
        verdicts = [*keeper.verdicts(spec.name), *_new(look.store)]
        seen, closed = _window(look.detector, version, asked, now)
        importances = watch.reference.importances
        results = [result for one in seen for result in decisive(one.results)]
        return Report(
            model=spec.name,
            version=version,
            asked=asked,
            span=seen[0].span,
            closed=closed,
            now=now,
            rows=[Row(one, _says(seen, one, spec.drift)) for one in ranked(results, importances)],
            verdicts=_chosen(verdicts, version, asked),
        )


def _new(store: Store) -> list[DriftVerdict]:
    return [DriftVerdict.model_validate_json(line) for _, line in store.verdicts(0)]


def _chosen(verdicts: Sequence[DriftVerdict], version: str, asked: Asked) -> list[DriftVerdict]:
    """Returns the verdicts that were asked for, each once: the store still holds the last one of the file."""
    mine = {
        one.sequence: one
        for one in verdicts
        if one.version == version and one.window.name is asked.window and one.segment == asked.segment
    }
    since = asked.since
    return [
        one for _, one in sorted(mine.items()) if since is None or datetime.fromisoformat(one.window.start) >= since
    ]


def _window(detector: Detector, version: str, asked: Asked, now: datetime) -> tuple[list[Seen], bool]:
    running = detector.look(version, asked.window, now, asked.segment)
    known = any(one.status in (Status.STABLE, Status.DRIFTED) for one in running[0].results)
    last = detector.judged(version, asked.window, asked.segment)
    if known or last is None or last >= span(Length(str(asked.window)), now).start:
        return running, False
    return detector.look(version, asked.window, last, asked.segment), True


def _shape(seen: Sequence[Seen], feature: str) -> Shape | None:
    return next((one.shapes[feature] for one in seen if feature in one.shapes), None)


def _moved(seen: Sequence[Seen], ranked: Ranked) -> float | None:
    """Returns the normalised Wasserstein-1 distance of a field; None where it has none."""
    for part in seen:
        for one in part.results:
            if one.feature == ranked.result.feature and one.statistic == "w1_normalised":
                return one.score
    return None


def _says(seen: Sequence[Seen], one: Ranked, spec: DriftSpec) -> str:
    said = sentence(one.result, _shape(seen, one.result.feature), _moved(seen, one), spec.w1_limit)
    return said + held(one.result, spec)


def held(result: DriftResult, spec: DriftSpec) -> str:
    """Returns why a field is drifted that this window did not find, empty for every other result."""
    if result.status is not Status.DRIFTED or result.found:
        return ""
    return f"; held: found in {spec.persistence_found} of the last {spec.persistence_windows} windows, not in this one"


def sentence(result: DriftResult, shape: Shape | None, moved: float | None, w1_limit: float) -> str:
    """Returns what a result means in plain words.

    Args:
        result: the one that decides.
        shape: of the field's values; None where there are none.
        moved: normalised Wasserstein-1 distance; None where there is none.
        w1_limit: beyond it the distance is told.
    """
    if result.status is Status.SILENT:
        return "not one row: nobody asks this version, or nothing is logged"
    if result.status is Status.TOO_FEW:
        return f"too little to judge: {result.n_current} rows, or too few that differ from each other"
    if result.feature == RELATION:
        if not result.found:
            return "after the same predictions the same labels follow as in the reference, but for chance"
        if result.statistic == LABEL_REST:
            return "after some predictions labels lie higher, after others lower than in the reference"
        side = "higher" if shape is not None and shape.mean is not None and shape.mean > 0 else "lower"
        return f"after the same predictions labels lie {result.score:.3g} {side} than in the reference"
    if shape is None:
        return STATISTICS[result.statistic].meaning
    if result.statistic == "missingness":
        return f"{shape.null_ratio:.1%} are null instead of {shape.reference_null_ratio:.1%}"
    if shape.mover is not None:
        return f"{shape.mover_ratio:.1%} are {shape.mover} instead of {shape.reference_mover_ratio:.1%}"
    if shape.mean is None or shape.reference_mean is None:
        return STATISTICS[result.statistic].meaning
    said = f"mean {shape.mean:.4g} instead of {shape.reference_mean:.4g}"
    if moved is not None and moved > w1_limit:
        said += f", values moved {moved:.2f} standard deviations (limit {w1_limit:g})"
    return said
