import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from shipway.contract.model import ModelSpec
from shipway.training.pipeline import Training
from shipway.training.registry import Registry, git_commit

TAGS = {"data_version": "d1", "git_commit": "abc"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with its tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("registry") / "mlflow.db"
    Registry(path)
    return path


@pytest.fixture
def path(empty: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty, tmp_path / "mlflow.db"))


@pytest.fixture
def spec(job: Training) -> ModelSpec:
    return job.spec


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def test_a_version_says_what_it_is_and_who_owns_it(path: Path, spec: ModelSpec, tmp_path: Path) -> None:
    """Digest, data version, commit and owner are tags; metrics and settings belong to the run."""
    made = Registry(path).register(spec, digest(1), tmp_path, {"auc": 0.75}, {"seed": 3}, TAGS)
    client = MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}")
    version = client.get_model_version("toy-train", made.version)
    assert version.tags == {**TAGS, "digest": digest(1), "owner": "toys"}
    run = client.get_run(version.run_id)
    assert (run.info.status, run.data.metrics, run.data.params) == ("FINISHED", {"auc": 0.75}, {"seed": "3"})


def test_a_digest_is_registered_once(path: Path, spec: ModelSpec, tmp_path: Path) -> None:
    """Registering it again returns the version there is; another digest is the next version."""
    registry = Registry(path)
    first = registry.register(spec, digest(1), tmp_path, {"auc": 0.75}, {}, TAGS)
    second = registry.register(spec, digest(2), tmp_path, {"auc": 0.8}, {}, TAGS)
    assert registry.register(spec, digest(1), tmp_path, {"auc": 0.75}, {}, TAGS) == first
    assert (first.version, second.version) == ("1", "2")
    assert registry.versions("toy-train") == [second, first]


def test_the_newest_usable_version_has_a_whole_bundle(
    path: Path, spec: ModelSpec, job: Training, tmp_path: Path
) -> None:
    """A version whose bundle is gone is passed over; with none left there is nothing to return."""
    registry = Registry(path)
    registry.register(spec, digest(1), tmp_path, {}, {}, TAGS)
    assert registry.newest_usable("toy-train", job.store) is None
    assert registry.newest_usable("never-trained", job.store) is None


def test_an_interrupted_registration_leaves_no_version(
    path: Path, spec: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle leaves a run marked FAILED, and the next try registers."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    registry = Registry(path)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "create_model_version", interrupted)
        with pytest.raises(KeyboardInterrupt):
            registry.register(spec, digest(1), tmp_path, {}, {}, TAGS)
    client = MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}")
    experiment = client.get_experiment_by_name("toy-train")
    assert experiment is not None
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]
    assert registry.versions("toy-train") == []
    assert registry.register(spec, digest(1), tmp_path, {}, {}, TAGS).version == "1"


def test_outside_git_the_commit_is_unknown(tmp_path: Path) -> None:
    """A version trained from a plain folder says so."""
    assert git_commit(tmp_path) == "unknown"
