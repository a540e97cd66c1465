"""Rollouts under way: asks for evidence, remembers what was judged between two writes of the route, tells what it saw.

What is in memory here is never the only copy of anything that matters: after a crash the route's own progress is gone
on from, and the counters in it bring all that happened since as one increment.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from shipway.contract.errors import Retryable
from shipway.contract.evidence import Judgement, Progress, Sample
from shipway.contract.metrics import MODELS_JOB, ROLLOUT_JOB, Slot
from shipway.contract.release import short_digest
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState
from shipway.delivery.decide import Action, Readiness
from shipway.delivery.drops import with_drops
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.judge import Judged, judge, under_way
from shipway.delivery.looking import Asked, Seen, aligned, latency_edge, live_buckets, see, selector, slow_edge
from shipway.delivery.prometheus import Prometheus
from shipway.delivery.served import ServedModel
from shipway.delivery.shown import look_of

__all__ = ["SILENT_SECONDS", "Rollouts", "Scrapes"]

# Between transitions the progress is written this often: a crash loses no evidence, only the time of the step.
SAVE_SECONDS = 10.0
# A promoted version is looked at once a second, as often as all slots are scraped.
GUARD_LOOK_SECONDS = 1.0
# From here on missing evidence is a fault of the platform, and is told.
SILENT_SECONDS = 10.0


@dataclass(frozen=True)
class Scrapes:
    """Which series hold the evidence; by default a slot is scraped four times a second while two are compared.

    Args:
        comparing_job, guarding_job: the scrape job that is read while two slots are compared, and in a guard.
        comparing_window_seconds, guarding_window_seconds: an older sample is no news.
        environment: whose series, where several environments share a Prometheus; empty for all.
        callers_stay: whether the gateway keeps a caller in one slot, so that callers tell how the traffic is split.
    """

    comparing_job: str = ROLLOUT_JOB
    comparing_window_seconds: float = 2.0
    guarding_job: str = MODELS_JOB
    guarding_window_seconds: float = 5.0
    environment: str = ""
    callers_stay: bool = True

    def window_seconds(self, job: str) -> float:
        """Returns how old a sample of `job` may be."""
        return self.comparing_window_seconds if job == self.comparing_job else self.guarding_window_seconds


@dataclass
class _Running:
    """What is known of one rollout beyond its route: `progress` is newer than the route's."""

    generation: int
    progress: Progress
    called_at_seconds: float
    saved_at_seconds: float
    look: Look | None = None
    silence_told: bool = False


