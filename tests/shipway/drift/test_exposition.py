"""The page says the same as prometheus_client would, and every bin is on it."""

import numpy as np
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from shipway.bundle.reference import Categories, Histogram
from shipway.drift.bins import Bins, FieldBins
from shipway.drift.exposition import Exposition

WHO = {"model": 'a "quoted" model\\', "version": "abababababab", "slot": "blue"}
NUMBERS = Histogram(edges=(0.5,), counts=(1, 1), minimum=0.0, maximum=1.0)
BINS = Bins(
    [
        FieldBins.of("weather_v1:wind", NUMBERS),
        FieldBins.of("100%d", Categories(counts={"private name": 1})),
        FieldBins.of("", NUMBERS),
    ]
)
NAN = float("nan")
ROWS = np.array([[-2.0, 0.0, 0.4], [0.1, 1.0, 0.6], [3.5, NAN, NAN], [NAN, 0.0, 7.0]])


def samples(page: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(page)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_the_page_is_what_prometheus_client_would_write() -> None:
    """Names, labels, escapes and values agree, for fields, tails and predictions."""
    counted = BINS.count(ROWS)
    registry = CollectorRegistry()
    labels = ("model", "version", "slot")
    bins = Counter("shipway_feature_bin", "x", (*labels, "feature", "bin"), registry=registry)
    excess = Counter("shipway_feature_tail_excess", "x", (*labels, "feature", "bin"), registry=registry)
    predictions = Counter("shipway_prediction_bin", "x", (*labels, "bin"), registry=registry)
    for field, counts in zip(BINS.fields, BINS.split(counted.counts).values(), strict=True):
        for label, count in zip(field.labels, counts.tolist(), strict=True):
            who = (*WHO.values(), field.name, label) if field.name else (*WHO.values(), label)
            (bins if field.name else predictions).labels(*who).inc(count)
    excess.labels(*WHO.values(), "weather_v1:wind", "below").inc(2.0)
    excess.labels(*WHO.values(), "weather_v1:wind", "above").inc(2.5)
    page = Exposition(BINS, WHO).page(counted)
    assert samples(page) == samples(generate_latest(registry).decode())
    assert "private name" not in page


def test_every_series_is_there_at_zero() -> None:
    """Prometheus does not see the first increase of a series that begins with it."""
    found = samples(Exposition(BINS, WHO).page(BINS.zero))
    assert len(found) == BINS.size + 2
    assert set(found.values()) == {0.0}
