import hashlib
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml

from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.store import ArtifactStore
from shipway.contract.errors import ArtifactError, FeatureError
from shipway.features.__main__ import main
from shipway.features.registration import register
from shipway.features.repository import feature_store_yaml, open_store
from tests.shipway.features.conftest import FEATURES

# Another model's views of the same entities.
OTHER = {"sales_v1": "stock_v1", "visits_v1": "returns_v1"}


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A repository whose registry is a database, still empty: Feast's own kind of a cluster, on SQLite."""
    return _repository(tmp_path / "features", f"sqlite:///{tmp_path / 'registry.sqlite'}")


def _repository(folder: Path, database: str) -> Path:
    document = yaml.safe_load(feature_store_yaml())
    document["registry"] = {"registry_type": "sql", "path": database, "cache_ttl_seconds": 600}
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(document))
    return folder


def _bundle(root: Path, replaced: Mapping[str, str] | None = None) -> Path:
    """Returns a bundle that declares the views of the toy service, with some of its text replaced."""
    text = FEATURES
    for old, new in (replaced or {}).items():
        assert old in text
        text = text.replace(old, new)
    # A package of its own: one process holds one version of a service's code.
    package = f"toy_{hashlib.sha256(f'{root}{text}'.encode()).hexdigest()[:12]}"
    files = root / package
    (files / "src" / package).mkdir(parents=True, exist_ok=True)
    (files / "src" / package / "features.py").write_text(text)
    manifest = Manifest(model="toy", service=f"{package}.service:Toy", files=covered_files(files))
    store = ArtifactStore(root / "artifacts")
    return store.path(store.put(files, manifest))


def _start(bundle: Path, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "shipway.features", "register", "--bundle", str(bundle), "--features", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _known(folder: Path) -> dict[str, bytes]:
    """Returns the views and entities of the registry by name, as Feast serialises them."""
    store = open_store(folder)
    found = [*store.list_feature_views(), *store.list_entities()]
    return {one.name: one.to_proto().SerializeToString(deterministic=True) for one in found}


def test_registering_again_changes_nothing(shared: Path, tmp_path: Path) -> None:
    """Every restart of a pod registers; what is known stays, byte for byte, times included."""
    assert register(_bundle(tmp_path), shared) == ["sales_v1", "visits_v1"]
    before = _known(shared)
    assert {"sales_v1", "visits_v1", "shop", "day"} <= set(before)
    assert register(_bundle(tmp_path), shared) == ["sales_v1", "visits_v1"]
    assert _known(shared) == before


def test_pods_that_start_at_once_all_succeed(shared: Path, tmp_path: Path) -> None:
    """Also on a registry without tables, and with the views of two models."""
    bundles = [_bundle(tmp_path), _bundle(tmp_path, OTHER)]
    processes = [_start(bundle, shared) for bundle in bundles]
    said = [process.communicate(timeout=120) for process in processes]
    assert said == [("registered sales_v1, visits_v1\n", ""), ("registered returns_v1, stock_v1\n", "")]
    assert [process.returncode for process in processes] == [0, 0]
    assert {"sales_v1", "visits_v1", "stock_v1", "returns_v1"} <= set(_known(shared))


def test_what_others_registered_stays(shared: Path, tmp_path: Path) -> None:
    """A new version that no longer declares a view, and another model, take it from nobody."""
    register(_bundle(tmp_path), shared)
    before = _known(shared)
    assert register(_bundle(tmp_path, {'name="sales_v1"': 'name="sales_v2"'}), shared) == ["sales_v2", "visits_v1"]
    register(_bundle(tmp_path, OTHER), shared)
    after = _known(shared)
    assert set(after) - set(before) == {"sales_v2", "stock_v1", "returns_v1"}
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hours=6", "hours=7", "feature view 'sales_v1' is registered with another ttl"),
        ('"items"', '"pieces"', "feature view 'sales_v1' is registered with another schema"),
        ("[SHOP, DAY]", "[DAY]", "feature view 'visits_v1' is registered with another set of entities"),
        ('join_keys=["day"]', 'join_keys=["date"]', "entity 'day' is registered with another join key"),
        ("ValueType.STRING", "ValueType.INT64", "entity 'shop' is registered with another value type"),
    ],
)
def test_a_name_keeps_its_meaning(shared: Path, tmp_path: Path, old: str, new: str, said: str) -> None:
    """A candidate that redefines what the live version reads does not start, and changes nothing."""
    register(_bundle(tmp_path), shared)
    before = _known(shared)
    with pytest.raises(FeatureError) as refused:
        register(_bundle(tmp_path, {old: new}), shared)
    expected = f"{shared}: {said}, expected the same: others read it; give the new one a name of its own"
    assert str(refused.value) == expected
    assert _known(shared) == before


