"""The bins in which a model's inputs and predictions are counted: fixed by its drift reference, so by its digest.

A number falls into one of

    below | inner bins 0 .. B-1 | above | null

where `below` and `above` are the tails beyond the reference's smallest and greatest value; they, and a null that the
reference never saw, have no reference mass. A category falls into

    0 .. k-1 (the reference's most frequent ones, by name) | other (rare or new) | null

Both are the same rule on sorted edges: the bin of a value is how many edges are at most the value. A category counts
by its code, its place among the names; a null, NaN or an infinity is in the last bin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.reference import Categories, Histogram, Reference

__all__ = ["ABOVE", "BELOW", "NULL", "OTHER", "Bins", "Counted", "FieldBins"]

# Names of the bins that are no inner bin; an inner bin's or a category's name is its number.
BELOW, ABOVE, NULL, OTHER = "below", "above", "null", "other"

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FieldBins:
    """The bins of one request field, feature (`view:feature`) or of the predictions.

    Args:
        name: of the field; empty for the predictions.
        labels: the bins' names in order, as they stand in the label `bin`.
        edges: between the bins but the last, growing; an edge belongs to the bin above it.
        expected: the reference's count of each bin.
        codes: category -> its bin; None for numbers.
        boundaries: smallest value, inner edges, greatest value: one more than inner bins. Empty where the reference
            knows no smallest value, and for categories: there is one inner bin without bounds, or none then.
        mean, deviation: of the reference's numbers; NaN where it knows none.
    """

    name: str
    labels: tuple[str, ...]
    edges: Numbers
    expected: Counts
    codes: Mapping[str, int] | None
    boundaries: Numbers
    mean: float
    deviation: float

    @classmethod
    def of(cls, name: str, reference: Histogram | Categories) -> Self:
        """Returns the bins of one field."""
        if isinstance(reference, Categories):
            return cls._of_categories(name, reference)
        inner = np.asarray(reference.edges, dtype=np.float64)
        labels = tuple(str(number) for number in range(len(inner) + 1))
        if reference.minimum is None or reference.maximum is None:
            edges, boundaries = inner, np.empty(0)
            labels, expected = (*labels, NULL), (*reference.counts, reference.nulls)
        else:
            # The smallest number above the greatest value: an edge belongs to the bin above it, the value does not.
            edges = np.array([reference.minimum, *inner, np.nextafter(reference.maximum, np.inf)])
            boundaries = np.array([reference.minimum, *inner, reference.maximum])
            labels, expected = (BELOW, *labels, ABOVE, NULL), (0, *reference.counts, 0, reference.nulls)
        unknown = float("nan")
        return cls(
            name,
            labels,
            edges,
            np.asarray(expected, dtype=np.int64),
            None,
            boundaries,
            unknown if reference.mean is None else reference.mean,
            unknown if reference.deviation is None else reference.deviation,
        )

    @classmethod
    def _of_categories(cls, name: str, reference: Categories) -> Self:
        names = sorted(reference.counts)
        expected = [*(reference.counts[one] for one in names), reference.other, reference.nulls]
        return cls(
            name,
            (*(str(number) for number in range(len(names))), OTHER, NULL),
            np.arange(1, len(names) + 1, dtype=np.float64),
            np.asarray(expected, dtype=np.int64),
            {one: number for number, one in enumerate(names)},
            np.empty(0),
            float("nan"),
            float("nan"),
        )

    def __len__(self) -> int:
        """The number of bins, tails and null included."""
        return len(self.labels)

    @property
    def has_tails(self) -> bool:
        """Whether the first and the last bin but one are tails."""
        return self.labels[0] == BELOW

    @property
    def null(self) -> int:
        """The bin of nulls, the last one."""
        return len(self.labels) - 1

    @property
    def inner(self) -> slice:
        """The bins in which the reference has its mass: without tails, null and other."""
        return slice(1, self.null - 1) if self.has_tails else slice(0, len(self.edges) + (self.codes is None))

    def code(self, value: object) -> float:
        """Returns the number under which a value is counted: itself, a category's code, NaN for null."""
        if value is None:
            return float("nan")
        if self.codes is not None:
            return float(self.codes.get(str(value), len(self.codes)))
        return float(value)  # pyright: ignore[reportArgumentType] - the schema let numbers through, nothing else

    def index(self, values: Sequence[object] | Numbers) -> NDArray[np.intp]:
        """Returns the bin of each value: numbers, or a category's names; None, NaN and infinities are null.

        >>> bins = FieldBins.of("x", Histogram(edges=(0.5,), counts=(1, 1), minimum=0.0, maximum=1.0))
        >>> [bins.labels[one] for one in bins.index([-1, 0, 0.5, 1, 1.5, None])]
        ['below', '0', '1', '1', 'above', 'null']
        """
        if isinstance(values, np.ndarray) and values.dtype == np.float64:
            numbers = values
        else:
            numbers = np.fromiter((self.code(value) for value in values), np.float64, len(values))
        found = np.searchsorted(self.edges, numbers, side="right")
        return np.where(np.isfinite(numbers), found, self.null)


