"""The drift reference: how predictions and inputs were distributed over the validation set, in fixed bins."""

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.contract.documents import Spec

__all__ = ["Categories", "Histogram", "Labelled", "Reference", "Segment"]

Count = Annotated[int, Field(ge=0)]


class Histogram(Spec):
    """Counts of numbers between inner edges: bin 0 lies below the first edge, the last bin from the last edge on.

    An edge belongs to the bin above it. Nulls, NaN and infinities are no numbers: they are counted apart, in `nulls`.

    Args:
        minimum, maximum: of the numbers counted; None where there was none. Beyond them begin the tails, in which the
            reference itself has no mass (see `shipway.drift.bins`).
        mean, deviation: of the same numbers; the deviation is the population's, divided by n.
    """

    edges: tuple[float, ...]
    counts: tuple[Count, ...]
    nulls: Count = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError(f"one count more than edges, not {len(self.counts)} counts and {len(self.edges)} edges")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("edges that grow strictly")
        if (self.minimum is None) != (self.maximum is None):
            raise ValueError(f"minimum ({self.minimum}) and maximum ({self.maximum}) together")
        if self.minimum is not None and self.maximum is not None:
            between = (self.minimum, *self.edges, self.maximum)
            if any(low > high for low, high in pairwise(between)):
                raise ValueError(f"every edge between minimum ({self.minimum}) and maximum ({self.maximum})")
        return self

    def bin(self, value: float) -> int:
        """Returns the number of the bin that `value` falls into.

        >>> Histogram(edges=(0.5,), counts=(1, 1)).bin(0.5)
        1
        """
        return bisect_right(self.edges, value)


class Categories(Spec):
    """Counts of the most frequent categories; the rest is in `other`, nulls apart."""

    counts: dict[str, Count]
    other: Count = 0
    nulls: Count = 0


class Labelled(Spec):
    """How the validation labels were distributed, and how they hung together with the predictions.

    Args:
        distribution: of the labels, in at most `contract.metrics.PREDICTION_BINS` bins.
        relation: for each bin of the predictions, the count of each bin of the labels; both with tails and nulls, as
            `shipway.drift.bins` names them.
        days: the counts of the labels' bins by day, as in `Reference.days`.
    """

    distribution: Histogram
    relation: tuple[tuple[Count, ...], ...]
    days: tuple[tuple[Count, ...], ...] = ()


class Segment(Spec):
    """The rows of one segment of the validation set.

    Args:
        counts: of inputs and predictions, in the order of `shipway.drift.bins.Bins`.
        means: of each of these fields; None for categories and where there is no number.
        label_mean: of the labels; None where they are not known.
        labels: of the labels' bins; empty where labels are not known, as is `relation`.
        relation: as in `Labelled`.
    """

    counts: tuple[Count, ...]
    means: tuple[float | None, ...]
    label_mean: float | None = None
    labels: tuple[Count, ...] = ()
    relation: tuple[tuple[Count, ...], ...] = ()


class Reference(Spec):
    """The content of a bundle's reference.json.

    Args:
        predictions: the validation predictions in at most `contract.metrics.PREDICTION_BINS` quantile bins.
        fields: request field or feature (`view:feature`) -> its distribution.
        labels: of the validation labels; None in references that are older than they.
        importances: input -> its share of what the version loses when inputs are shuffled, see
            `shipway.training.importance`.
        segments: `field=value` -> the rows of that segment.
        days: the counts of the validation set's last days one by one, in the order of `Bins`: how far days differ when
            nothing has changed. Empty where the plan says no times.
    """

    predictions: Histogram
    fields: dict[str, Histogram | Categories] = Field(default_factory=dict)
    labels: Labelled | None = None
    importances: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    segments: dict[str, Segment] = Field(default_factory=dict)
    days: tuple[tuple[Count, ...], ...] = ()
