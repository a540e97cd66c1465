"""One round after the other over the logs of all models: count what is new, judge what closed, show how it stands."""

import functools
import json
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shipway.contract.drift import DriftStatus
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError
from shipway.contract.model import ModelSpec
from shipway.drift.calibration import Calibration
from shipway.drift.detector import Detector, Seen, hour_of, moment_of, silent_since
from shipway.drift.intake import NEWEST, REPLAYED, Intake
from shipway.drift.measures import Reading, Score, State, shown
from shipway.drift.places import Keeper, Place
from shipway.drift.store import Store
from shipway.drift.windows import Length, Span, span

__all__ = ["Rounds", "event_clock", "live_versions", "newest_event"]

# What runs is looked at this often.
LOOK_SECONDS = 60.0

# A slot's log is on disk two seconds after the answer: a window closes when event time has been past its end for
# this long.
SETTLE_SECONDS = 5.0

# Live, the one before, and a candidate.
_VERSIONS_SHOWN = 3

# The fact under which a store keeps since when each version is live.
_LIVE = "live"


def event_clock(tier: Tier, newest: datetime | None, wall: datetime) -> datetime | None:
    """Returns what time it is for the windows; None before the first event.

    In production it is the wall clock, so that a window ends also when nobody asks any more. On tier local requests may
    bring a time of their own, and a replay of the past would never end a window by the wall clock, or end them all at
    once: there it is the newest event time seen, see `newest_event`.
    """
    return newest if tier is Tier.LOCAL else wall


def newest_event(store: Store) -> datetime | None:
    """Returns the newest event time of a store; None before the first event.

    Once something was replayed it is the newest of what was: else one request without a time of its own, which is of
    the present, would make all late that a replay of the past brings after it.
    """
    newest = store.fact(REPLAYED) or store.fact(NEWEST)
    return moment_of(int(newest)) if newest else None


def live_versions(store: Store, version: str, now: datetime | None) -> dict[str, datetime]:
    """Returns the live version (or none) and since when, by event time; the store remembers it.

    Args:
        store: the model's counts.
        version: the live one's short digest, empty for none.
        now: the event time; None before the first event.
    """
    if not version or now is None:
        return {}
    known: dict[str, str] = json.loads(store.fact(_LIVE) or "{}")
    # What was live in the present is live from the beginning of a replay of the past on.
    if version not in known or datetime.fromisoformat(known[version]) > now:
        with store.change():
            store.remember(_LIVE, json.dumps({version: now.isoformat()}))
        return {version: now}
    return {version: datetime.fromisoformat(known[version])}


@dataclass
class _Watched:
    """One model: its store, and what was shown of it last."""

    spec: ModelSpec
    store: Store
    intake: Intake
    detector: Detector
    at: datetime | None = None
    clock: deque[tuple[float, datetime]] = field(default_factory=deque[tuple[float, datetime]])
    looked_seconds: float = float("-inf")
    scores: list[Score] = field(default_factory=list[Score])
    states: list[State] = field(default_factory=list[State])


