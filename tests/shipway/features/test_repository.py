import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipway.contract.errors import FeatureError
from shipway.features.__main__ import main
from shipway.features.online import OnlineStore
from shipway.features.repository import apply, check, has_values, open_store


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """The applied repository, to be broken."""
    return shutil.copytree(repository, tmp_path / "features")


def test_applying_again_changes_nothing(service: Path, copy: Path) -> None:
    """`pulumi up` may apply as often as it likes."""
    before = (copy / "applied" / "feature_toy.json").read_text()
    assert apply(service, copy) == ["sales_v1", "visits_v1"]
    assert (copy / "applied" / "feature_toy.json").read_text() == before
    assert check(service, copy) == []


def test_readers_do_not_wait_for_the_writer(repository: Path) -> None:
    """The online store keeps a write-ahead log."""
    with closing(sqlite3.connect(repository / "online.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_check_names_what_is_missing(service: Path, copy: Path) -> None:
    """A lost store, a lost registry and a changed definition each show as one sentence."""
    with closing(sqlite3.connect(copy / "online.db")) as connection:
        connection.execute("DROP TABLE shipway_sales_v1")
    assert check(service, copy) == [f"{copy / 'online.db'}: no table of view sales_v1"]
    (copy / "registry.db").unlink()
    assert check(service, copy)[0] == f"{copy / 'registry.db'}: missing"
    shutil.rmtree(copy / "applied")
    assert check(service, copy) == [f"{copy / 'applied' / 'feature_toy.json'}: never applied"]


def test_check_sees_a_changed_definition(service: Path, copy: Path, tmp_path: Path) -> None:
    """Features that were edited after they were applied must be applied again."""
    edited = shutil.copytree(service, tmp_path / "feature_toy")
    (edited / "features.py").write_text((edited / "features.py").read_text() + "\n# edited\n")
    assert check(edited, copy) == [f"{edited / 'features.py'}: changed since it was applied"]


def test_the_command_answers_by_its_exit_code(
    service: Path, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when all is in place, 1 with the reason when not."""
    assert main(["check", "--service", str(service), "--features", str(copy)]) == 0
    assert main(["check", "--service", str(service), "--features", str(tmp_path / "none")]) == 1
    assert "never applied" in capsys.readouterr().err
    assert main(["apply", "--service", str(service), "--features", str(tmp_path / "none")]) == 1
    assert "found no feature_store.yaml, expected a feature repository" in capsys.readouterr().err


def test_a_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    """The error says what makes one."""
    with pytest.raises(FeatureError, match=r"found no feature_store\.yaml, expected .*`pulumi up` makes it"):
        open_store(tmp_path)


def test_a_store_has_values_when_every_view_has_some(copy: Path, tmp_path: Path) -> None:
    """One that a replay was interrupted in, or that is not there yet, has none: publishing starts again."""
    views, at = ["sales_v1", "visits_v1"], datetime(2020, 1, 1, tzinfo=UTC)
    with closing(sqlite3.connect(copy / "online.db")) as connection, connection:
        for view in views:
            connection.execute(f"DELETE FROM shipway_{view}")
    assert not has_values(tmp_path / "none", views)
    assert not has_values(copy, views)
    store = OnlineStore(copy)
    store.publish("sales_v1", [{"shop": "a", "event_timestamp": at, "items": 1.0, "price": 2.0}])
    assert not has_values(copy, views)
    store.publish("visits_v1", [{"shop": "a", "day": "monday", "event_timestamp": at, "visits": 3.0}])
    assert has_values(copy, views)
    assert not has_values(copy, [*views, "unknown_v1"])


def test_an_online_store_that_is_no_database_is_said(
    service: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a disk that was full leaves it: to whoever checks, applies or asks, with what to do; no traceback."""
    for name in ("online.db-wal", "online.db-shm"):
        (copy / name).unlink(missing_ok=True)
    (copy / "online.db").write_bytes(b"\0" * 100 + b"torn" * 100)
    said = "found no database that can be read (file is not a database), expected the online store; move it away"
    assert check(service, copy) == [one for one in check(service, copy) if said in one]
    for verb in ("check", "apply"):
        assert main([verb, "--service", str(service), "--features", str(copy)]) == 1
        assert capsys.readouterr().err.startswith(f"{copy / 'online.db'}: {said}")
    with pytest.raises(FeatureError, match="move it away"):
        has_values(copy, ["sales_v1"])
    (copy / "online.db").unlink()
    assert apply(service, copy) == ["sales_v1", "visits_v1"]
