"""A slot that starts beside a live version learns its edges; whatever is missing leaves it its own."""

import json
import re
from pathlib import Path

import pytest

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.reference import Histogram, Reference
from shipway.bundle.store import ArtifactStore
from shipway.serving.references import LiveEdges, live_edges
from tests.shipway.serving.doubles import DIGEST

ALONE = "predictions are counted under their own edges alone"


@pytest.fixture
def live(tmp_path: Path) -> str:
    """Puts a bundle with two edges into the store and makes it live; returns its digest."""
    files = tmp_path / "files"
    (files / "src" / "stub").mkdir(parents=True)
    (files / "src" / "stub" / "service.py").write_text("")
    reference = Reference(predictions=Histogram(edges=(0.25, 0.5), counts=(1, 2, 3)))
    (files / "reference.json").write_bytes(canonical_json(reference.model_dump(mode="json")))
    manifest = Manifest(model="stub", service="stub.service:Stub", files=covered_files(files))
    digest = ArtifactStore(tmp_path / "artifacts").put(files, manifest)
    state = json.dumps({"live": "blue", "live_digest": digest})
    metadata = {"filter_metadata": {"shipway": {"model": "stub", "state": state}}}
    routes = {"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}
    (tmp_path / "rds.json").write_text(json.dumps(routes))
    return digest


def test_the_live_versions_edges_come_from_its_bundle(tmp_path: Path, live: str) -> None:
    """They are known by the short digest of the live bundle."""
    found = live_edges("stub", DIGEST, tmp_path / "rds.json", tmp_path / "artifacts")
    assert found == {live[7:19]: (0.25, 0.5)}


def test_the_live_slot_itself_needs_no_look_up(tmp_path: Path, live: str) -> None:
    """Its own edges are the ones both slots are compared on."""
    assert live_edges("stub", live, tmp_path / "rds.json", tmp_path / "gone") == {}


@pytest.mark.parametrize(
    ("model", "routes", "artifacts", "message"),
    [
        ("stub", None, "artifacts", "no served routes and artifacts are given"),
        ("stub", "rds.json", None, "no served routes and artifacts are given"),
        ("stub", "missing.yaml", "artifacts", "stub has no live version"),
        ("other", "rds.json", "artifacts", "other has no live version"),
        ("stub", "torn.yaml", "artifacts", "torn.yaml: got "),
        ("stub", "rds.json", "missing", r"no bundle sha256:\w+ in this store"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path,
    live: str,
    caplog: pytest.LogCaptureFixture,
    model: str,
    routes: str | None,
    artifacts: str | None,
    message: str,
) -> None:
    """The slot starts all the same: a broken bundle of another version must not keep it from serving."""
    (tmp_path / "torn.yaml").write_text('{"resources": [')
    caplog.set_level("INFO", "shipway.serving")
    folders = [tmp_path / name if name else None for name in (routes, artifacts)]
    assert live_edges(model, DIGEST, *folders) == {}
    (record,) = caplog.records
    assert record.getMessage().startswith(ALONE)
    assert re.search(message, record.getMessage())


def test_a_swapped_reference_is_not_believed(tmp_path: Path, live: str, caplog: pytest.LogCaptureFixture) -> None:
    """Edges of other bytes than the digest covers would compare what cannot be compared."""
    path = tmp_path / "artifacts" / live.replace(":", "/") / "files" / "reference.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert live_edges("stub", DIGEST, tmp_path / "rds.json", tmp_path / "artifacts") == {}
    assert "reference.json: found sha256" in caplog.text


def test_a_version_that_goes_live_later_is_learnt_once(tmp_path: Path, live: str) -> None:
    """A slot that started before anything was live counts under its edges as soon as there is one, and asks no more."""
    routes = tmp_path / "rds.json"
    written = routes.read_text()
    routes.unlink()
    edges = LiveEdges("stub", DIGEST, routes, tmp_path / "artifacts")
    assert edges.learn() == {}
    routes.write_text("{")
    assert edges.learn() == {}
    (tmp_path / "next").write_text(written)
    (tmp_path / "next").rename(routes)
    assert edges.learn() == {live[7:19]: (0.25, 0.5)}
    assert edges.learn() == {}
    (tmp_path / "next").write_text(f"{written} ")
    (tmp_path / "next").rename(routes)
    assert edges.learn() == {}


def test_edges_that_cannot_be_read_for_a_moment_are_asked_for_again(
    tmp_path: Path, live: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the slot would miss one side of every comparison until it is started anew."""
    found = [OSError(24, "Too many open files"), None]

    def verify(self: ArtifactStore, digest: str) -> None:
        if error := found.pop(0):
            raise error

    monkeypatch.setattr(ArtifactStore, "verify", verify)
    edges = LiveEdges("stub", DIGEST, tmp_path / "rds.json", tmp_path / "artifacts")
    assert edges.learn() == {}
    assert edges.learn() == {live[7:19]: (0.25, 0.5)}
    assert (edges.learn(), found) == ({}, [])
