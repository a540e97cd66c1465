"""What the tests of the tools share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

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
