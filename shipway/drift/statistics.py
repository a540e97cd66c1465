"""The drift statistics: each a function of two samples' counts, with its unit, its interval and the side that alarms.

A row of STATISTICS is all that one needs: results, calibration, proofs and the table in docs/ are made from it. Every
function judges all fields at once and also a stack of samples. A score that cannot be had is NaN here, and None
in a result: the number of rows says why.

Where the counts say all there is to know, as they do for a statistic of bins, low and high are the score. Those of
Kolmogorov and Smirnov and of Wasserstein speak of the values themselves: [low, high] is what they can be, given the
counts. No other interval is certain that is narrower, but for the last row or two in a bin.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from shipway.drift.space import Sample, Space

__all__ = ["STATISTICS", "Measured", "Statistic", "measure"]

Numbers = NDArray[np.float64]
Measure = Callable[[Space, Sample, Sample], "Measured"]

# Krichevsky and Trofimov's half a row, for bins in which one of two samples has none.
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Measured:
    """One statistic of all fields, each (..., F).

    Args:
        score: its value; NaN where it cannot be had.
        low, high: what the value can be, given the counts.
        pivot: the score made independent of how many rows there are, where chance alone is at work; it grows with the
            score, and its upper tail falls like that of a chi-squared variable, exponentially.
        scale: 1/n + 1/m of the rows that were compared.
    """

    score: Numbers
    low: Numbers
    high: Numbers
    pivot: Numbers
    scale: Numbers


@dataclass(frozen=True, eq=False)
class Statistic:
    """One row of the registry; every statistic alarms above its threshold.

    Args:
        name: as in results, metrics and docs.
        title: for people.
        unit: of the score; `field` is the field's own.
        meaning: what the score says, one sentence.
        source: of the formula.
        measure: the function.
        threshold: the score of a pivot, given the scale and the reference, each (F,).
        numbers_only: whether categories have it.
        judges: whether a field's verdict rests on it; the others are told.
        least_decay: how far the pivot goes at least while its upper tail falls by a factor of e.
    """

    name: str
    title: str
    unit: str
    meaning: str
    source: str
    measure: Measure
    threshold: Callable[[Numbers, Numbers, Sample], Numbers]
    numbers_only: bool
    judges: bool
    least_decay: float


def psi(_space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns the population stability index, corrected for its bias.

    sum (p - q) ln(p / q) - (B - 1)(1/n + 1/m), with p = (count + 1/2) / (n + B/2) over the B bins in which either
    sample has a row. Without drift PSI / (1/n + 1/m) is a chi-squared variable of B - 1 degrees in the limit, so the
    correction takes away what chance alone adds; the result is about 0 without drift and may be below.
    Yurdakul & Naranjo, Journal of Risk Model Validation 14(4), 2020.
    """
    seen, bins = _seen(reference, current)
    expected = (reference.counts + _HALF) / (reference.rows + bins * _HALF)[..., None]
    found = (current.counts + _HALF) / (current.rows + bins * _HALF)[..., None]
    total = np.sum((expected - found) * np.log(expected / found), axis=-1, where=seen)
    scale = _scale(reference.rows, current.rows)
    score = total - (bins - 1) * scale
    return Measured(score, score, score, score / scale, scale)


