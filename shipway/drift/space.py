"""All fields of a version side by side: one table of counts, a row a field; a statistic is a few array operations.

The columns of the table are the same for every field:

    below | inner bins, the first ones used | above | other | null

A field with fewer inner bins, or without tails, has columns that are never filled; they have no width and no mass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shipway.drift.bins import Bins, FieldBins

__all__ = ["Sample", "Space"]

Numbers = NDArray[np.float64]
# Columns beside the inner bins: below in front of them, above, other and null behind.
_BESIDE = 4


@dataclass(frozen=True, eq=False)
class Space:
    """The bins of F fields as a table of K columns.

    Args:
        names: of the fields.
        gather: where each cell lies in a flat array of counts with one zero behind it, (F, K).
        used: whether a cell is a bin of the field, (F, K).
        widths: of the inner bins, in the field's unit; 0 beside them, (F, K).
        numeric: whether the field's inner bins lie on a line, (F,).
        bounded: whether it is known where they begin and end, (F,).
        deviation: the reference's standard deviation; NaN where there is none or it is 0, (F,).
    """

    names: tuple[str, ...]
    gather: NDArray[np.intp]
    used: NDArray[np.bool_]
    widths: Numbers
    numeric: NDArray[np.bool_]
    bounded: NDArray[np.bool_]
    deviation: Numbers

    @classmethod
    def of(cls, bins: Bins) -> Self:
        """Returns the table of these bins."""
        rows = [_row(one, int(offset)) for one, offset in zip(bins.fields, bins.offsets, strict=False)]
        inner = max((len(one[0]) for one in rows), default=0)
        shape = (len(rows), inner + _BESIDE)
        gather = np.full(shape, bins.size, dtype=np.intp)
        widths = np.zeros(shape)
        for row, (cells, beside, boundaries) in enumerate(rows):
            gather[row, 1 : 1 + len(cells)] = cells
            gather[row, [0, -3, -2, -1]] = [bins.size if one is None else one for one in beside]
            if len(boundaries):
                widths[row, 1 : 1 + len(cells)] = np.diff(boundaries)
        deviation = np.array([one.deviation for one in bins.fields], dtype=np.float64)
        return cls(
            tuple(one.name for one in bins.fields),
            gather,
            gather < bins.size,
            widths,
            np.array([one.codes is None for one in bins.fields], dtype=np.bool_),
            np.array([len(one.boundaries) > 0 for one in bins.fields], dtype=np.bool_),
            np.where(deviation > 0, deviation, np.nan),
        )

    def table(self, counts: NDArray[np.generic]) -> Numbers:
        """Returns flat counts, (..., `Bins.size`), as a table, (..., F, K)."""
        behind = np.zeros((*counts.shape[:-1], 1))
        return np.concatenate([counts.astype(np.float64), behind], axis=-1)[..., self.gather]

    def only(self, fields: Sequence[int] | NDArray[np.intp]) -> "Space":
        """Returns the table of some of the fields, by their numbers."""
        chosen = np.asarray(fields, dtype=np.intp)
        return Space(
            tuple(self.names[int(one)] for one in chosen),
            self.gather[chosen],
            self.used[chosen],
            self.widths[chosen],
            self.numeric[chosen],
            self.bounded[chosen],
            self.deviation[chosen],
        )


def _row(field: FieldBins, offset: int) -> tuple[list[int], tuple[int | None, ...], Numbers]:
    """Returns where the inner bins lie, where below, above, other and null lie, and the boundaries."""
    inner = list(range(len(field)))[field.inner]
    below, above = (0, field.null - 1) if field.has_tails else (None, None)
    other = field.null - 1 if field.codes is not None else None
    beside = tuple(None if one is None else offset + one for one in (below, above, other, field.null))
    return [offset + one for one in inner], beside, field.boundaries


@dataclass(frozen=True, eq=False)
class Sample:
    """What was counted, as a table.

    Args:
        counts: (..., F, K); whole numbers, or fractions once divided by a design effect.
        excess: sums of the values' distances beyond the line's ends, below and above, divided alike, (..., F, 2); NaN
            where unknown.
    """

    counts: Numbers
    excess: Numbers

    @cached_property
    def rows(self) -> Numbers:
        """All rows of each field, nulls included, (..., F)."""
        return self.counts.sum(axis=-1)

    @cached_property
    def nulls(self) -> Numbers:
        """The nulls of each field, (..., F)."""
        return self.counts[..., -1]

    @cached_property
    def numbers(self) -> Numbers:
        """The rows that lie on the line, (..., F)."""
        return self.counts[..., :-2].sum(axis=-1)

    @cached_property
    def distribution(self) -> Numbers:
        """The share of the numbers that lie below each edge, 0 first and 1 last, (..., F, K - 1); NaN without any."""
        cumulated = np.cumsum(self.counts[..., :-2], axis=-1)
        zero = np.zeros((*cumulated.shape[:-1], 1))
        return np.concatenate([zero, cumulated], axis=-1) / self.numbers[..., None]

    @cached_property
    def tail_areas(self) -> Numbers:
        """The area between the line's ends and the values beyond, per number, (..., F, 2); NaN where it is unknown.

        It is the integral of the distribution below the smallest value, and of 1 minus it above the greatest.
        """
        return np.where(self.counts[..., [0, -3]] > 0, self.excess, 0.0) / self.numbers[..., None]

    def divided(self, by: Numbers) -> "Sample":
        """Returns the sample as if it had so many times fewer rows, (F,)."""
        return Sample(self.counts / by[:, None], self.excess / by[:, None])