class Rounds:
    """Counts and judges the models of one place.

    Args:
        place: what is judged.
        keeper: where counts and verdicts are kept.
        tier: decides what time it is, see `event_clock`.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
        calibration: one for the process.
        settle_seconds: how long event time must have been past a window's end before it is judged.
    """

    def __init__(
        self,
        place: Place,
        keeper: Keeper,
        tier: Tier,
        say: Callable[[str], None],
        now: Callable[[], float],
        calibration: Calibration,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._place, self._keeper, self._tier, self._say, self._now = place, keeper, tier, say, now
        self._calibration, self._settle_seconds = calibration, settle_seconds
        self._watched: dict[str, _Watched] = {}
        self._counted: Counter[tuple[str, str]] = Counter()
        self._unknown: Counter[str] = Counter()
        self._forgotten: Counter[str] = Counter()
        self._failed: dict[str, str] = {}
        self._worked_seconds: float | None = None

    def round(self) -> Reading:
        """Returns what is known after looking at every model; only then the round has worked."""
        specs = {name: spec for name, spec in self._place.models().items() if spec.drift.enabled}
        for gone in self._watched.keys() - specs.keys():
            self._attempt(gone, functools.partial(self._let_go, gone))
        # Of each model, whatever becomes of the others.
        worked = [self._attempt(name, functools.partial(self._look_at, spec)) for name, spec in sorted(specs.items())]
        if all(worked) and not self._place.missed:
            self._worked_seconds = self._now()
        return Reading(
            worked_seconds=self._worked_seconds,
            scores=[one for watched in self._watched.values() for one in watched.scores],
            states=[one for watched in self._watched.values() for one in watched.states],
            counted=dict(self._counted),
            unknown=dict(self._unknown),
            forgotten=dict(self._forgotten),
        )

    def close(self) -> None:
        """Keeps what is not kept yet, and lets go of all stores."""
        for name in list(self._watched):
            self._attempt(name, functools.partial(self._let_go, name))

    def _attempt(self, name: str, work: Callable[[], None]) -> bool:
        """Returns whether `work` on a model was done; one model's trouble is not the others'.

        The heartbeat stops then, and that is the alarm.
        """
        try:
            work()
        except (ShipwayError, OSError, sqlite3.Error) as error:
            if self._failed.get(name) != str(error):
                self._failed[name] = str(error)
                self._say(f"{name}: its drift cannot be judged ({error})")
            if name in self._watched:
                # What was read and not kept is read again from where the keeper stands.
                self._watched.pop(name).store.close()
            return False
        self._failed.pop(name, None)
        return True

    def _let_go(self, name: str) -> None:
        self._keeper.keep(name, self._watched[name].store, last=True)
        self._watched.pop(name).store.close()

    def _look_at(self, spec: ModelSpec) -> None:
        watched = self._watched.get(spec.name)
        if watched is None or watched.spec != spec:
            if watched is not None:
                watched.store.close()
            watched = self._watched[spec.name] = self._open(spec)
        taken = watched.intake.take()
        self._counted[spec.name, "predictions"] += taken.predictions
        self._counted[spec.name, "labels"] += taken.labels
        self._unknown[spec.name] += taken.unknown
        if watched.intake.missed:
            # No window closes while some of its rows may not be counted: it would be judged on the others alone.
            raise ShipwayError(watched.intake.missed)
        now = self._clock(watched)
        if now is not None and (watched.at is None or now < watched.at):
            watched.detector.go_back(now)
            watched.clock.clear()
        watched.at = now
        live = live_versions(watched.store, self._place.live(spec.name), now)
        settled = self._settled(watched, now)
        closed = watched.detector.close(settled, live) if settled is not None else 0
        if now is not None and (closed or self._now() - watched.looked_seconds >= LOOK_SECONDS):
            watched.looked_seconds = self._now()
            self._show(watched, now, settled or now, live)
            with watched.store.change():
                self._forgotten[spec.name] += watched.store.prune(hour_of(now))
                watched.intake.forget_gone()
        self._keeper.keep(spec.name, watched.store)

    def _open(self, spec: ModelSpec) -> _Watched:
        store, watch = self._keeper.open(spec.name), self._place.watch(spec.name)
        return _Watched(
            spec=spec,
            store=store,
            intake=Intake(self._place.source(spec.name), store, watch),
            detector=Detector(spec, store, watch, self._calibration),
        )

    def _clock(self, watched: _Watched) -> datetime | None:
        return event_clock(self._tier, newest_event(watched.store), datetime.fromtimestamp(self._now(), UTC))

    def _settled(self, watched: _Watched, now: datetime | None) -> datetime | None:
        """Returns the event time of `settle_seconds` ago; None while that is not known."""
        if self._tier is not Tier.LOCAL:
            return now - timedelta(seconds=self._settle_seconds) if now is not None else None
        clock, wall = watched.clock, self._now()
        if now is not None and (not clock or clock[-1][1] < now):
            clock.append((wall, now))
        while len(clock) > 1 and clock[1][0] <= wall - self._settle_seconds:
            clock.popleft()
        return clock[0][1] if clock and clock[0][0] <= wall - self._settle_seconds else None

    def _show(self, watched: _Watched, now: datetime, settled: datetime, live: Mapping[str, datetime]) -> None:
        watched.scores, watched.states = [], []
        name = watched.spec.name
        newest = {one: extent[1] for one in watched.store.versions() if (extent := watched.store.extent(one))}
        others = sorted(newest.keys() - live.keys(), key=lambda version: -newest[version])
        for version in (*live, *others)[:_VERSIONS_SHOWN]:
            for window in watched.spec.drift.windows:
                closed = watched.detector.judged(version, window)
                if closed and version not in live and closed < _newest(str(window), settled).start:
                    # What a version that serves no more was long ago would raise alerts for ever.
                    closed = None
                seen = watched.detector.look(version, window, closed) if closed else []
                scores, states = shown(name, str(window), seen)
                running, _ = shown(name, f"{window}_running", watched.detector.look(version, window, now))
                if version in live and self._silent(watched, version, live[version], now, str(window)):
                    states = _all_silent(states, name, version, str(window), seen)
                watched.scores += [*scores, *running]
                watched.states += states

    def _silent(self, watched: _Watched, version: str, live_since: datetime, now: datetime, window: str) -> bool:
        extent = watched.store.extent(version, hour_of(now))
        last = moment_of((extent[1] + 1) * 3_600_000_000) if extent else None
        return silent_since(last, live_since, now, span(Length(window), now))


def _newest(window: str, settled: datetime) -> Span:
    """Returns the newest calendar window of this length that has ended by `settled`."""
    running = span(Length(window), settled)
    return span(Length(window), running.start - timedelta(hours=1))


def _all_silent(states: list[State], model: str, version: str, window: str, seen: list[Seen]) -> list[State]:
    """Returns that nothing is heard of a version, field by field; of predictions where no window has closed yet."""
    if not seen:
        return [State(model, version, window, "prediction", DriftStatus.SILENT)]
    return [one._replace(status=DriftStatus.SILENT) for one in states]
