"""The drift reference of a version: quantile bins of its validation predictions and inputs."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.bundle.reference import Categories, Histogram, Reference
from shipway.contract.metrics import PREDICTION_BINS
from shipway.contract.schema import FieldKind, Schema

__all__ = ["FEATURE_BINS", "build_reference", "histogram"]

# Quantile bins of one input; finer than the predictions', because drift of an input is looked for in its shape.
FEATURE_BINS = 50

# Categories that are counted by name; the rest share one bin.
_TOP_CATEGORIES = 50


def build_reference(rows: pd.DataFrame, predictions: NDArray[np.float64], schema: Schema) -> Reference:
    """Returns the reference of a validation set.

    Vectors, texts and timestamps have no bins: a free text or a time never repeats. Personal fields have none either.

    Args:
        rows: request fields and features, with nulls where the store had no value.
        predictions: the version's answers for `rows`.
        schema: the kind of each request field.
    """
    kinds = {field.name: field.kind for field in schema.fields}
    # A bundle travels further than a log: no person's word, and nobody's greatest value, goes with it.
    personal = {field.name for field in schema.fields if field.personal}
    fields: dict[str, Histogram | Categories] = {}
    for name in (str(column) for column in rows.columns if str(column) not in personal):
        kind = kinds.get(name, FieldKind.NUMBER)
        if kind in (FieldKind.NUMBER, FieldKind.INTEGER):
            fields[name] = histogram(rows[name].to_numpy(dtype=float), FEATURE_BINS)
        elif kind is FieldKind.CATEGORY:
            fields[name] = _categories(rows[name])
    return Reference(predictions=histogram(predictions, PREDICTION_BINS), fields=fields)


def histogram(values: NDArray[np.float64], bins: int) -> Histogram:
    """Returns the counts of `values` in at most `bins` bins of about equal mass; fewer where values repeat.

    No bin is empty: a bin that the reference itself never fills would only add noise to every comparison with it.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return Histogram(edges=(), counts=(0,), nulls=len(values))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    # Below the first and between two edges lies at least one value; so does one from the last edge on, a quantile.
    below = np.searchsorted(known, edges)
    edges = edges[np.diff(below, prepend=0) > 0]
    counts = np.diff(np.searchsorted(known, edges), prepend=0, append=len(known))
    numbers = [float(value) for value in known]
    # Sums rounded once: the same rows in another order give the same digest.
    mean = math.fsum(numbers) / len(numbers)
    deviation = math.hypot(*(number - mean for number in numbers)) / math.sqrt(len(numbers))
    return Histogram(
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
        nulls=int(len(values) - len(known)),
        minimum=numbers[0],
        maximum=numbers[-1],
        mean=mean,
        deviation=deviation,
    )


def _categories(values: "pd.Series[Any]") -> Categories:
    counted = Counter(str(value) for value in values.dropna())
    # Ties by name, so that the same data gives the same reference.
    top = dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:_TOP_CATEGORIES])
    nulls = int(values.isna().sum())
    return Categories(counts=top, other=counted.total() - sum(top.values()), nulls=nulls)
