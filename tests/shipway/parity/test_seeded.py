"""Seeded skews: each is put into what is published or into what lies offline, and found by the real join."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from shipway.contract.parity import ParityOutcome
from tests.shipway.parity.shop import READS, Frames, Shop, likeliest, of, past, published

WEATHER, SALES, KIND = READS
SEEDS = range(2)
Seeded = tuple[Frames, Frames]


def local_time_for_utc(offline: Frames, rng: np.random.Generator) -> Seeded:
    """The publisher writes New York's clock as if it were UTC."""
    online = published(offline)
    for rows in online.values():
        rows["event_timestamp"] -= pd.Timedelta(hours=4)
    return offline, online


def utc_for_local_time(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Values are stamped four hours ahead, so serving refuses them as knowledge of the future."""
    online = published(offline)
    for rows in online.values():
        rows["event_timestamp"] += pd.Timedelta(hours=4)
    return offline, online


def hour_of_another_zone(offline: Frames, rng: np.random.Generator) -> Seeded:
    """The weather is looked up by the local hour in a table of UTC hours."""
    online = published(offline)
    for rows in online.values():
        rows["event_timestamp"] += pd.Timedelta(hours=5)
        rows["known_at"] += pd.Timedelta(hours=5)
    return offline, online


def nulls_as_zero(offline: Frames, rng: np.random.Generator) -> Seeded:
    """The publisher fills what was not measured."""
    online = published(offline)
    online["weather_v1"]["humidity"] = online["weather_v1"]["humidity"].fillna(0.0)
    return offline, online


def nulls_filled_offline(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Training's files are filled, the online store's values are not."""
    online = published(offline)
    filled = offline["weather_v1"].assign(humidity=offline["weather_v1"]["humidity"].fillna(-999.0))
    return offline | {"weather_v1": filled}, online


def other_order_of_categories(offline: Frames, rng: np.random.Generator) -> Seeded:
    """The two sides number the categories by lists in another order."""
    online = published(offline)
    order = rng.permutation(12).astype(float)
    online["kind_v1"]["code"] = order[online["kind_v1"]["code"].astype(int)]
    return offline, online


def two_categories_exchanged(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Only two codes are the wrong way round."""
    online = published(offline)
    online["kind_v1"]["code"] = online["kind_v1"]["code"].replace({3.0: 7.0, 7.0: 3.0})
    return offline, online


def percent_for_ratio(offline: Frames, rng: np.random.Generator) -> Seeded:
    """A share is published as percent."""
    online = published(offline)
    online["sales_v1"]["ratio"] *= 100
    return offline, online


def fahrenheit_for_celsius(offline: Frames, rng: np.random.Generator) -> Seeded:
    """A factor and an offset, on one side."""
    online = published(offline)
    online["weather_v1"]["humidity"] = online["weather_v1"]["humidity"] * 1.8 + 32
    return offline, online


def standardised(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Served values went through the scaler of another training."""
    online = published(offline)
    ratio = online["sales_v1"]["ratio"]
    online["sales_v1"]["ratio"] = (ratio - ratio.mean()) / ratio.std()
    return offline, online


def next_value_served(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Served is the value that is known only when the next sale is over."""
    online = published(offline)
    online["sales_v1"]["ratio"] = online["sales_v1"].groupby("shop")["ratio"].shift(-1)
    return offline, online


def stamped_at_the_start(offline: Frames, rng: np.random.Generator) -> Seeded:
    """Training's files date a value from when its window began, not from when it was over."""
    online = published(offline)
    early = offline["sales_v1"].copy()
    early["event_timestamp"] -= pd.to_timedelta(rng.uniform(60, 200, len(early)).round(), unit="min")
    return offline | {"sales_v1": early.sort_values("event_timestamp")}, online


def published_late(offline: Frames, rng: np.random.Generator) -> Seeded:
    """A job publishes when it gets to it."""
    online = published(offline)
    online["sales_v1"]["known_at"] += pd.to_timedelta(rng.uniform(20, 300, len(online["sales_v1"])), unit="min")
    return offline, online


def never_published(offline: Frames, rng: np.random.Generator) -> Seeded:
    """One shop's values never go online."""
    online = published(offline)
    online["sales_v1"] = online["sales_v1"][online["sales_v1"]["shop"] != "b"]
    return offline, online


CASES: list[tuple[Callable[[Frames, np.random.Generator], Seeded], str, str]] = [
    (local_time_for_utc, SALES, "timezone"),
    (utc_for_local_time, SALES, "timezone"),
    (hour_of_another_zone, WEATHER, "timezone"),
    (hour_of_another_zone, SALES, "timezone"),
    (nulls_as_zero, WEATHER, "fill_value"),
    (nulls_filled_offline, WEATHER, "fill_value"),
    (other_order_of_categories, KIND, "category_encoding"),
    (two_categories_exchanged, KIND, "category_encoding"),
    (percent_for_ratio, SALES, "scaling"),
    (fahrenheit_for_celsius, WEATHER, "scaling"),
    (standardised, SALES, "scaling"),
    (next_value_served, SALES, "look_ahead"),
    (stamped_at_the_start, SALES, "look_ahead"),
    (published_late, SALES, "late_publication"),
    (never_published, SALES, "never_published"),
]


@pytest.mark.parametrize(("skew", "feature", "cause"), CASES, ids=[f"{one.__name__}-{name}" for one, name, _ in CASES])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_seeded_skew_is_found_and_named(
    shop: Shop, skew: Callable[[Frames, np.random.Generator], Seeded], feature: str, cause: str, seed: int
) -> None:
    """The feature's likeliest cause is the seeded one, whatever the data."""
    offline, online = skew(past(seed), np.random.default_rng(seed + 50))
    found = of(shop.compare(offline, online, seed), feature)
    assert [one.name for one in found.causes[:1]] == [cause], found
    assert found.skewed


@pytest.mark.parametrize("seed", range(15))
def test_nothing_is_named_where_both_sides_agree(shop: Shop, seed: int) -> None:
    """A faithful publisher: no skew, no cause, whatever the data."""
    offline = past(seed)
    report = shop.compare(offline, published(offline), seed)
    assert likeliest(report) == {}
    assert [one.skewed_ratio for one in report.features] == [0, 0, 0]
    assert [(one.name, one.skewed_ratio) for one in report.predictions] == [
        ("prediction:served", 0),
        ("prediction:offline", 0),
    ]
    assert report.skewed == ()
    assert of(report, WEATHER).outcomes[ParityOutcome.DEFAULT] > 0
