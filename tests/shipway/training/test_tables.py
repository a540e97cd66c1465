import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy.exc import OperationalError

from shipway.contract.errors import ShipwayError
from shipway.training import tables
from shipway.training.tables import create_tables, has_tables


@pytest.mark.e2e
def test_two_at_once_make_one_registry(tmp_path: Path) -> None:
    """A training and a `pulumi up` that start together both succeed and leave one registry, nothing half-made.

    Nor does MLflow leave its telemetry's file in the person's home, as it does when it means to report.
    """
    path, home = tmp_path / "registry" / "mlflow.db", tmp_path / "home"
    home.mkdir()
    # In a test or on a build server, which it knows by other variables, MLflow never reports.
    variables = {name: value for name, value in os.environ.items() if name.startswith(("PATH", "PYTHON"))}
    command = [sys.executable, "-m", "shipway.training.tables", "create", str(path)]
    racers = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables | {"HOME": str(home)})
        for _ in range(2)
    ]
    assert [(racer.communicate()[1], racer.returncode) for racer in racers] == [("", 0)] * 2
    assert has_tables(path)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["mlflow.db", "mlflow.lock"]
    assert list(home.rglob("*")) == []


def test_an_interrupted_creation_leaves_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between two migrations: no file is there that a client would take for a registry, and no scratch."""
    path = tmp_path / "mlflow.db"

    def half(made: Path) -> None:
        made.write_bytes(b"SQLite format 3")
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "_make", half)
    with pytest.raises(KeyboardInterrupt):
        create_tables(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.lock"]


def test_what_a_killed_creation_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """After `kill -9` half a registry lies beside: the next one starts anew, and a client can work with it."""
    scratch = tmp_path / ".new"
    scratch.mkdir()
    for name in ("mlflow.db", "mlflow.db-journal"):
        (scratch / name).write_bytes(b"half")
    path = tmp_path / "mlflow.db"
    create_tables(path)
    assert not scratch.exists()
    client = MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}")
    assert client.create_registered_model("kept").name == "kept"
    create_tables(path)
    assert [model.name for model in client.search_registered_models()] == ["kept"]


def test_another_file_in_its_place_is_refused_and_kept(tmp_path: Path) -> None:
    """A truncated or foreign file is for a person to judge."""
    path = tmp_path / "mlflow.db"
    path.write_text("not a database")
    with pytest.raises(ShipwayError, match=r"mlflow\.db: found a file without MLflow's tables, .*; move it"):
        create_tables(path)
    assert path.read_text() == "not a database"


def test_what_sqlite_says_is_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, met in the middle: one sentence with SQLite's own words, and nothing half-made."""

    def full(_: Path) -> None:
        raise OperationalError("CREATE TABLE runs", None, Exception("database or disk is full"))

    monkeypatch.setattr(tables, "_client", full)
    with pytest.raises(ShipwayError, match=r"mlflow\.db: MLflow cannot make its tables: .* disk is full$"):
        create_tables(tmp_path / "mlflow.db")
    assert [entry.name for entry in tmp_path.iterdir()] == ["mlflow.lock"]
