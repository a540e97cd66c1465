"""One whole retraining: train within limits, compare, register, release; whatever fails, the old model stays."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import EnvironmentSpec, Target, load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.model import ModelSpec, load_model
from shipway.contract.release import short_digest
from shipway.contract.retraining import ReleaseRule
from shipway.contract.route import RolloutState
from shipway.delivery.reach import reach
from shipway.logs.places import log_of
from shipway.logs.reading import newest_hour
from shipway.retraining.applying import Applied, Release, apply
from shipway.retraining.limits import Limits
from shipway.retraining.outcome import RUN_FORMAT, Outcome, Status, one_line, outcome_path, save_outcome
from shipway.retraining.trainer import Order, Result, order_training

__all__ = ["Retraining", "lock_of", "retrain", "service_of"]

# As many as a person looks back at; what an older one said is in the registry, too.
_KEPT_OUTCOMES = 50

# Whoever only asks whether a run is under way holds the lock for less than this.
_LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Retraining:
    """What is asked for.

    Args:
        root: the project's folder.
        environment: where the model runs.
        model: whose.
        reason: why, for the registry, the release and the ledger.
        as_of: the newest moment that may be known; None for all that is in the prediction log, or now without one.
        run: the number that a scheduler gave it, None for a new one.
        rule: what happens with what passed; None for what model.yaml says.
        overrides: settings of the plan.
        rehearse: whether to stop before anything is registered.
    """

    root: Path
    environment: str
    model: str
    reason: str
    as_of: datetime | None = None
    run: str | None = None
    rule: ReleaseRule | None = None
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    rehearse: bool = False


def retrain(job: Retraining, say: Callable[[str], None], now: Callable[[], datetime]) -> Outcome:
    """Returns how the retraining ended, after writing it to the model's `runs` folder.

    Args:
        job: what is asked for.
        say: called with one line for each thing that is done.
        now: the time on the wall.

    Raises:
        SpecError: for an environment or a setting that does not exist.
        ShipwayError: for a model that does not exist, or when another retraining of it is under way.
    """
    service, spec = service_of(job.root, job.model)
    environment, layout = load_environment(job.root, job.environment), LocalLayout(job.root, job.environment)
    lock = lock_of(layout, job.model)
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except Timeout:
        raise ShipwayError(f"another retraining of {job.model} is under way; {lock.lock_file} is locked") from None
    try:
        return _Run(job, service, spec, environment, layout, say, now).carry_out()
    finally:
        lock.release()


def service_of(root: Path, model: str) -> tuple[Path, ModelSpec]:
    """Returns the folder and the spec of `model`.

    Raises:
        ShipwayError: when there is no such model, with the nearest name.
    """
    folders = {folder.name.replace("_", "-"): folder for folder in services(root)}
    if model not in folders:
        near = difflib.get_close_matches(model, folders, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known models: {', '.join(folders) or 'none'}"
        raise ShipwayError(f"no model {model!r} in {root / 'services'}; {hint}")
    return folders[model], load_model(folders[model] / "model.yaml")


def lock_of(layout: LocalLayout, model: str) -> FileLock:
    """Returns the lock that a run of `model` holds from its beginning to its end; the kernel frees a dead one's."""
    folder = layout.retraining / model
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "lock")


