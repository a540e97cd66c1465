"""Which keys have values online, read out of the store that Feast has written."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipway.contract.errors import FeatureError
from shipway.features.keys import online_keys
from shipway.features.online import OnlineStore

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)


def test_the_keys_of_every_view_are_told_once(online: OnlineStore, repository: Path) -> None:
    """Of views with one join key and with two; of each view no more than wanted, and of an empty one none."""
    for shop in ("k1", "k2"):
        online.publish("sales_v1", [{"shop": shop, "items": 1.0, "price": 1.0, "event_timestamp": NOON}])
    online.publish("visits_v1", [{"shop": "k2", "day": "k-mon", "visits": 9.0, "event_timestamp": NOON}])
    found = online_keys(repository, ["visits_v1", "sales_v1"])
    assert {"k1", "k2"} <= set(found["shop"])
    assert "k-mon" in found["day"]
    assert len(found["shop"]) == len(set(found["shop"]))
    assert len(online_keys(repository, ["sales_v1"], most=1)["shop"]) == 1


def test_a_view_that_is_not_there_is_named(repository: Path) -> None:
    """With the file in which it was looked for."""
    with pytest.raises(FeatureError, match=r"online.db: its keys cannot be read: no such table: shipway_sold_v9"):
        online_keys(repository, ["sold_v9"])
