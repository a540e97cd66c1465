"""Raw values and what is counted of them, for the proofs of shipway.drift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.reference import Histogram, Reference
from shipway.drift.bins import Bins
from shipway.drift.space import Sample, Space

Numbers = NDArray[np.float64]


def histogram(values: Numbers, bins: int) -> Histogram:
    """Returns quantile bins, as training makes them."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Histogram(edges=(), counts=(0,), nulls=len(values))
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return Histogram(
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
        nulls=len(values) - len(known),
        minimum=float(known.min()),
        maximum=float(known.max()),
        mean=float(known.mean()),
        deviation=float(known.std()),
    )


def bins_of(values: Numbers, count: int = 50) -> Bins:
    """Returns the bins of a table, (rows, fields); its last column stands for the predictions."""
    names = [f"f{number:02d}" for number in range(values.shape[1] - 1)]
    fields = {name: histogram(values[:, number], count) for number, name in enumerate(names)}
    return Bins.of(Reference(predictions=histogram(values[:, -1], count), fields=fields))


@dataclass(frozen=True)
class Pair:
    """One field: raw values of both samples, and both counted."""

    space: Space
    raw_reference: Numbers
    raw_current: Numbers
    reference: Sample
    current: Sample


def pair(reference: Numbers, current: Numbers, count: int) -> Pair:
    """Returns both samples in the bins of the first."""
    bins = bins_of(reference[:, None], count)
    space = Space.of(bins)
    counted = bins.count(current[:, None])
    return Pair(
        space,
        reference,
        current,
        Sample(space.table(bins.expected), np.full((1, 2), np.nan)),
        Sample(space.table(counted.counts), counted.excess),
    )


def random_pair(chance: np.random.Generator) -> Pair:
    """Returns samples of random sizes, shapes, ties, shifts, tails and nulls in few or many bins."""
    sizes = chance.integers(2, 400, size=2)
    shape = chance.integers(5)

    def draw(size: int) -> Numbers:
        if shape == 0:
            return chance.normal(size=size)
        if shape == 1:
            return chance.standard_cauchy(size=size)
        if shape == 2:
            return chance.exponential(size=size)
        if shape == 3:
            return chance.integers(0, int(chance.integers(1, 9)), size=size).astype(np.float64)
        return np.round(chance.normal(size=size), int(chance.integers(0, 3)))

    reference = draw(int(sizes[0]))
    current = draw(int(sizes[1])) * chance.choice([1.0, 1.0, 0.5, 3.0]) + chance.choice([0.0, 0.0, 0.3, -2.0, 10.0])
    for values in (reference, current):
        if chance.random() < 0.3:
            values[chance.random(len(values)) < 0.2] = np.nan
    return pair(reference, current, int(chance.integers(1, 51)))
