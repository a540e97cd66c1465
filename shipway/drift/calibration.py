"""How great a statistic gets by chance: the reference, resampled at the size of the window.

Both samples are drawn anew from the reference's shares, because both are samples: with the reference held as it is, its
own chance would pass for drift. The shares have half a row more in each bin, so that a bin which the reference never
filled can be filled by chance. The tails are empty by the way they are made, because the reference's extremes are their
ends; how much of all rows lies beyond the extreme of n of them is a Beta(1, n) variable, and that is drawn as well.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shipway.drift.space import Sample, Space
from shipway.drift.statistics import STATISTICS, Statistic

__all__ = ["RESAMPLES", "Calibration", "Null", "design_effect", "observed", "resampled", "size_step"]

Numbers = NDArray[np.float64]

RESAMPLES = 4000
# Of a thousand resamples none says what happens once in ten thousand windows. Beyond the greatest twentieth the tail is
# taken for exponential: Knijnenburg et al., Bioinformatics 25(12), 2009, with the shape 0 of chi-squared variables.
_TAIL_RATIO = 0.05
# Below the tail so many quantiles tell the p-value to 0.025; nothing is found there.
_BODY_RATIOS = np.linspace(1.0, _TAIL_RATIO, 39)
# A pivot's distribution hardly depends on the size. Sizes are rounded down to steps of 2^(1/2), so that few are drawn.
_STEPS_PER_DOUBLING = 2
_HALF = 0.5
_Key = tuple[bytes, int, int, int]
# Some 3 KiB each: fifty fields at a hundred pairs of sizes.
_MOST_KEPT = 5000


def size_step(rows: float) -> int:
    """Returns the size that is resampled for a window of so many rows, at least 1.

    >>> [size_step(rows) for rows in (1, 999, 1000, 1024, 1448, 1449)]
    [1, 724, 724, 1024, 1024, 1448]
    """
    step = np.floor(np.log2(max(rows, 1.0)) * _STEPS_PER_DOUBLING + 1e-9)
    return int(2.0 ** (step / _STEPS_PER_DOUBLING))


@dataclass(frozen=True, eq=False)
class Null:
    """How the pivots are distributed without drift, (F, S, ...) in the order of STATISTICS; NaN where there is none.

    Args:
        body: quantiles at the upper ratios 1 .. 0.05, (F, S, Q).
        decay: how far a pivot goes while its tail beyond the last quantile falls by e, (F, S).
    """

    body: Numbers
    decay: Numbers

    def p_values(self, pivots: Numbers) -> Numbers:
        """Returns the probability of such a pivot or a greater one, (F, S); NaN where there is none."""
        behind = (self.body < pivots[..., None]).sum(axis=-1)
        # The last quantile below the pivot: the probability is at most its ratio, also where values repeat.
        within = _BODY_RATIOS[np.maximum(behind - 1, 0)]
        last = self.body[..., -1]
        beyond = _TAIL_RATIO * np.exp(-np.maximum(pivots - last, 0.0) / self.decay)
        known = np.isnan(pivots) | np.isnan(last)
        return np.where(known, np.nan, np.where(pivots > last, beyond, within))

    def pivot_at(self, level: float) -> Numbers:
        """Returns the pivot that is exceeded by chance with this probability, at most a twentieth, (F, S)."""
        if not 0 < level <= _TAIL_RATIO:
            raise ValueError(f"level ({level}): expected to be above 0 and at most {_TAIL_RATIO}")
        return self.body[..., -1] + self.decay * np.log(_TAIL_RATIO / level)


class Calibration:
    """Nulls by resampling, kept by field and size; one for a process.

    Args:
        chance: draws the resamples.
        resamples: of each field and size.
    """

    def __init__(self, chance: np.random.Generator, resamples: int = RESAMPLES) -> None:
        self._chance, self._resamples = chance, resamples
        self._kept: OrderedDict[_Key, tuple[Numbers, Numbers]] = OrderedDict()
        self._stacked: tuple[tuple[_Key, ...], Null] | None = None

    def null(self, space: Space, counts: Numbers, keys: tuple[bytes, ...], sizes: Numbers) -> Null:
        """Returns the null of every field; what was not drawn yet is drawn, some 60 ms a field.

        Args:
            space: the fields.
            counts: of their reference, (F, K).
            keys: what tells each field's reference from all others.
            sizes: rows of the reference, of the window, and of what the ends of the line are the extremes of, all
                divided by the design effect, (F, 3).
        """
        wanted = tuple(
            (key, size_step(n), size_step(m), size_step(extreme))
            for key, (n, m, extreme) in zip(keys, sizes.tolist(), strict=True)
        )
        if self._stacked is not None and self._stacked[0] == wanted:
            return self._stacked[1]
        for field, key in enumerate(wanted):
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                self._kept[key] = self._drawn(space.only([field]), counts[field], key[1:])
        parts = [self._kept[key] for key in wanted]
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        null = Null(np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts]))
        self._stacked = (wanted, null)
        return null

    def _drawn(self, space: Space, counts: Numbers, sizes: tuple[int, int, int]) -> tuple[Numbers, Numbers]:
        return _summaries(resampled(space, counts, sizes, self._chance, self._resamples), sizes[1])


def resampled(
    space: Space, counts: Numbers, sizes: tuple[int, int, int], chance: np.random.Generator, resamples: int
) -> Numbers:
    """Returns the pivots of one field between pairs of samples from its reference's shares, (S, resamples).

    Args:
        space: the one field.
        counts: its reference, (K,).
        sizes: rows of the two samples, and of what the ends of the line are the extremes of.
        chance: draws them.
        resamples: how many pairs.
    """
    n, m, extreme = sizes
    used = space.used[0]
    tails = [tail for tail in (0, -3) if used[tail] and counts[tail] == 0]
    shares = np.where(used, counts + _HALF, 0.0)
    shares[tails] = 0.0
    shares /= shares.sum()
    beyond = chance.binomial(m, chance.beta(1, extreme, size=(resamples, len(tails))))
    # Both tails together of a handful of rows: no more than all.
    beyond[:, 1:] = np.minimum(beyond[:, 1:], m - beyond[:, :1])
    expected = chance.multinomial(n, shares, size=resamples)
    found = chance.multinomial(m - beyond.sum(axis=1), shares)
    found[:, tails] = beyond
    nowhere = np.zeros((resamples, 1, 2))
    pair = [Sample(one[:, None, :].astype(np.float64), nowhere) for one in (expected, found)]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Filled, because what stacks arrays of any shape does not say of what.
        pivots: Numbers = np.empty((len(STATISTICS), resamples))
        for number, one in enumerate(STATISTICS.values()):
            pivots[number] = one.measure(space, *pair).pivot[:, 0]
    return pivots


def observed(pivots: Numbers, rows: Numbers) -> Null:
    """Returns the null that pivots of windows without drift make, as those of the reference's own windows.

    Args:
        pivots: of each window, (R, F, S); NaN where it has none.
        rows: of a window, about, (F,).
    """
    parts = [_summaries(pivots[:, field].T, float(rows[field])) for field in range(pivots.shape[1])]
    return Null(np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts]))


def _summaries(pivots: Numbers, rows: float) -> tuple[Numbers, Numbers]:
    parts = [_summary(row, one, rows) for row, one in zip(pivots, STATISTICS.values(), strict=True)]
    return np.stack([part[0] for part in parts]), np.array([part[1] for part in parts])


def _summary(pivots: Numbers, statistic: Statistic, rows: float) -> tuple[Numbers, float]:
    known = pivots[~np.isnan(pivots)]
    if not len(known):
        return np.full(len(_BODY_RATIOS), np.nan), np.nan
    body = np.quantile(known, 1 - _BODY_RATIOS, method="inverted_cdf")
    beyond = known[known >= body[-1]] - body[-1]
    # Never steeper than a single row more: few distinct values would make a tail of no length.
    return body, float(max(beyond.mean(), statistic.least_decay, 1 / rows))


def design_effect(days: Numbers, expected: Numbers | None = None) -> Numbers:
    """Returns how many times more the shares vary from day to day than by rows drawn one by one, at least 1, (F,).

    A value that is the same for all rows of an hour counts once an hour, not once a row. The mean over a field's bins
    of n var(p) / (p (1 - p)), weighted by 1 - p, with the variance of a mean over whole days: the first-order
    correction of Rao & Scott, Journal of the American Statistical Association 76(374), 1981.

    Args:
        days: counts of each of D days, (D, F, K). Fewer than two days tell nothing: 1.
        expected: the counts that one expects of each day where that is known, as from the same hours of the week,
            (D, F, K); by default those of all days together, scaled to the day.
    """
    count = len(days)
    if count < 2:
        return np.ones(int(days.shape[1]))
    rows = days.sum(axis=2, keepdims=True)
    total = rows.sum(axis=0)
    shares = days.sum(axis=0) / np.maximum(total, 1.0)
    residual = days - (rows * shares if expected is None else expected)
    variance = count / (count - 1) * (residual**2).sum(axis=0) / np.maximum(total, 1.0)
    some = shares > 0
    ratios = np.where(some, variance / np.where(some, shares, 1.0), 0.0)
    degrees = np.maximum(some.sum(axis=1) - 1, 1)
    effect: Numbers = ratios.sum(axis=1) / degrees
    return np.maximum(effect, 1.0)