def test_a_description_may_change(shared: Path, tmp_path: Path) -> None:
    """Nobody reads it but people."""
    register(_bundle(tmp_path), shared)
    register(_bundle(tmp_path, {'name="sales_v1"': 'name="sales_v1", description="Sold."'}), shared)
    assert open_store(shared).get_feature_view("sales_v1").description == "Sold."


def test_a_registry_that_cannot_be_reached_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are the pod's last words."""
    folder = _repository(tmp_path / "features", f"sqlite:///{tmp_path / 'none' / 'registry.sqlite'}")
    assert main(["register", "--bundle", str(_bundle(tmp_path)), "--features", str(folder)]) == 1
    assert capsys.readouterr() == ("", f"{folder}: the registry cannot be written: unable to open database file\n")


def test_a_bundle_that_was_changed_runs_nothing(shared: Path, tmp_path: Path) -> None:
    """Its bytes are checked before its code is imported."""
    bundle = _bundle(tmp_path)
    (source,) = (bundle / "files" / "src").glob("*/features.py")
    source.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ArtifactError, match=r"features\.py: found sha256 \w+ .*, expected sha256 "):
        register(bundle, shared)
    assert not (tmp_path / "ran").exists()


def test_files_lie_where_the_repository_says(shared: Path, tmp_path: Path) -> None:
    """A bundle names its files as on a laptop; a cluster knows them by their address, also the second time."""
    path = shared / "feature_store.yaml"
    document = yaml.safe_load(path.read_text())
    document["offline_store"] |= {"files": "s3://bucket/features", "endpoint_url": "https://objects.example.com"}
    path.write_text(yaml.safe_dump(document))
    for _ in range(2):
        register(_bundle(tmp_path), shared)
        sources = [view.batch_source for view in open_store(shared).list_feature_views()]
        assert {source.path for source in sources} == {
            "s3://bucket/features/data/sales_v1.parquet",
            "s3://bucket/features/data/visits_v1.parquet",
        }
        assert {source.s3_endpoint_override for source in sources} == {"https://objects.example.com"}


def test_values_go_online_from_those_files(shared: Path, tmp_path: Path) -> None:
    """Feast's own materialisation reads where the repository says, here a folder in place of a bucket."""
    path, files = shared / "feature_store.yaml", tmp_path / "elsewhere"
    document = yaml.safe_load(path.read_text())
    document["offline_store"]["files"] = str(files)
    path.write_text(yaml.safe_dump(document))
    register(_bundle(tmp_path), shared)
    (files / "data").mkdir(parents=True)
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    values = pd.DataFrame({"shop": ["a"], "items": [3.0], "price": [2.5], "event_timestamp": [noon]})
    values.to_parquet(files / "data" / "sales_v1.parquet")
    store = open_store(shared)
    store.materialize(noon - timedelta(hours=1), noon + timedelta(hours=1), feature_views=["sales_v1"])
    found = store.get_online_features(["sales_v1:items"], [{"shop": "a"}]).to_dict()
    assert found == {"shop": ["a"], "items": [3.0]}
