"""The whole way of one version: load, check, fit, evaluate, judge, bundle, register; it stops at the first no."""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from shipway.bundle.manifest import Manifest
from shipway.bundle.source import import_from
from shipway.bundle.store import ArtifactStore
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.route import read_rollout_states
from shipway.contract.schema import Schema
from shipway.training.artifact import restore
from shipway.training.champion import champion_predictions, fill_defaults
from shipway.training.drift_reference import Watched, build_reference
from shipway.training.gates import judge
from shipway.training.importance import permutation_importances
from shipway.training.metrics import base_rate_predictions, checked_predictions, evaluate
from shipway.training.packaging import assemble, build_bento, make_manifest
from shipway.training.plan import TrainingData
from shipway.training.quality import check_data
from shipway.training.registry import DATA_VERSION_TAG, RegisteredVersion, Registry, git_commit
from shipway.training.regression import load_regression_set, without_units
from shipway.training.settings import parse_faults, parse_settings

__all__ = ["Candidate", "Training", "train"]


@dataclass(frozen=True)
class Candidate:
    """A version that has cleared the gates of model.yaml and is not registered yet.

    Args:
        plan: the service's train.py.
        schema: its request's fields.
        estimator: as it came back from the artifact.
        data: what it was trained and validated on.
        champion: the live version's bundle, None where nothing is live or nobody compares.
    """

    plan: Any
    schema: Schema
    estimator: Any
    data: TrainingData
    champion: Path | None


@dataclass(frozen=True)
class Training:
    """What one training needs to know.

    Args:
        layout: the environment that keeps registry, store and the live route.
        service: the service's folder.
        spec: its model.yaml.
        overrides: setting -> text, from `--set`.
        with_champion: whether the gates compare with the live version.
        progress: called with one line for each phase.
        as_of: the newest moment that the training may know of; None leaves it to the settings.
        examine: called with what passed the gates, before it is registered; it raises ShipwayError to refuse.
        tags: of the registered version, beside those that every version has.
        live: the digest to compare with; by default the one that this machine's gateway serves.
    """

    layout: LocalLayout
    service: Path
    spec: ModelSpec
    overrides: Mapping[str, str]
    with_champion: bool
    progress: Callable[[str], None]
    as_of: datetime | None = None
    examine: Callable[[Candidate], None] | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    live: str | None = None

    @property
    def store(self) -> ArtifactStore:
        """The environment's artifact store."""
        return ArtifactStore(self.layout.artifacts)

    @property
    def cache(self) -> Path:
        """A folder for the plan's derived data; the same for every environment, for the source data is."""
        return self.layout.root / ".shipway" / "cache" / "training" / self.service.name

    @contextmanager
    def phase(self, name: str) -> Generator[list[str], None, None]:
        """Reports a phase when it ends; what it appends to the yielded list is told with it."""
        notes: list[str] = []
        started = time.perf_counter()
        yield notes
        self.progress(f"{name}: {', '.join([*notes, f'{time.perf_counter() - started:.1f} s'])}")


def train(job: Training) -> RegisteredVersion:
    """Returns the registered version that the service's plan makes of its data now.

    Raises:
        SpecError: for a setting that does not exist or has a wrong value.
        ShipwayError: when data fails a check, a gate fails, or the bundle cannot be made; nothing is registered then.
    """
    faults = parse_faults(job.overrides)
    with job.phase("import"):
        plan: Any = import_from(job.service.parent, job.service.name, "train")
        schema = import_from(job.service.parent, job.service.name, "schema").SCHEMA
    settings = parse_settings(plan.SETTINGS, {**_window(job, plan), **job.overrides})
    reads = job.spec.features.reads
    with job.phase("load") as notes:
        data = _load(job, plan, settings)
        notes += [f"{len(data.train)} + {len(data.validation)} rows", data.data_version]
    with job.phase("check"):
        names = [read.name for read in reads]
        findings = check_data(data, schema, names, plan.TASK, getattr(plan, "RANGES", {}))
        if findings:
            raise ShipwayError("\n".join([f"{job.spec.name}: the data fails its checks", *map(str, findings)]))
    # In one thread: sums in another order differ in their last digits, and scikit-learn writes the number of threads
    # into its trees, so that the digest would depend on the machine.
    with job.phase("fit"), threadpool_limits(limits=1):
        estimator = plan.fit(fill_defaults(data.train, reads), data.train_labels, settings)
    with tempfile.TemporaryDirectory(dir=job.cache, prefix=".train-") as folder:
        files = Path(folder) / "files"
        assemble(job.service, job.spec, plan, estimator, files, faults)
        with job.phase("evaluate") as notes:
            # What is judged is what ships: the estimator as it comes back from the artifact.
            shipped = restore(plan, files / "model", plan.TRUSTED_TYPES)
            answered = plan.predict(shipped, fill_defaults(data.validation, reads))
            who = f"{job.spec.name}: `predict` of {job.service / 'train.py'}"
            predictions = checked_predictions(plan.TASK, answered, len(data.validation), who)
            metrics = _measure(plan, data, predictions)
            notes += [f"{name} {value:.4f}" for name, value in metrics.items()]
        champion = _champion(job)
        _judge(job, plan, data, metrics, champion)
        if job.examine is not None:
            with job.phase("examine"):
                job.examine(Candidate(plan, schema, shipped, data, champion))
        with job.phase("importances"), threadpool_limits(limits=1):
            watched = _watched(job, plan, data, lambda rows: np.asarray(plan.predict(shipped, rows)))
            reference = build_reference(data.validation, predictions, schema, watched)
        with job.phase("bundle") as notes:
            manifest = make_manifest(job.spec, plan, reference, files)
            _keep(job, manifest, files, Path(folder))
            notes += [f"rehearses {faults.shown()}"] if faults else []
            notes.append(manifest.digest)
    params = settings.model_dump(mode="json") | ({"faults": faults.shown()} if faults else {})
    return _register(job, manifest.digest, metrics, params, data)


