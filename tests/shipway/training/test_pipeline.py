import dataclasses
import importlib.metadata
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml

from shipway.bundle.manifest import Manifest
from shipway.bundle.reference import Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.metrics import PREDICTION_BINS
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training import pipeline
from shipway.training.champion import champion_predictions
from shipway.training.packaging import build_bento
from shipway.training.pipeline import Candidate, Training, train
from shipway.training.registry import Registry
from shipway.training.regression import freeze

SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER), FieldSpec(name="colour", kind=FieldKind.CATEGORY)))


def with_gates(job: Training, **gate: object) -> Training:
    spec = job.spec.model_dump(mode="json")
    spec["evaluation"]["gates"] = [gate]
    return dataclasses.replace(job, spec=parse(type(job.spec), spec, "model.yaml"))


def write_live(job: Training, digest: str) -> None:
    """Writes the served routes as delivery would: `digest` is live in blue."""
    state = {"live": "blue", "live_digest": digest}
    metadata = {"filter_metadata": {"shipway": {"model": job.spec.name, "state": json.dumps(state)}}}
    routes = {"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}
    job.layout.served_routes.parent.mkdir(parents=True, exist_ok=True)
    job.layout.served_routes.write_text(json.dumps(routes))


@pytest.fixture(autouse=True)
def nothing_live(job: Training) -> None:
    job.layout.served_routes.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def quick_bento(monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML takes seconds for each version; one test builds a real one."""

    def build(files: Path, manifest: Manifest, scratch: Path) -> Path:
        (scratch / "bento").mkdir(parents=True)
        return scratch / "bento"

    monkeypatch.setattr(pipeline, "build_bento", build)


def test_training_twice_gives_one_version(job: Training) -> None:
    """The same inputs give the same digest, and the registry answers with the version it has."""
    first, second = train(job), train(job)
    assert first == second
    store = ArtifactStore(job.layout.artifacts)
    assert store.verify(first.digest).model == "toy-train"
    assert [version.digest for version in Registry(job.layout.registry).versions("toy-train")] == [first.digest]


def test_training_again_makes_the_bento_of_a_fetched_or_damaged_bundle(job: Training) -> None:
    """Without one no image can be built of it, and nothing else would ever make it."""
    digest = train(job).digest
    folder = ArtifactStore(job.layout.artifacts).path(digest)
    (folder / "bento").rmdir()
    assert train(job).digest == digest
    assert (folder / "bento").is_dir()
    (folder / "files" / "model.json").write_text("{}")
    assert train(job).digest == digest
    assert (folder / "bento").is_dir()


def test_a_bundle_holds_code_model_thresholds_and_reference(job: Training) -> None:
    """What decides an answer is covered; who is paged for it, tests and releases are not."""
    digest = train(job).digest
    files = job.store.path(digest) / "files"
    assert sorted(path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()) == [
        "model.json",
        "model/model.skops",
        "reference.json",
        "src/toy_train/__init__.py",
        "src/toy_train/schema.py",
        "src/toy_train/service.py",
        "src/toy_train/train.py",
    ]
    assert set(read_json(files / "model.json")) == {"name", "slo", "serving", "features", "labels", "evaluation"}
    reference = parse(Reference, read_json(files / "reference.json"), "reference.json")
    assert len(reference.predictions.counts) == PREDICTION_BINS
    assert sum(reference.predictions.counts) == 200
    assert set(reference.fields) == {"x", "colour"}


def test_a_bento_carries_the_version_and_names_no_index(job: Training, tmp_path: Path) -> None:
    """The Bento is real, and pins packages without saying where they come from."""
    digest = train(job).digest
    assert (job.store.path(digest) / "bento").is_dir()
    bento = build_bento(job.store.path(digest) / "files", job.store.verify(digest), tmp_path)
    described = (bento / "bento.yaml").read_text()
    assert yaml.safe_load(described)["version"] == digest[7:19]
    assert (bento / "src" / "model" / "model.skops").exists()
    written = "".join(path.read_text() for path in (bento / "env").rglob("*.txt"))
    assert f"scikit-learn=={importlib.metadata.version('scikit-learn')}" in written
    assert "index-url" not in written


@pytest.mark.parametrize("change", ["settings", "code", "thresholds"])
def test_whatever_decides_an_answer_changes_the_digest(job: Training, change: str) -> None:
    """Other settings, other code or other thresholds are another version."""
    before = train(job).digest
    if change == "settings":
        job = dataclasses.replace(job, overrides={"noise": "0.1"})
    elif change == "thresholds":
        job = with_gates(job, metric="auc", minimum=0.7)
    else:
        (job.service / "inputs.py").write_text("X = 1\n")
    try:
        assert train(job).digest != before
    finally:
        (job.service / "inputs.py").unlink(missing_ok=True)


def test_a_rehearsed_fault_is_another_version_of_an_equal_model(job: Training) -> None:
    """The gates judge the model as it is; the fault is in model.json; without it the digest stays."""
    healthy = train(job)
    faulty = train(dataclasses.replace(job, overrides={"fault.error_ratio": "1", "fault.nan_ratio": "0"}))
    assert faulty.digest != healthy.digest
    assert faulty.metrics == healthy.metrics
    described = read_json(job.store.path(faulty.digest) / "files" / "model.json")
    assert described["faults"] == {"error_ratio": 1.0, "nan_ratio": 0.0, "latency_seconds": 0.0, "crash": False}
    assert train(dataclasses.replace(job, overrides={"fault.error_ratio": "0"})) == healthy
    newest = Registry(job.layout.registry).newest_usable("toy-train", job.store)
    assert newest is not None
    assert newest.digest != faulty.digest


def test_owner_and_resources_do_not_change_the_digest(job: Training) -> None:
    """A new pager number is no new version."""
    spec = job.spec.model_copy(update={"owner": job.spec.owner.model_copy(update={"team": "others"})})
    assert train(dataclasses.replace(job, spec=spec)).digest == train(job).digest


def test_a_failed_gate_is_refused_with_both_numbers(job: Training) -> None:
    """Nothing is stored or registered of a version that is not good enough."""
    before = job.store.digests()
    with pytest.raises(
        ShipwayError, match=r"refused, nothing was registered\nfailed: auc is 0\.\d{4}, expected at least 0\.9999"
    ):
        train(with_gates(job, metric="auc", minimum=0.9999))
    assert job.store.digests() == before


def test_a_gate_on_an_unknown_metric_is_refused(job: Training) -> None:
    """The error names the gate's place and the metrics there are."""
    with pytest.raises(
        SpecError, match=r"model\.yaml: evaluation\.gates\.0\.metric: got 'f1', expected one of auc, brier"
    ):
        train(with_gates(job, metric="f1", minimum=0.5))


def test_the_live_version_is_the_champion(job: Training) -> None:
    """A version worse than the live one on today's rows is refused with both numbers, unless nobody compares."""
    write_live(job, train(job).digest)
    equal = with_gates(job, metric="log_loss", champion_tolerance=0.0)
    assert train(equal).digest
    worse = dataclasses.replace(equal, overrides={"penalty": "0.0001"})
    message = r"failed: log_loss is 0\.\d+, expected at most \(champion 0\.\d+, worse by up to 0\.0\) 0\.\d+"
    with pytest.raises(ShipwayError, match=message):
        train(worse)
    assert train(dataclasses.replace(worse, with_champion=False)).digest


def test_a_champion_that_cannot_answer_is_no_pass(job: Training) -> None:
    """Where the live version fails on today's rows, a person decides to train without it."""
    digest = train(job).digest
    write_live(job, digest)
    rows = pd.DataFrame({"other": [1.0]})
    with pytest.raises(ShipwayError, match=r"the champion \w{12} cannot answer .*KeyError.*`--without-champion`"):
        champion_predictions(job.store.path(digest), rows)


def test_data_that_fails_its_checks_stops_with_the_rows(job: Training) -> None:
    """The rows that fail are shown, and nothing is stored."""
    before = job.store.digests()
    message = (
        r"the data fails its checks\ntrain schema: expected rows that schema\.py allows; 1 rows fail\n    train-3: x"
    )
    with pytest.raises(ShipwayError, match=message):
        train(dataclasses.replace(job, overrides={"outlier": "99"}))
    assert job.store.digests() == before


def test_every_phase_is_told_with_its_seconds(job: Training) -> None:
    """A person who waits sees what for."""
    said: list[str] = []
    train(dataclasses.replace(job, progress=said.append))
    phases = [line.partition(":")[0] for line in said if not line.startswith("gate ")]
    assert phases == ["import", "load", "check", "fit", "evaluate", "judge", "importances", "bundle", "register"]
    assert all(re.search(r"\d+\.\d s$", line) for line in said if not line.startswith("gate "))


def test_a_frozen_unit_is_never_fitted(job: Training) -> None:
    """It leaves the training rows, and so another version comes out."""
    before = train(job).digest
    rows = pd.DataFrame({"x": [0.5], "colour": ["red"]}, index=pd.Index(["train-7"], name="unit_id"))
    path = freeze(job.service, SCHEMA, rows, pd.Series([1], index=rows.index))
    said: list[str] = []
    try:
        assert train(dataclasses.replace(job, progress=said.append)).digest != before
    finally:
        path.unlink()
    assert any(line.startswith("load: 399 + 200 rows") for line in said)


def test_a_training_as_of_a_moment_knows_nothing_later(job: Training) -> None:
    """The plan's data looks at 2020: as of the year before it is refused, as of then it is not."""
    message = r"the data looks at 2020-01-01T00:00:00\+00:00, expected nothing later than 2019-01-01T00:00:00\+00:00"
    with pytest.raises(ShipwayError, match=message):
        train(dataclasses.replace(job, as_of=datetime(2019, 1, 1, tzinfo=UTC)))
    assert train(dataclasses.replace(job, as_of=datetime(2020, 1, 1, tzinfo=UTC))).digest


def test_what_is_examined_is_what_would_be_registered(job: Training) -> None:
    """A refusal there leaves nothing behind, in the store or in the registry."""
    seen: list[Candidate] = []

    def examine(candidate: Candidate) -> None:
        seen.append(candidate)
        raise ShipwayError("not good enough")

    before = (job.store.digests(), len(Registry(job.layout.registry).versions("toy-train")))
    fresh = dataclasses.replace(job, overrides={"penalty": "0.7"}, examine=examine)
    with pytest.raises(ShipwayError, match="not good enough"):
        train(fresh)
    assert (job.store.digests(), len(Registry(job.layout.registry).versions("toy-train"))) == before
    assert len(seen[0].data.train) == 400
    assert seen[0].champion is None
