"""Rows to statistics in one pass: for a table that nobody counted while it came."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shipway.drift.bins import Bins
from shipway.drift.reference import Reference
from shipway.drift.space import Sample
from shipway.drift.statistics import Measured, measure

__all__ = ["counted", "from_raw"]

# A block of fifty columns stays in the cache while it is sorted.
_ROWS_A_BLOCK = 8192


def from_raw(reference: Reference, bins: Bins, rows: NDArray[np.float64]) -> Mapping[str, Measured]:
    """Returns every statistic of raw rows, by its name; the same as from live counters of these rows.

    Args:
        reference: what is compared with.
        bins: of the same version.
        rows: values by `FieldBins.code`, (rows, fields), in the order of `bins.fields`. No copy of them all is made.
    """
    return measure(reference.space, reference.whole, counted(reference, bins, rows))


def counted(reference: Reference, bins: Bins, rows: NDArray[np.float64]) -> Sample:
    """Returns what is counted of raw rows, a block at a time."""
    total = bins.zero
    for first in range(0, len(rows), _ROWS_A_BLOCK):
        total += bins.count(rows[first : first + _ROWS_A_BLOCK])
    return Sample(reference.space.table(total.counts), total.excess)