def _watched(
    job: Training, plan: Any, data: TrainingData, predict: Callable[[pd.DataFrame], NDArray[np.float64]]
) -> Watched:
    """Returns what the drift reference holds beside distributions."""
    labels = data.validation_labels.to_numpy(dtype=float)
    shown = fill_defaults(data.validation, job.spec.features.reads)
    return Watched(
        labels=labels,
        segments=job.spec.segments,
        times=data.validation_times,
        importances=permutation_importances(plan.TASK, shown, labels, predict),
    )


def _window(job: Training, plan: Any) -> Mapping[str, str]:
    """Returns the settings that follow from the moment of a retraining; none for a plan whose data has no time."""
    return plan.window(job.as_of) if job.as_of is not None and hasattr(plan, "window") else {}


def _load(job: Training, plan: Any, settings: Any) -> TrainingData:
    job.cache.mkdir(parents=True, exist_ok=True)
    data: TrainingData = plan.load(settings, job.cache)
    if job.as_of is not None and data.as_of > job.as_of:
        raise ShipwayError(
            f"{job.spec.name}: the data looks at {data.as_of.isoformat()}, expected nothing later than "
            f"{job.as_of.isoformat()}; `window` and `load` of {job.service / 'train.py'} decide"
        )
    frozen = load_regression_set(job.service)
    if frozen is None:
        return data
    train, labels = without_units(data.train, data.train_labels, frozen.units)
    return replace(data, train=train, train_labels=labels)


def _measure(plan: Any, data: TrainingData, predictions: NDArray[np.float64]) -> dict[str, float]:
    labels = data.validation_labels.to_numpy()
    extra: Mapping[str, float] = plan.metrics(labels, predictions) if hasattr(plan, "metrics") else {}
    return {**evaluate(plan.TASK, labels, predictions), **extra}


def _judge(job: Training, plan: Any, data: TrainingData, metrics: Mapping[str, float], champion: Path | None) -> None:
    gates = job.spec.evaluation.gates
    for number, gate in enumerate(gates):
        if gate.metric not in metrics:
            path, known = job.service / "model.yaml", ", ".join(sorted(metrics))
            raise SpecError(path, f"evaluation.gates.{number}.metric", gate.metric, f"one of {known}")
    base_rate = _measure(
        plan, data, base_rate_predictions(plan.TASK, data.train_labels.to_numpy(), len(data.validation))
    )
    with job.phase("judge") as notes:
        scored = None if champion is None else _measure(plan, data, champion_predictions(champion, data.validation))
        notes.append("no champion to compare with" if scored is None else "compared with the champion")
        results = judge(gates, metrics, base_rate, scored)
        for result in results:
            job.progress(f"gate {result}")
    if failed := [str(result) for result in results if not result.passed]:
        raise ShipwayError("\n".join([f"{job.spec.name}: refused, nothing was registered", *failed]))


def _champion(job: Training) -> Path | None:
    """Returns the bundle of the live version, None where there is none or nobody compares."""
    if not job.with_champion:
        return None
    state = read_rollout_states(job.layout.served_routes).get(job.spec.name)
    live = job.live if job.live is not None else state.live_digest if state is not None else ""
    if not live:
        return None
    job.store.verify(live)
    return job.store.path(live)


def _keep(job: Training, manifest: Manifest, files: Path, scratch: Path) -> None:
    # One that was fetched out of its image, or lies there corrupt, has no Bento to build an image from.
    known = job.store.holds(manifest.digest, "bento")
    job.store.put(files, manifest, {} if known else {"bento": build_bento(files, manifest, scratch / "bento")})


def _register(
    job: Training, digest: str, metrics: Mapping[str, float], params: Mapping[str, object], data: TrainingData
) -> RegisteredVersion:
    with job.phase("register") as notes:
        own = {DATA_VERSION_TAG: data.data_version, "git_commit": git_commit(job.layout.root)}
        version = Registry(job.layout.registry).register(
            job.spec, digest, job.store.path(digest), metrics, params, {**job.tags, **own}
        )
        notes.append(f"version {version.version}")
    return version