@dataclass
class Rollouts:
    """The rollouts under way.

    Args:
        prometheus: where evidence is read.
        now: the time as people read it.
        clock: seconds on a clock that only grows.
        scrapes: which series hold it.
    """

    prometheus: Prometheus
    now: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
    scrapes: Scrapes = Scrapes()
    _running: dict[str, _Running] = field(default_factory=dict[str, _Running])

    def looks(self) -> dict[str, Look]:
        """Returns model -> the newest look at its rollout."""
        return {name: one.look for name, one in self._running.items() if one.look is not None}

    def current(self, model: ServedModel) -> RolloutState:
        """Returns the rollout state with the newest progress."""
        running = self._running.get(model.spec.model)
        if running is None or running.generation != model.state.generation or model.state.progress is None:
            return model.state
        return model.state.model_copy(update={"progress": running.progress})

    def due(self, served: Mapping[str, ServedModel]) -> dict[str, ServedModel]:
        """Returns the models whose rollout is to be looked at now; what is no longer under way is forgotten."""
        now = self.clock()
        active = {name: model for name, model in served.items() if under_way(model.state)}
        for gone in self._running.keys() - active.keys():
            del self._running[gone]
        found: dict[str, ServedModel] = {}
        for name, model in active.items():
            running = self._running.get(name)
            if running is None or running.generation != model.state.generation:
                progress = model.state.progress
                assert progress is not None
                # A new holder of the lease counts no time that it has not seen pass.
                running = _Running(model.state.generation, progress, now, now)
                self._running[name] = running
                found[name] = model
            elif model.state.candidate is not None or now - running.called_at_seconds >= GUARD_LOOK_SECONDS:
                found[name] = model
        return found

    def ask(
        self,
        models: Mapping[str, ServedModel],
        failed: Callable[[str], Mapping[Slot, int]],
        problems: dict[str, str],
    ) -> dict[str, Seen]:
        """Returns model -> what happened in its slots since the last look, with one question for each scrape job.

        Args:
            models: the rollouts that are due.
            failed: returns slot -> attempts at a model that its gateway saw fail, since it started.
            problems: takes what stands in the way.
        """
        seen: dict[str, Seen] = {}
        try:
            for name, model in models.items():
                self._freeze_edge(name, model)
            asked = {name: found for name, model in models.items() if (found := self._asked(name, model))}
            for job in sorted({one.job for one in asked.values()}):
                mine = {name: one for name, one in asked.items() if one.job == job}
                window_seconds = self.scrapes.window_seconds(job)
                series = self.prometheus.newest(selector(mine.values(), self.scrapes.environment), window_seconds)
                for name, one in mine.items():
                    counters = self._running[name].progress.counters
                    counted = aligned(one, counters, series, window_seconds)
                    found = Seen(dict(counters), None) if counted is None else see(one, counters, counted, failed(name))
                    seen[name] = with_drops(one, found, series)
        except Retryable as error:
            # Asked once a round and no more: each question that nobody answers holds up every rollback.
            problems.setdefault("prometheus", str(error))
            for name in models.keys() - seen.keys():
                counters = dict(self._running[name].progress.counters)
                seen[name] = Seen(counters, NoEvidence(Judgement.INCONCLUSIVE, str(error)))
        return seen

    def judge(self, name: str, model: ServedModel, ready: Readiness, seen: Seen | None) -> Judged:
        """Returns what the look decides; `done` follows when it was carried out."""
        running = self._running[name]
        before = running.progress
        now = self.clock()
        elapsed, running.called_at_seconds = now - running.called_at_seconds, now
        look, counters = (seen.look, seen.counters) if seen else (None, before.counters)
        state = model.state.model_copy(update={"progress": before.changed(counters=counters)})
        judged = judge(model.spec, state, ready, look, elapsed)
        following = judged.step.state.progress
        if isinstance(look, Sample) and not judged.used and following is not None:
            # Left in the counters: the next look brings it together with what follows.
            kept = judged.step.state.model_copy(update={"progress": following.changed(counters=before.counters)})
            judged = replace(judged, step=replace(judged.step, state=kept))
        return judged

    def done(self, name: str, model: ServedModel, judged: Judged) -> Look | None:
        """Notes that a look was carried out, and returns it as people read it; None when there is nothing to tell."""
        running, after = self._running[name], judged.step.state
        if judged.step.action is Action.NONE and after.progress is not None:
            running.progress = after.progress
        if judged.idle and running.look is not None:
            return None
        running.look = look_of(model.spec, model.state, after, self.now(), judged)
        return running.look

    def to_be_saved(self, name: str) -> bool:
        """Returns whether it is time to write the progress, also when nothing moved."""
        return self.clock() - self._running[name].saved_at_seconds >= SAVE_SECONDS

    def saved(self, name: str) -> None:
        """Notes that the progress in memory is on the route too."""
        self._running[name].saved_at_seconds = self.clock()

    def unsettle(self, name: str, model: ServedModel) -> None:
        """Notes that the gateway may have served other weights for a moment: a change of them was not confirmed.

        A guard judges one version by itself, so no weight can make its requests another's.
        """
        if model.state.candidate is None:
            return
        running = self._running[name]
        running.progress = running.progress.changed(settling=True)

    def unheard(self, served: Mapping[str, ServedModel]) -> None:
        """Notes that nothing could be asked this round, so that a person hears of it when that goes on.

        That time is the platform's: no step, no guard and no start of a candidate is held to it.
        """
        self.due(served)
        now = self.clock()
        for running in self._running.values():
            silent = running.progress.silent_seconds + now - running.called_at_seconds
            running.progress, running.called_at_seconds = running.progress.changed(silent_seconds=silent), now

    def newly_silent(self, name: str) -> bool:
        """Returns True once for each stretch in which evidence has been missing for too long."""
        running = self._running[name]
        silent = running.progress.silent_seconds > SILENT_SECONDS
        told, running.silence_told = running.silence_told, silent
        return silent and not told

    def _freeze_edge(self, name: str, model: ServedModel) -> None:
        running, live = self._running[name], model.state.live
        if running.progress.slow_live_edge_seconds is not None or live is None:
            return
        slo = latency_edge(model.spec.slo.latency_seconds)
        edge: float | None = slo
        if model.state.candidate is not None:
            buckets = live_buckets(name, live, self.scrapes.guarding_job, self.scrapes.environment)
            edge = slow_edge(self.prometheus.newest(buckets, self.scrapes.guarding_window_seconds), slo)
        if edge is not None:
            running.progress = running.progress.changed(slow_live_edge_seconds=edge, counters={})

    def _asked(self, name: str, model: ServedModel) -> Asked | None:
        spec, state, progress = model.spec, model.state, self._running[name].progress
        judged, guarding = state.judged, state.candidate is None
        if judged is None or progress.slow_live_edge_seconds is None:
            return None
        digests = {slot: spec.endpoint(slot).digest for slot in Slot}
        return Asked(
            model=name,
            candidate=judged,
            live=judged.other,
            versions={slot: short_digest(digest) for slot, digest in digests.items()},
            rollout=state.rollout,
            slow_slo_edge_seconds=latency_edge(spec.slo.latency_seconds),
            slow_live_edge_seconds=progress.slow_live_edge_seconds,
            control=not guarding or state.weight_percent > 0,
            job=self.scrapes.guarding_job if guarding else self.scrapes.comparing_job,
            callers_stay=self.scrapes.callers_stay,
        )