def chi2(_space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns Pearson's chi-squared of the two rows of counts.

    sum (sqrt(m/n) r - sqrt(n/m) c)^2 / (r + c) over bins with a row; B - 1 degrees of freedom.
    Press et al., Numerical Recipes, 3rd edition, 14.3.3; the same as Pearson's of the 2 x B table.
    """
    ratio = np.sqrt(current.rows / reference.rows)[..., None]
    both = reference.counts + current.counts
    terms = (reference.counts * ratio - current.counts / ratio) ** 2 / np.where(both > 0, both, 1.0)
    score = terms.sum(axis=-1)
    return Measured(score, score, score, score, _scale(reference.rows, current.rows))


def jensen_shannon(_space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns the Jensen-Shannon distance in base 2: 0 for the same shares, 1 for disjoint ones.

    sqrt(H((p + q)/2) - (H(p) + H(q))/2), H the entropy in bits. Near the same shares 8 ln 2 times its square is the
    sum of (p - q)^2 / ((p + q)/2), so over 1/n + 1/m it is a chi-squared variable in the limit.
    Endres & Schindelin, IEEE Transactions on Information Theory 49(7), 2003.
    """
    p = reference.counts / reference.rows[..., None]
    q = current.counts / current.rows[..., None]
    nats = np.sum(_entropy_term(p) + _entropy_term(q) - 2 * _entropy_term((p + q) / 2), axis=-1) / 2
    divergence = np.maximum(nats, 0.0) / np.log(2)
    scale = _scale(reference.rows, current.rows)
    score = np.sqrt(divergence)
    return Measured(score, score, score, 8 * np.log(2) * divergence / scale, scale)


def missingness(_space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns by how much the share of nulls differs, more or fewer.

    |q - p|. The pivot is the squared difference of 2 arcsin sqrt(share) over 1/n + 1/m, whose variance depends on no
    share: Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition, 6.2.
    """
    expected, found = reference.nulls / reference.rows, current.nulls / current.rows
    score = np.abs(found - expected)
    scale = _scale(reference.rows, current.rows)
    return Measured(score, score, score, (_arc(found) - _arc(expected)) ** 2 / scale, scale)


def ks(space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns Kolmogorov-Smirnov's greatest difference of the two distributions, at the edges of the bins.

    Both distributions are known exactly at each edge, so sup |F - G| of the values is no less. Within a bin F may lie
    anywhere between its values at the two edges, and so may G: it is at most the greatest of F(right) - G(left) and
    G(right) - F(left), above the score by no more than the mass of one bin.
    """
    f, g = reference.distribution, current.distribution
    score = np.abs(f - g).max(axis=-1)
    high = np.maximum(f[..., 1:] - g[..., :-1], g[..., 1:] - f[..., :-1]).max(axis=-1)
    scale = _scale(reference.numbers, current.numbers)
    lies = np.where(space.numeric, 1.0, np.nan)
    return Measured(score * lies, score * lies, high * lies, score**2 / scale * lies, scale)


def w1_raw(space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns Wasserstein-1, the area between the two distributions, in the field's own unit.

    The score takes the values in a bin for evenly spread, so that both distributions are straight lines there. The
    bounds let each step anywhere in its bin. Beyond the ends the areas A and B on the outer side of F and G follow
    from the sums of distances there: |A - B| at least, A + B at most, the same where one of them has no value.
    Vallender, Theory of Probability and its Applications 18(4), 1973 (the area is the distance).
    """
    f, g = reference.distribution, current.distribution
    difference = f - g
    left, right = difference[..., :-1], difference[..., 1:]
    size = np.abs(left) + np.abs(right)
    # The area between two lines that cross: two triangles.
    crossed = (left**2 + right**2) / (2 * np.where(size > 0, size, 1.0))
    even = np.where(left * right < 0, crossed, size / 2)
    forth, back = f[..., :-1] - g[..., 1:], g[..., :-1] - f[..., 1:]
    widths = space.widths[..., :-2]
    least = np.maximum(np.maximum(forth, back), 0.0)
    # F(right) - G(left) is -back: whichever order of the steps leaves more between them.
    most = np.maximum(-forth, -back)
    area_f, area_g = reference.tail_areas, current.tail_areas
    apart, together = np.abs(area_f - area_g), area_f + area_g
    known = np.where(space.numeric & space.bounded, 1.0, np.nan)
    score = (even * widths).sum(axis=-1) + np.nan_to_num(apart).sum(axis=-1)
    low = (least * widths).sum(axis=-1) + np.nan_to_num(apart).sum(axis=-1)
    high = (most * widths).sum(axis=-1) + np.where(np.isnan(together), np.inf, together).sum(axis=-1)
    scale = _scale(reference.numbers, current.numbers)
    # Without a single number both are NaN, and must not pass for infinite.
    known = known * np.where(np.isnan(scale) | np.isinf(scale), np.nan, 1.0)
    return Measured(score * known, low * known, high * known, score**2 / scale * known, scale)


def w1_normalised(space: Space, reference: Sample, current: Sample) -> Measured:
    """Returns Wasserstein-1 in standard deviations of the reference; NaN where the reference is constant."""
    raw, unit = w1_raw(space, reference, current), space.deviation
    return Measured(raw.score / unit, raw.low / unit, raw.high / unit, raw.pivot / unit**2, raw.scale)


def _seen(reference: Sample, current: Sample) -> tuple[NDArray[np.bool_], Numbers]:
    """Returns in which bins either sample has a row, and how many these are."""
    seen = (reference.counts + current.counts) > 0
    return seen, seen.sum(axis=-1).astype(np.float64)


def _scale(n: Numbers, m: Numbers) -> Numbers:
    return 1 / n + 1 / m


def _entropy_term(share: Numbers) -> Numbers:
    return share * np.log(np.where(share > 0, share, 1.0))


def _arc(share: Numbers) -> Numbers:
    return 2 * np.arcsin(np.sqrt(np.minimum(share, 1.0)))


def _linear(pivot: Numbers, scale: Numbers, _reference: Sample) -> Numbers:
    return pivot * scale


def _root(pivot: Numbers, scale: Numbers, _reference: Sample) -> Numbers:
    return np.sqrt(pivot * scale)


def _itself(pivot: Numbers, _scale: Numbers, _reference: Sample) -> Numbers:
    return pivot


def _distance(pivot: Numbers, scale: Numbers, _reference: Sample) -> Numbers:
    return np.sqrt(pivot * scale / (8 * np.log(2)))


def _more_nulls(pivot: Numbers, scale: Numbers, reference: Sample) -> Numbers:
    share = reference.nulls / reference.rows
    angle = np.minimum(_arc(share) + np.sqrt(pivot * scale), np.pi)
    return np.sin(angle / 2) ** 2 - share


_ROWS = (
    Statistic(
        "psi",
        "Population stability index",
        "nat",
        "how surprising the shares of the bins are, both ways, less what chance adds",
        "Yurdakul & Naranjo 2020",
        psi,
        _linear,
        numbers_only=False,
        judges=True,
        least_decay=1.0,
    ),
    Statistic(
        "ks",
        "Kolmogorov-Smirnov",
        "ratio",
        "the greatest share of rows that moved past one point",
        "Kolmogorov 1933, Smirnov 1939",
        ks,
        _root,
        numbers_only=True,
        judges=True,
        least_decay=0.45,
    ),
    Statistic(
        "missingness",
        "Missingness",
        "ratio",
        "by how much the share of nulls differs",
        "Cohen 1988",
        missingness,
        _more_nulls,
        numbers_only=False,
        judges=True,
        least_decay=2.0,
    ),
    Statistic(
        "w1_normalised",
        "Wasserstein-1, normalised",
        "reference standard deviations",
        "how far the values moved on average, in standard deviations of the reference",
        "Vallender 1973",
        w1_normalised,
        _root,
        numbers_only=True,
        judges=False,
        least_decay=0.0,
    ),
    Statistic(
        "w1_raw",
        "Wasserstein-1, raw",
        "field",
        "how far the values moved on average, in the field's own unit",
        "Vallender 1973",
        w1_raw,
        _root,
        numbers_only=True,
        judges=False,
        least_decay=0.0,
    ),
    Statistic(
        "jensen_shannon",
        "Jensen-Shannon distance",
        "root of bits",
        "how well one row tells which sample it is from: 0 not at all, 1 for certain",
        "Endres & Schindelin 2003",
        jensen_shannon,
        _distance,
        numbers_only=False,
        judges=False,
        least_decay=1.0,
    ),
    Statistic(
        "chi2",
        "Pearson's chi-squared",
        "1",
        "the squared differences of the bins, each against what chance does there",
        "Press et al. 2007",
        chi2,
        _itself,
        numbers_only=False,
        judges=False,
        least_decay=1.0,
    ),
)
STATISTICS: Mapping[str, Statistic] = MappingProxyType({row.name: row for row in _ROWS})


def measure(space: Space, reference: Sample, current: Sample) -> dict[str, Measured]:
    """Returns every statistic by its name, of all fields at once; NaN where it cannot be had."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: one.measure(space, reference, current) for name, one in STATISTICS.items()}
