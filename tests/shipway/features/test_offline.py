import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shipway.features.offline import offline_join
from shipway.features.online import OnlineStore
from shipway.features.repository import open_store

NOON = pd.Timestamp("2013-05-01T12:00:00Z")
READS = ["sales_v1:items", "visits_v1:visits"]


@pytest.fixture(scope="module")
def history(repository: Path) -> Path:
    """The repository with a history of both views: random times, doubled times and a null among them."""
    rng = np.random.default_rng(7)
    (repository / "data").mkdir(exist_ok=True)
    minutes = rng.integers(0, 3000, 400)
    sales = pd.DataFrame({"shop": rng.choice(list("abc"), 400), "items": rng.normal(size=400), "price": 1.0})
    sales["event_timestamp"] = NOON + pd.to_timedelta(minutes, unit="min")
    sales = sales.drop_duplicates(["shop", "event_timestamp"]).sort_values("event_timestamp")
    sales.iloc[5, 1] = np.nan
    sales.to_parquet(repository / "data" / "sales_v1.parquet", index=False)
    visits = sales.assign(day=rng.choice(["mon", "tue"], len(sales)), visits=rng.normal(size=len(sales)))
    visits[["shop", "day", "visits", "event_timestamp"]].to_parquet(repository / "data" / "visits_v1.parquet")
    return repository


@pytest.fixture(scope="module")
def examples() -> pd.DataFrame:
    """Unit -> keys and time, in no order."""
    rng = np.random.default_rng(8)
    # Distinct times: Feast's own join takes two examples of one time and one key for the same.
    minutes = rng.permutation(4000)[:200]
    return pd.DataFrame(
        {
            "shop": rng.choice(list("abcz"), 200),
            "day": rng.choice(["mon", "tue"], 200),
            "event_timestamp": NOON + pd.to_timedelta(minutes, unit="min"),
        },
        index=[f"unit-{number}" for number in range(200)],
    )


def test_the_join_equals_feasts_own(history: Path, examples: pd.DataFrame) -> None:
    """Feast's file store, which joins everything with everything, says the same for every example that it keeps."""
    from feast.infra.offline_stores.dask import DaskOfflineStore

    ours = offline_join(history, READS, examples)
    store = open_store(history)
    config = store.config.model_copy()
    config.repo_path = history
    views = [store.get_feature_view(name) for name in ("sales_v1", "visits_v1")]
    frame = examples.reset_index(names="unit")
    theirs = DaskOfflineStore.get_historical_features(
        config, views, READS, frame, store.registry, "shipway", full_feature_names=True
    ).to_df()
    theirs = theirs.set_index("unit").rename(columns=lambda name: name.replace("__", ":"))[READS]
    kept = ours.loc[theirs.index]
    assert len(kept) > 100
    pd.testing.assert_frame_equal(kept, theirs, check_names=False, check_index_type=False, check_column_type=False)
    lost = ours.drop(index=theirs.index)
    assert lost.isna().any(axis="columns").all()


def test_a_value_is_never_from_later_and_never_older_than_its_ttl(history: Path, examples: pd.DataFrame) -> None:
    """Each answer is the newest value at or before the example's time and within the view's ttl."""
    sales = pd.read_parquet(history / "data" / "sales_v1.parquet")
    joined = offline_join(history, ["sales_v1:items"], examples)
    for unit, row in examples.iterrows():
        known = sales[
            (sales["shop"] == row["shop"])
            & (sales["event_timestamp"] <= row["event_timestamp"])
            & (sales["event_timestamp"] >= row["event_timestamp"] - pd.Timedelta(hours=6))
        ]
        expected = known.iloc[-1]["items"] if len(known) else np.nan
        assert joined.loc[unit, "sales_v1:items"] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("lacking", ["no example", "an example", "all values"])
def test_keys_are_joined_whatever_lacks_one(history: Path, tmp_path: Path, lacking: str) -> None:
    """An example without a key has no value, and a view without values none for anybody."""
    copy = tmp_path / "copy"
    shutil.copytree(history, copy)
    sales = pd.DataFrame({"shop": [1, 2], "items": [0.5, 1.5], "event_timestamp": [NOON, NOON]})
    sales = sales.head(0).astype({"shop": object}) if lacking == "all values" else sales
    sales.to_parquet(copy / "data" / "sales_v1.parquet", index=False)
    shops = pd.Series([2, 1, None if lacking == "an example" else 2], dtype=object).infer_objects()
    found = offline_join(copy, READS[:1], pd.DataFrame({"shop": shops, "event_timestamp": [NOON] * 3}))
    expected = {"an example": [1.5, 0.5, None], "all values": [None] * 3}.get(lacking, [1.5, 0.5, 1.5])
    assert [None if pd.isna(one) else one for one in found[READS[0]]] == expected


def test_online_and_offline_agree(history: Path, examples: pd.DataFrame, tmp_path: Path) -> None:
    """What was published up to a moment reads as the join says for that moment."""
    online = OnlineStore(shutil.copytree(history, tmp_path / "copy"))
    sales = pd.read_parquet(history / "data" / "sales_v1.parquet")
    at = NOON + pd.Timedelta(hours=30)
    online.publish("sales_v1", sales[sales["event_timestamp"] <= at].to_dict("records"))
    asked = pd.DataFrame({"shop": list("abc"), "event_timestamp": at})
    offline = offline_join(history, ["sales_v1:items"], asked)["sales_v1:items"]
    served = [online.read(["sales_v1:items"], {"shop": shop})["sales_v1:items"].value for shop in "abc"]
    assert served == offline.tolist()


def test_importing_the_package_is_cheap() -> None:
    """Feast takes seconds to import; a command that does not need it must not pay for it."""
    import subprocess

    code = "import sys, shipway.features.online, shipway.features.offline, shipway.features.repository; "
    code += "sys.exit('feast' in sys.modules or 'pandas' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
