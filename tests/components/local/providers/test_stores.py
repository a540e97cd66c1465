"""What outlives a stack: the artifact folder, the registry's tables, the feature views."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from components.local.providers import feature_views
from components.local.providers.base import IN_PLACE
from components.local.providers.directory import DirectoryProvider
from components.local.providers.feature_views import FeatureViewsProvider
from components.local.providers.registry import RegistryProvider
from shipway.contract.errors import ShipwayError


@pytest.mark.parametrize("outlives", [True, False])
def test_a_folder_outlives_the_stack_only_where_it_should(tmp_path: Path, outlives: bool) -> None:
    """Bundles stay when the stack goes; the gateway's files go with it."""
    props = {"path": str(tmp_path / "a" / "b"), "outlives_stack": outlives}
    provider = DirectoryProvider()
    assert provider.read("", props).outs["status"] == "removed"
    provider.create(props)
    assert provider.read("", props).outs["status"] == IN_PLACE
    provider.delete("", props)
    assert Path(props["path"]).exists() is outlives


@pytest.mark.e2e
def test_the_registrys_tables_are_made_once_and_stay(tmp_path: Path) -> None:
    """What was registered survives a second create and a delete."""
    props = {"path": str(tmp_path / "registry" / "mlflow.db")}
    provider = RegistryProvider()
    assert provider.look(props) == "removed"
    provider.create(props)
    with closing(sqlite3.connect(props["path"])) as database, database:
        database.execute("insert into registered_models (name) values ('kept')")
    provider.create(props)
    provider.delete("", props)
    assert provider.look(props) == IN_PLACE
    with closing(sqlite3.connect(props["path"])) as database:
        assert database.execute("select name from registered_models").fetchall() == [("kept",)]


@pytest.mark.e2e
def test_a_file_that_is_no_registry_is_drift_and_is_never_overwritten(tmp_path: Path) -> None:
    """A truncated or foreign file has no tables of MLflow's; what it holds is for a person to judge."""
    path = tmp_path / "mlflow.db"
    path.write_text("not a database")
    assert RegistryProvider().look({"path": str(path)}) == "removed"
    with pytest.raises(ShipwayError, match=r"cannot be made: .*mlflow.db: found a file without .*; move it"):
        RegistryProvider().create({"path": str(path)})
    assert path.read_text() == "not a database"


@pytest.mark.e2e
def test_features_that_are_refused_say_why(tmp_path: Path) -> None:
    """A service without the features its model reads is named, with the reason."""
    props = {"service": str(tmp_path / "pricing"), "store": str(tmp_path / "store"), "source": ""}
    Path(props["service"]).mkdir()
    provider = FeatureViewsProvider()
    assert provider.look(props) == "not registered as declared"
    with pytest.raises(ShipwayError, match=r"pricing: its features are refused: .+"):
        provider.create(props)


def test_features_registered_before_are_not_registered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views outlive the stack, so the next stack only looks."""
    asked: list[str] = []

    def answer(action: str, props: dict[str, str]) -> subprocess.CompletedProcess[str]:
        asked.append(action)
        return subprocess.CompletedProcess([], 0, "", "")

    monkeypatch.setattr(feature_views, "_features", answer)
    FeatureViewsProvider().create({"service": str(tmp_path), "store": str(tmp_path), "source": ""})
    assert asked == ["check"]
