"""Rollouts under way: asks for evidence, remembers what was judged between two writes of the route, tells what it saw.

What is in memory here is never the only copy of anything that matters: after a crash the route's own progress is gone
on from, and the counters in it bring all that happened since as one increment.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shipway.contract.errors import Retryable
from shipway.contract.evidence import Judgement, Progress, Sample
from shipway.contract.metrics import REQUEST_SECONDS, Slot
from shipway.contract.release import short_digest
from shipway.contract.rollout import Look
from shipway.contract.route import RolloutState
from shipway.delivery.decide import Readiness
from shipway.delivery.envoy.admin import Report
from shipway.delivery.envoy.clusters import fallback_cluster, slot_cluster
from shipway.delivery.evidence.gate import NoEvidence
from shipway.delivery.judge import Judged, judge, under_way
from shipway.delivery.looking import GUARD_JOB, ROLLOUT_JOB, Asked, Seen, latency_edge, p95_edge, see, selector
from shipway.delivery.prometheus import Prometheus, Series
from shipway.delivery.served import ServedModel

__all__ = ["SILENT_SECONDS", "Rollouts"]

# Between transitions the progress is written this often: a crash loses no evidence, only the time of the step.
SAVE_SECONDS = 10.0
# A promoted version is looked at once a second, as often as all slots are scraped.
GUARD_LOOK_SECONDS = 1.0
# Samples older than this are no news of a slot that is scraped four times, or once, a second.
_WINDOW_SECONDS = {ROLLOUT_JOB: 2.0, GUARD_JOB: 5.0}
# From here on missing evidence is a fault of the platform, and is told.
SILENT_SECONDS = 10.0


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
    """

    prometheus: Prometheus
    now: Callable[[], str]
    clock: Callable[[], float] = time.monotonic
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

    def ask(self, models: Mapping[str, ServedModel], report: Report, problems: dict[str, str]) -> dict[str, Seen]:
        """Returns model -> what happened in its slots since the last look, with one question for each scrape job."""
        asked: dict[str, Asked] = {}
        for name, model in models.items():
            try:
                self._freeze_edge(name, model)
            except Retryable as error:
                problems.setdefault(name, str(error))
            found = self._asked(name, model)
            if found is not None:
                asked[name] = found
        answers: dict[str, list[Series] | NoEvidence] = {}
        for job in {one.job for one in asked.values()}:
            mine = [one for one in asked.values() if one.job == job]
            try:
                answers[job] = self.prometheus.newest(selector(mine), _WINDOW_SECONDS[job])
            except Retryable as error:
                answers[job] = NoEvidence(Judgement.INCONCLUSIVE, str(error))
        seen: dict[str, Seen] = {}
        for name, one in asked.items():
            counters, answer = self._running[name].progress.counters, answers[one.job]
            if isinstance(answer, NoEvidence):
                seen[name] = Seen(dict(counters), answer, based=bool(counters))
            else:
                seen[name] = see(one, counters, answer, _failed(name, report))
        return seen

    def judge(self, name: str, model: ServedModel, ready: Readiness, seen: Seen | None) -> Judged:
        """Returns what the look decides; `keep` or `saved` must follow when it was carried out."""
        running = self._running[name]
        before = running.progress
        look, based = (seen.look, seen.based) if seen else (None, False)
        rebased = seen is not None and (isinstance(look, Sample) or look is None)
        progress = before.model_copy(update={"counters": seen.counters}) if seen and rebased else before
        now = self.clock()
        elapsed = now - running.called_at_seconds
        state = model.state.model_copy(update={"progress": progress})
        judged = judge(model.spec, state, ready, look, elapsed, based=based)
        running.called_at_seconds = now
        following = judged.step.state.progress
        preparing = state.candidate is not None and not state.weight_percent
        if isinstance(look, Sample) and not judged.used and not preparing and following is not None:
            # Left in the counters: the next look brings it together with what follows.
            kept = following.model_copy(update={"counters": before.counters})
            step_state = judged.step.state.model_copy(update={"progress": kept})
            judged = _with_state(judged, step_state)
        running.look = self._look(model, state, judged)
        return judged

    def keep(self, name: str, judged: Judged) -> bool:
        """Remembers the progress of a look that moved nothing; returns whether it is time to write it."""
        running = self._running[name]
        progress = judged.step.state.progress
        assert progress is not None
        running.progress = progress
        return self.clock() - running.saved_at_seconds >= SAVE_SECONDS

    def saved(self, name: str) -> None:
        """Notes that the progress in memory is on the route too."""
        self._running[name].saved_at_seconds = self.clock()

    def unsettle(self, name: str) -> None:
        """Notes that the gateway may have served other weights for a moment: a change of them was not confirmed."""
        running = self._running[name]
        running.progress = running.progress.model_copy(update={"settling": True})

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
            buckets = f'{REQUEST_SECONDS}_bucket{{job="{GUARD_JOB}",model="{name}",slot="{live}"}}'
            edge = p95_edge(self.prometheus.newest(buckets, _WINDOW_SECONDS[GUARD_JOB]), slo)
        if edge is not None:
            running.progress = running.progress.model_copy(update={"slow_live_edge_seconds": edge, "counters": {}})

    def _asked(self, name: str, model: ServedModel) -> Asked | None:
        spec, state, progress = model.spec, model.state, self._running[name].progress
        if state.live is None or progress.slow_live_edge_seconds is None:
            return None
        guarding = state.candidate is None
        judged = state.live if guarding or state.candidate is None else state.candidate
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
            job=GUARD_JOB if guarding else ROLLOUT_JOB,
        )

    def _look(self, model: ServedModel, before: RolloutState, judged: Judged) -> Look:
        after = judged.step.state
        progress = after.progress or before.progress
        assert before.live is not None
        guarding = before.candidate is None
        return Look(
            time=self.now(),
            model=model.spec.model,
            rollout=before.rollout,
            phase=str(after.phase),
            candidate=before.live if guarding or before.candidate is None else before.candidate,
            candidate_digest=before.live_digest if guarding else before.candidate_digest,
            live_digest=before.previous_digest if guarding else before.live_digest,
            step_index=progress.step_index if progress else 0,
            weight_percent=_share(after, before),
            step_elapsed_seconds=progress.step_elapsed_seconds if progress else 0.0,
            move=judged.move,
            sentence=judged.sentence,
            verdicts=judged.verdicts,
        )


def _with_state(judged: Judged, state: RolloutState) -> Judged:
    step = type(judged.step)(state, judged.step.action, judged.step.sentence)
    return Judged(step, judged.move, judged.verdicts, judged.used)


def _share(after: RolloutState, before: RolloutState) -> int:
    """Returns the share of the version that was judged."""
    judged = before.live if before.candidate is None else before.candidate
    return 100 - after.weight_percent if judged is after.live else after.weight_percent


def _failed(name: str, report: Report) -> dict[Slot, int]:
    both = (slot_cluster, fallback_cluster)
    return {slot: sum(report.failed.get(cluster(name, slot), 0) for cluster in both) for slot in Slot}
