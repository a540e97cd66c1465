"""The whole way of one version: load, check, fit, evaluate, judge, bundle, register; it stops at the first no."""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
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
from shipway.training.artifact import restore
from shipway.training.champion import champion_predictions, fill_defaults
from shipway.training.drift_reference import Watched, build_reference
from shipway.training.gates import judge
from shipway.training.importance import permutation_importances
from shipway.training.metrics import base_rate_predictions, evaluate
from shipway.training.packaging import assemble, build_bento, make_manifest
from shipway.training.plan import TrainingData
from shipway.training.quality import check_data
from shipway.training.registry import DATA_VERSION_TAG, RegisteredVersion, Registry, git_commit
from shipway.training.settings import parse_faults, parse_settings

__all__ = ["Training", "train"]


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
    """

    layout: LocalLayout
    service: Path
    spec: ModelSpec
    overrides: Mapping[str, str]
    with_champion: bool
    progress: Callable[[str], None]

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
    settings = parse_settings(plan.SETTINGS, job.overrides)
    reads = job.spec.features.reads
    with job.phase("load") as notes:
        job.cache.mkdir(parents=True, exist_ok=True)
        data: TrainingData = plan.load(settings, job.cache)
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
            predictions = np.asarray(plan.predict(shipped, fill_defaults(data.validation, reads)))
            metrics = _measure(plan, data, predictions)
            notes += [f"{name} {value:.4f}" for name, value in metrics.items()]
        _judge(job, plan, data, metrics)
        with job.phase("importances"):
            watched = _watched(job, plan, data, lambda rows: np.asarray(plan.predict(shipped, rows)))
        with job.phase("bundle") as notes:
            reference = build_reference(data.validation, predictions, schema, watched)
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


def _measure(plan: Any, data: TrainingData, predictions: NDArray[np.float64]) -> dict[str, float]:
    labels = data.validation_labels.to_numpy()
    extra: Mapping[str, float] = plan.metrics(labels, predictions) if hasattr(plan, "metrics") else {}
    return {**evaluate(plan.TASK, labels, predictions), **extra}


def _judge(job: Training, plan: Any, data: TrainingData, metrics: Mapping[str, float]) -> None:
    gates = job.spec.evaluation.gates
    for number, gate in enumerate(gates):
        if gate.metric not in metrics:
            path, known = job.service / "model.yaml", ", ".join(sorted(metrics))
            raise SpecError(path, f"evaluation.gates.{number}.metric", gate.metric, f"one of {known}")
    base_rate = _measure(
        plan, data, base_rate_predictions(plan.TASK, data.train_labels.to_numpy(), len(data.validation))
    )
    with job.phase("judge") as notes:
        champion = _champion_metrics(job, plan, data)
        notes.append("no champion to compare with" if champion is None else "compared with the champion")
        results = judge(gates, metrics, base_rate, champion)
        for result in results:
            job.progress(f"gate {result}")
    if failed := [str(result) for result in results if not result.passed]:
        raise ShipwayError("\n".join([f"{job.spec.name}: refused, nothing was registered", *failed]))


def _champion_metrics(job: Training, plan: Any, data: TrainingData) -> dict[str, float] | None:
    state = read_rollout_states(job.layout.served_routes).get(job.spec.name)
    if not job.with_champion or state is None or not state.live_digest:
        return None
    job.store.verify(state.live_digest)
    return _measure(plan, data, champion_predictions(job.store.path(state.live_digest), data.validation))


def _keep(job: Training, manifest: Manifest, files: Path, scratch: Path) -> None:
    store = job.store
    if manifest.digest in store.digests():
        store.put(files, manifest)
    else:
        store.put(files, manifest, {"bento": build_bento(files, manifest, scratch / "bento")})


def _register(
    job: Training, digest: str, metrics: Mapping[str, float], params: Mapping[str, object], data: TrainingData
) -> RegisteredVersion:
    with job.phase("register") as notes:
        tags = {DATA_VERSION_TAG: data.data_version, "git_commit": git_commit(job.layout.root)}
        version = Registry(job.layout.registry).register(
            job.spec, digest, job.store.path(digest), metrics, params, tags
        )
        notes.append(f"version {version.version}")
    return version
