"""The model registry: MLflow on one SQLite file, without a server."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import read_json
from shipway.contract.errors import ArtifactError
from shipway.contract.model import ModelSpec
from shipway.training.tables import open_client

__all__ = ["DATA_VERSION_TAG", "DIGEST_TAG", "RegisteredVersion", "Registry", "git_commit"]

# Tags of a version: which bundle it is, and what it was trained on.
DIGEST_TAG, DATA_VERSION_TAG = "digest", "data_version"


@dataclass(frozen=True)
class RegisteredVersion:
    """One version of a model in the registry; `metrics` are of the run that made it, on the data `data_version`."""

    model: str
    version: str
    digest: str
    metrics: Mapping[str, float]
    data_version: str = ""


class Registry:
    """The registry in the SQLite file `path`; opening it takes the seconds MLflow needs to import."""

    def __init__(self, path: Path) -> None:
        from filelock import FileLock

        self._client = open_client(path)
        self._artifacts = path.parent / "runs"
        self._lock = FileLock(path.with_suffix(".lock"))

    def register(
        self,
        spec: ModelSpec,
        digest: str,
        bundle: Path,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> RegisteredVersion:
        """Returns the version of `digest`, the existing one where it was registered before.

        Args:
            spec: the model; its owner becomes a tag.
            digest, bundle: what is registered and where it lies.
            metrics, params: of the run.
            tags: of run and version, such as data_version and git_commit.
        """
        with self._lock:
            for version in self.versions(spec.name):
                if version.digest == digest:
                    return version
            return self._create(spec, digest, bundle, metrics, params, tags)

    def versions(self, model: str) -> list[RegisteredVersion]:
        """Returns the versions of `model`, newest first."""
        found: Any = self._client.search_model_versions(f"name='{model}'")
        return [
            RegisteredVersion(
                model,
                str(one.version),
                one.tags[DIGEST_TAG],
                self._metrics(one.run_id),
                one.tags.get(DATA_VERSION_TAG, ""),
            )
            for one in sorted(found, key=lambda one: int(one.version), reverse=True)
            if DIGEST_TAG in one.tags
        ]

    def newest_usable(self, model: str, store: ArtifactStore) -> RegisteredVersion | None:
        """Returns the newest version of `model` whose bundle lies whole in `store`, None where there is none.

        A rehearsal is passed over: nobody asks for a version that fails on purpose without naming it.
        """
        for version in self.versions(model):
            try:
                store.verify(version.digest)
            except ArtifactError:
                continue
            if "faults" not in read_json(store.path(version.digest) / "files" / "model.json"):
                return version
        return None

    def _metrics(self, run_id: str) -> dict[str, float]:
        return dict(self._client.get_run(run_id).data.metrics)

    def _create(
        self,
        spec: ModelSpec,
        digest: str,
        bundle: Path,
        metrics: Mapping[str, float],
        params: Mapping[str, object],
        tags: Mapping[str, str],
    ) -> RegisteredVersion:
        client: Any = self._client
        experiment = client.get_experiment_by_name(spec.name)
        if experiment is None:
            location = (self._artifacts / spec.name).as_uri()
            experiment_id = client.create_experiment(spec.name, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
        if not client.search_registered_models(f"name='{spec.name}'"):
            client.create_registered_model(spec.name, description=spec.description)
        every = {**tags, DIGEST_TAG: digest, "owner": spec.owner.team}
        run_id = client.create_run(experiment_id, tags=every, run_name=digest[:19]).info.run_id
        try:
            for name, value in metrics.items():
                client.log_metric(run_id, name, value)
            for name, value in params.items():
                client.log_param(run_id, name, value)
            version = client.create_model_version(spec.name, source=bundle.as_uri(), run_id=run_id, tags=every)
        except BaseException:
            # Also on Ctrl-C: a run that nobody finished must not look as if it were still going on.
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        return RegisteredVersion(spec.name, str(version.version), digest, dict(metrics), tags.get(DATA_VERSION_TAG, ""))


def git_commit(root: Path) -> str:
    """Returns the commit of the project at `root`, ending in `-dirty` with changes in it, `unknown` outside git."""
    described = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"
