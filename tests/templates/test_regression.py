"""A number goes the whole road: trained, judged by its own metrics, compared with the champion, referred to by drift."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shipway.bundle.manifest import Manifest
from shipway.bundle.reference import Reference
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import PREDICTION_BINS
from shipway.contract.model import load_model
from shipway.drift.bins import ABOVE, BELOW, Bins
from shipway.scaffold.rendering import render
from shipway.training import pipeline
from shipway.training.pipeline import Training, train
from shipway.training.registry import Registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training of the kind as it is rendered."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "templates", root / "templates")
    service = render(root, {"name": "days-to-mend"}, kind="tabular-regression")
    spec = load_model(service / "model.yaml")
    return Training(LocalLayout(root, "local"), service, spec, {}, with_champion=True, progress=lambda _: None)


@pytest.fixture(autouse=True)
def quick_bento(monkeypatch: pytest.MonkeyPatch) -> None:
    """BentoML takes seconds for each version, and is the same for every kind."""

    def build(files: Path, manifest: Manifest, scratch: Path) -> Path:
        (scratch / "bento").mkdir(parents=True)
        return scratch / "bento"

    monkeypatch.setattr(pipeline, "build_bento", build)


def test_a_regression_is_registered_with_its_own_metrics(job: Training) -> None:
    """Its errors are in the label's unit, its prediction bins cover the range of a number, and drift can tell beyond."""
    digest = train(job).digest
    [version] = Registry(job.layout.registry).versions(job.spec.name)
    assert version.digest == digest
    path = job.store.path(digest) / "files" / "reference.json"
    reference = parse(Reference, read_json(path), path)
    assert reference.labels is not None
    assert len(reference.predictions.counts) == PREDICTION_BINS
    assert sum(reference.importances.values()) == pytest.approx(1, abs=1e-4)
    bins = Bins.of(reference).fields[-1]
    found = [bins.labels[one] for one in bins.index(np.array([-1e3, 149.0, 1e3]))]
    assert (found[0], found[2]) == (BELOW, ABOVE)
    assert found[1].isdigit()


def test_a_worse_number_is_refused_by_the_champion(job: Training) -> None:
    """The gate is the mean absolute error: a version that misses by more than the live one is not registered."""
    digest = train(job).digest
    state = {"live": "blue", "live_digest": digest}
    metadata = {"filter_metadata": {"shipway": {"model": job.spec.name, "state": json.dumps(state)}}}
    routes = {"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}
    job.layout.served_routes.parent.mkdir(parents=True, exist_ok=True)
    job.layout.served_routes.write_text(json.dumps(routes), encoding="utf-8")
    worse = dataclasses.replace(job, overrides={"penalty": "500"})
    with pytest.raises(ShipwayError, match=r"failed: mae is \d+\.\d+, expected at most \(champion 42\.9"):
        train(worse)
    assert len(Registry(job.layout.registry).versions(job.spec.name)) == 1