@dataclass(frozen=True, eq=False)
class Counted:
    """What was counted of some rows.

    Args:
        counts: rows in each bin of each field, (`Bins.size`,).
        excess: how far the values of each field's lower and upper tail lie beyond the reference's range, summed,
            (fields, 2), never negative; without it no bound holds for how far out a tail lies.
    """

    counts: Counts
    excess: Numbers

    def __add__(self, other: "Counted") -> "Counted":
        """Returns what was counted of both."""
        return Counted(self.counts + other.counts, self.excess + other.excess)


class Bins:
    """The bins of all fields of a version, side by side in one array of counts.

    Args:
        fields: the bins of each field, in the order of a row; field `i` has the counts from `offsets[i]` to before
            `offsets[i + 1]`.
    """

    def __init__(self, fields: Sequence[FieldBins]) -> None:
        self.fields = tuple(fields)
        self.offsets: NDArray[np.intp] = np.concatenate([[0], np.cumsum([len(one) for one in fields], dtype=np.intp)])
        self.size = int(self.offsets[-1])
        # Infinities count as null. They sort before and behind every number, a NaN behind them.
        self._edges = [np.concatenate([[-np.finfo(np.float64).max], one.edges, [np.inf]]) for one in self.fields]
        # The fields that have tails, and where those count.
        self._tailed = np.array([number for number, one in enumerate(self.fields) if one.has_tails], dtype=np.intp)
        self._lower, self._upper = self.offsets[:-1][self._tailed], self.offsets[1:][self._tailed] - 2

    @classmethod
    def of(cls, reference: Reference) -> Self:
        """Returns the bins of a bundle's reference.json: the fields by name, then, without one, the predictions."""
        named = [FieldBins.of(name, reference.fields[name]) for name in sorted(reference.fields)]
        return cls([*named, FieldBins.of("", reference.predictions)])

    @property
    def expected(self) -> Counts:
        """The reference's count of each bin, (`size`,)."""
        return np.concatenate([one.expected for one in self.fields]) if self.fields else np.empty(0, dtype=np.int64)

    @property
    def zero(self) -> Counted:
        """What was counted of no rows."""
        return Counted(np.zeros(self.size, dtype=np.int64), np.zeros((len(self.fields), 2)))

    def split(self, counts: Counts) -> dict[str, Counts]:
        """Returns the counts of each field by its name, views of `counts`."""
        return {
            one.name: counts[low:high]
            for one, low, high in zip(self.fields, self.offsets, self.offsets[1:], strict=False)
        }

    def index(self, rows: Numbers) -> NDArray[np.intp]:
        """Returns where each value counts in an array of `size`, (rows, fields).

        Args:
            rows: values by `FieldBins.code`, (rows, fields).
        """
        found = np.empty(rows.shape, dtype=np.intp)
        for number, one in enumerate(self.fields):
            found[:, number] = one.index(np.ascontiguousarray(rows[:, number])) + self.offsets[number]
        return found

    def count(self, rows: Numbers) -> Counted:
        """Returns what is counted of `rows`, the same as counting `index`.

        Each column is sorted and the few edges are searched in it, instead of each value among the edges: sorting
        uses vector instructions, and takes a seventh of the time.

        Args:
            rows: values by `FieldBins.code`, (rows, fields).
        """
        columns = rows.T.copy()
        columns.sort(axis=1)
        # How many values lie below each edge, field after field. The difference of neighbours is a bin, but the one
        # from a field's last edge to the next field's first: that is where its nulls stand.
        below = np.concatenate([column.searchsorted(edges) for column, edges in zip(columns, self._edges, strict=True)])
        counts = np.empty(self.size, dtype=np.int64)
        np.subtract(below[1:], below[:-1], out=counts[:-1])
        firsts, nulls = self.offsets[:-1], self.offsets[1:] - 1
        counts[nulls] = len(rows) - below[nulls] + below[firsts]
        return Counted(counts, self._excess(columns, below, counts))

    def _excess(self, columns: Numbers, below: Counts, counts: Counts) -> Numbers:
        """Returns `Counted.excess` of sorted columns; few batches have many values beyond what the reference saw."""
        excess = np.zeros((len(self.fields), 2))
        number: int
        for number in self._tailed[counts[self._lower] > 0].tolist():
            low = self.offsets[number]
            found = columns[number, below[low] : below[low + 1]]
            excess[number, 0] = (self.fields[number].boundaries[0] - found).sum()
        for number in self._tailed[counts[self._upper] > 0].tolist():
            null = self.offsets[number + 1] - 1
            found = columns[number, below[null - 1] : below[null]]
            excess[number, 1] = (found - self.fields[number].boundaries[-1]).sum()
        return excess
