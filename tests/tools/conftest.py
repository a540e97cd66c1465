"""What the tests of the tools share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shipway.contract.record import BundleRecord, save_record
from shipway.contract.release import Release, release_path, save_release
from shipway.scaffold.standalone import render_standalone

__all__ = ["FIRST", "SECOND", "release"]

FIRST, SECOND = "sha256:" + "a" * 64, "sha256:" + "b" * 64

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes an executable of a name that runs a line of shell, in a folder fit for PATH."""

    def make(name: str, line: str) -> Path:
        folder = tmp_path / "path"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def only_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH with nothing on it but what `program` makes."""
    folder = tmp_path / "path"
    folder.mkdir(exist_ok=True)
    monkeypatch.setitem(os.environ, "PATH", str(folder))
    return folder


def release(service: Path, environment: str, **slots: str) -> None:
    """Releases digests into slots, with the record and the image of each."""
    for digest in slots.values():
        record = BundleRecord(
            digest=digest, files=("a",), data_version="1", metrics={"auc": 0.9}, owner="my-team", submitted_by="ada"
        )
        save_record(service, record)
    images = {digest: f"sha256:{digest[-1] * 63}1" for digest in slots.values()}
    made = Release(submitted_by="ada", reason="a version", images=images, **slots)
    save_release(release_path(service, environment), made)


@pytest.fixture
def repository_of_one(tmp_path: Path, root: Path) -> Path:
    """Another repository with one model, whose first version is released to dev."""
    folder = tmp_path / "churn"
    service = render_standalone(root, folder, {"name": "churn"}, repository="example/shipway")
    release(service, "dev", blue=FIRST)
    return folder
