"""What the tests of the feature store share: one service with one view, applied once."""

from pathlib import Path

import pytest

from shipway.contract.documents import write_atomic
from shipway.features.online import OnlineStore
from shipway.features.repository import apply, feature_store_yaml

FEATURES = '''"""Features of a shop."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

SHOP = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
DAY = Entity(name="day", join_keys=["day"], value_type=ValueType.STRING)

OBJECTS = [
    SHOP,
    DAY,
    FeatureView(
        name="sales_v1",
        entities=[SHOP],
        ttl=timedelta(hours=6),
        schema=[Field(name="items", dtype=Float64), Field(name="price", dtype=Float64)],
        source=FileSource(name="sales", path="data/sales_v1.parquet", timestamp_field="event_timestamp"),
    ),
    FeatureView(
        name="visits_v1",
        entities=[SHOP, DAY],
        ttl=timedelta(0),
        schema=[Field(name="visits", dtype=Float64)],
        source=FileSource(name="visits", path="data/visits_v1.parquet", timestamp_field="event_timestamp"),
    ),
]


def ENTITIES(row):
    return {"shop": row["shop"]}
'''


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service's folder with a features.py."""
    folder = tmp_path_factory.mktemp("services") / "feature_toy"
    folder.mkdir()
    (folder / "features.py").write_text(FEATURES)
    return folder


@pytest.fixture(scope="session")
def repository(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature repository that knows the service's views."""
    folder = tmp_path_factory.mktemp("features")
    write_atomic(folder / "feature_store.yaml", feature_store_yaml())
    assert apply(service, folder) == ["sales_v1", "visits_v1"]
    return folder


@pytest.fixture(scope="session")
def online(repository: Path) -> OnlineStore:
    """The repository's online store."""
    return OnlineStore(repository)
