"""Rows to statistics in one pass."""

import numpy as np
import pytest

from shipway.drift.raw import from_raw
from shipway.drift.reference import Reference
from shipway.drift.space import Sample
from shipway.drift.statistics import measure
from tests.shipway.drift.samples import bins_of


def test_raw_rows_are_their_counts() -> None:
    """More rows than a block give the statistics of the live counters that saw each of them."""
    chance = np.random.default_rng(0)
    bins = bins_of(chance.normal(size=(1000, 4)))
    rows = chance.normal(0.2, 1.5, size=(20_001, 4))
    rows[chance.random(rows.shape) < 0.05] = np.nan
    reference = Reference.of(bins)
    counted = bins.count(rows[:7000]) + bins.count(rows[7000:])
    live = measure(reference.space, reference.whole, Sample(reference.space.table(counted.counts), counted.excess))
    for name, one in from_raw(reference, bins, rows).items():
        for key in ("score", "low", "high"):
            assert getattr(one, key) == pytest.approx(getattr(live[name], key), rel=1e-12), (name, key)
