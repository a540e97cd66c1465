from datetime import UTC, datetime, timedelta, timezone

import pytest

from shipway.contract.errors import FeatureError
from shipway.features.online import FeatureValue, OnlineStore

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)
NOTHING = FeatureValue(None, None)


def test_a_value_comes_back_with_its_own_time(online: OnlineStore) -> None:
    """The time is the value's, in UTC, whatever offset it was published with."""
    local = NOON.astimezone(timezone(timedelta(hours=-4)))
    online.publish("sales_v1", [{"shop": "a", "items": 3.0, "price": 1.5, "event_timestamp": local}])
    answer = online.read(["sales_v1:price", "sales_v1:items"], {"shop": "a", "unused": 1})
    assert answer == {"sales_v1:price": FeatureValue(1.5, NOON), "sales_v1:items": FeatureValue(3.0, NOON)}


def test_unknown_keys_have_no_value_and_no_time(online: OnlineStore) -> None:
    """Serving can tell missing from old."""
    assert online.read(["sales_v1:items"], {"shop": "never seen"}) == {"sales_v1:items": NOTHING}


def test_a_null_keeps_its_time(online: OnlineStore) -> None:
    """A gap in one feature of a row is missing, while its neighbours are there."""
    online.publish("sales_v1", [{"shop": "gap", "items": None, "price": 2.0, "event_timestamp": NOON}])
    answer = online.read(["sales_v1:items", "sales_v1:price"], {"shop": "gap"})
    assert answer["sales_v1:items"].value is None
    assert answer["sales_v1:price"] == FeatureValue(2.0, NOON)


def test_the_last_row_of_a_key_stays(online: OnlineStore) -> None:
    """Rows in the order of their time leave the newest."""
    rows = [
        {"shop": "b", "items": float(hour), "price": 1.0, "event_timestamp": NOON + timedelta(hours=hour)}
        for hour in range(3)
    ]
    online.publish("sales_v1", rows)
    assert online.read(["sales_v1:items"], {"shop": "b"})["sales_v1:items"] == FeatureValue(
        2.0, rows[2]["event_timestamp"]
    )


def test_several_views_and_rows_are_one_question(online: OnlineStore) -> None:
    """Views with different keys are read together, row by row."""
    online.publish("visits_v1", [{"shop": "c", "day": "mon", "visits": 9.0, "event_timestamp": NOON}])
    reads = ["visits_v1:visits", "sales_v1:items"]
    first, second = online.read_many(reads, [{"shop": "c", "day": "mon"}, {"shop": "c", "day": "tue"}])
    assert first["visits_v1:visits"] == FeatureValue(9.0, NOON)
    assert second == {"visits_v1:visits": NOTHING, "sales_v1:items": NOTHING}


def test_nothing_asked_is_nothing_answered(online: OnlineStore) -> None:
    """No reads and no rows need no store."""
    assert online.read([], {"shop": "a"}) == {}
    assert online.read_many(["sales_v1:items"], []) == []
    online.publish("sales_v1", [])


def test_a_missing_key_is_named(online: OnlineStore) -> None:
    """The error names the key and all that are needed."""
    with pytest.raises(FeatureError, match=r"got no value for entity key 'day', expected \['day', 'shop'\]"):
        online.read(["visits_v1:visits"], {"shop": "c"})


def test_an_unknown_view_is_named_with_those_there_are(online: OnlineStore) -> None:
    """For readers and writers alike."""
    for ask in (lambda: online.read(["sales_v2:items"], {"shop": "a"}), lambda: online.publish("sales_v2", [{}])):
        with pytest.raises(FeatureError, match="no feature view 'sales_v2', expected one of: sales_v1, visits_v1"):
            ask()