@dataclass(frozen=True)
class _Run:
    job: Retraining
    service: Path
    spec: ModelSpec
    environment: EnvironmentSpec
    layout: LocalLayout
    say: Callable[[str], None]
    now: Callable[[], datetime]

    def carry_out(self) -> Outcome:
        started = self.now()
        source = log_of(self.layout, self.environment, self.job.model, self.say)
        as_of = (self.job.as_of or newest_hour(source) or started).astimezone(UTC)
        base = Outcome(
            run=self.job.run or started.astimezone(UTC).strftime(RUN_FORMAT),
            model=self.job.model,
            environment=self.job.environment,
            status=Status.FAILED,
            reason=self.job.reason,
            as_of=as_of.isoformat(),
            started=started.isoformat(),
            finished=started.isoformat(),
            sentence="",
        )
        self.say(f"{self.job.model} as of {as_of.isoformat()}: {self.job.reason}")
        try:
            outcome = self._attempt(base, as_of)
        except (ShipwayError, OSError) as error:
            outcome = base.model_copy(update={"sentence": one_line(str(error))})
        outcome = outcome.model_copy(update={"finished": self.now().isoformat()})
        # The scheduler takes what is kept for a run that counts: a look must neither answer a verdict nor be retried.
        if not self.job.rehearse:
            self._keep(outcome)
        return outcome

    def _attempt(self, base: Outcome, as_of: datetime) -> Outcome:
        state = self._state()
        champion = state.live_digest
        self._fetch(champion)
        order = Order(
            *(self.layout, self.service, as_of, self.job.reason, champion, self.job.overrides, self.job.rehearse)
        )
        limits = Limits(self.spec.retraining.timeout_seconds, self.spec.retraining.memory_mib)
        result = self.layout.retraining / self.job.model / "result.json"
        made = order_training(order, limits, result, self.say)
        outcome = base.model_copy(
            update={
                "champion": champion,
                "digest": made.digest,
                "version": made.version,
                "metrics": made.metrics,
                "findings": made.findings,
            }
        )
        return self._settled(outcome, made, state)

    def _settled(self, outcome: Outcome, made: Result, state: RolloutState) -> Outcome:
        def ended(status: Status, sentence: str, following: str = "", branch: str = "") -> Outcome:
            changes = {"status": status, "sentence": one_line(sentence), "next": following, "branch": branch}
            return outcome.model_copy(update=changes)

        if made.problem:
            return ended(Status.FAILED if made.crashed else Status.REFUSED, made.problem)
        if made.rehearsed:
            return ended(Status.REHEARSED, "it would be registered and released; nothing was changed")
        short = short_digest(made.digest)
        if made.digest == state.live_digest:
            return ended(Status.UNCHANGED, f"{short} is live already: the data since then made no other version")
        if made.digest in state.rejected_digests:
            return ended(Status.REFUSED, f"{short} was rolled back before; it is not released again")
        try:
            applied = self._release(made.digest, state)
        except ShipwayError as error:
            return ended(Status.FAILED, f"version {made.version} is registered, but not released: {error}")
        return ended(applied.status, applied.sentence, applied.next, applied.branch)

    def _release(self, digest: str, state: RolloutState) -> Applied:
        release = Release(
            self.layout,
            self.environment,
            self.service,
            self.spec,
            state,
            digest,
            self.job.reason,
            self.now().isoformat(timespec="seconds"),
        )
        return apply(release, self.job.rule or self.spec.retraining.release, self.say)

    def _state(self) -> RolloutState:
        """Returns where the rollout stands, an empty one before the first deployment."""
        served = reach(self.job.root, self.job.environment).served().get(self.job.model)
        return served.state if served is not None else RolloutState()

    def _fetch(self, champion: str) -> None:
        """Sees to it that the champion's bundle is here: on a cluster it came from somewhere else, in an image."""
        store = ArtifactStore(self.layout.artifacts)
        if not champion or self.environment.target is Target.LOCAL or store.path(champion).is_dir():
            return
        # What a laptop without a cluster lacks.
        from shipway.images.fetch import fetch_bundle

        self.say(f"fetching the champion {short_digest(champion)} out of its image")
        fetch_bundle(self.environment, self.spec, champion, store)

    def _keep(self, outcome: Outcome) -> None:
        path = outcome_path(self.layout, self.job.model, outcome.run)
        save_outcome(path, outcome)
        for old in sorted(path.parent.glob("*.json"))[:-_KEPT_OUTCOMES]:
            old.unlink(missing_ok=True)
