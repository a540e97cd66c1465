import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipway.contract.documents import write_atomic
from shipway.contract.errors import FeatureError
from shipway.features.online import FeatureValue, OnlineStore
from shipway.features.repository import apply_objects, feature_store_yaml
from shipway.traffic.events import Publish
from shipway.traffic.publisher import ProcessPublisher

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one view."""
    from feast import Entity, FeatureView, Field, FileSource
    from feast.types import Float64
    from feast.value_type import ValueType

    shop = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)
    source = FileSource(name="sales", path="data/sales_v1.parquet", timestamp_field="event_timestamp")
    view = FeatureView(name="sales_v1", entities=[shop], schema=[Field(name="items", dtype=Float64)], source=source)
    write_atomic(tmp_path / "feature_store.yaml", feature_store_yaml())
    apply_objects([shop, view], tmp_path)
    return tmp_path


def test_what_another_process_wrote_can_be_read_here(repository: Path) -> None:
    """When `publish` returns, the last value of each key is there; a refused one is an error of its own."""
    rows = [{"shop": "a", "items": float(number), "event_timestamp": NOON} for number in range(3)]
    with ProcessPublisher(repository) as publisher:
        asyncio.run(publisher.publish([Publish(NOON, "sales_v1", row) for row in rows]))
        with pytest.raises(FeatureError, match="no feature view 'other_v1', expected one of: sales_v1"):
            asyncio.run(publisher.publish([Publish(NOON, "other_v1", rows[0])]))
    read = OnlineStore(repository).read(["sales_v1:items"], {"shop": "a"})
    assert read == {"sales_v1:items": FeatureValue(2.0, NOON)}
