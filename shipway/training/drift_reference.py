"""The drift reference of a version: quantile bins of its validation predictions, inputs and labels."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shipway.bundle.reference import Categories, Histogram, Labelled, Reference, Segment
from shipway.contract.derived import field_of, value_of
from shipway.contract.errors import SpecError
from shipway.contract.metrics import PREDICTION_BINS
from shipway.contract.schema import FieldKind, Schema
from shipway.drift.bins import Bins, FieldBins

__all__ = ["FEATURE_BINS", "Watched", "build_reference", "histogram"]

# Quantile bins of one input; finer than the predictions', because drift of an input is looked for in its shape.
FEATURE_BINS = 50

# Categories that are counted by name; the rest share one bin.
_TOP_CATEGORIES = 50

# Values of a field that are segments of their own, the most frequent ones.
_SEGMENTS_A_FIELD = 20

# A quarter: enough to know how far days differ.
_DAYS = 92


@dataclass(frozen=True)
class Watched:
    """What a reference holds beside distributions.

    Args:
        labels: of the rows, None where there are none.
        segments: request fields of kind category whose values are looked at one by one.
        times: when each row was asked, None where the plan does not say.
        importances: input -> share.
    """

    labels: NDArray[np.float64] | None = None
    segments: Sequence[str] = ()
    times: "pd.Series[pd.Timestamp] | None" = None
    importances: Mapping[str, float] = field(default_factory=dict[str, float])


def build_reference(
    rows: pd.DataFrame, predictions: NDArray[np.float64], schema: Schema, watched: Watched | None = None
) -> Reference:
    """Returns the reference of a validation set.

    Vectors and timestamps have no bins, and texts and pictures only those of the measures their schema names: they
    never repeat. Personal fields have none either.

    Args:
        rows: request fields and features, with nulls where the store had no value.
        predictions: the version's answers for `rows`.
        schema: the kind of each request field.
        watched: what else is told of them.

    Raises:
        SpecError: for a segment that is no request field of kind category, or a personal one.
    """
    watched = watched or Watched()
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
    for name in (name for one in schema.fields for name in one.derived):
        values = [value_of({field_of(name): value}, name) for value in rows[field_of(name)]]
        rows = rows.assign(**{name: np.array(values, dtype=float)})
        fields[name] = histogram(rows[name].to_numpy(), FEATURE_BINS)
    reference = Reference(predictions=histogram(predictions, PREDICTION_BINS), fields=fields)
    public = {name: kind for name, kind in kinds.items() if name not in personal}
    return reference.model_copy(update=_beside(reference, rows, predictions, public, watched))


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


def _beside(
    reference: Reference,
    rows: pd.DataFrame,
    predictions: NDArray[np.float64],
    kinds: Mapping[str, FieldKind],
    watched: Watched,
) -> dict[str, Any]:
    """Returns what a reference holds beside distributions."""
    bins = Bins.of(reference)
    coded = np.column_stack(
        [*([one.code(value) for value in rows[one.name]] for one in bins.fields[:-1]), predictions]
    ).astype(np.float64)
    labels, by_label = watched.labels, None
    if labels is not None:
        by_label = FieldBins.of("label", histogram(labels, PREDICTION_BINS))

    def part(chosen: NDArray[np.bool_]) -> Segment:
        counts = tuple(bins.count(coded[chosen]).counts.tolist())
        means = tuple(
            _mean(column) if one.codes is None else None
            for one, column in zip(bins.fields, coded[chosen].T, strict=True)
        )
        if labels is None or by_label is None:
            return Segment(counts=counts, means=means)
        relation = _relation(bins.fields[-1], by_label, predictions[chosen], labels[chosen])
        return Segment(
            counts=counts,
            means=means,
            label_mean=_mean(labels[chosen]),
            labels=tuple(relation.sum(axis=0).tolist()),
            relation=tuple(tuple(line) for line in relation.tolist()),
        )

    labelled = None
    if labels is not None and by_label is not None:
        labelled = Labelled(
            distribution=histogram(labels, PREDICTION_BINS),
            relation=part(np.ones(len(rows), dtype=np.bool_)).relation,
            days=tuple(_days(Bins([by_label]), labels[:, None], watched.times)),
        )
    return {
        "labels": labelled,
        # Six digits rank well enough, and are the same on every machine.
        "importances": {name: round(watched.importances[name], 6) for name in sorted(watched.importances)},
        "segments": {name: part(chosen) for name, chosen in _segments(rows, kinds, watched.segments)},
        "days": tuple(_days(bins, coded, watched.times)),
    }


def _mean(values: NDArray[np.float64]) -> float | None:
    """Returns the mean of the numbers among `values`, rounded once."""
    known = values[np.isfinite(values)].tolist()
    return math.fsum(known) / len(known) if known else None


def _relation(
    by_prediction: FieldBins, by_label: FieldBins, predictions: NDArray[np.float64], labels: NDArray[np.float64]
) -> NDArray[np.int64]:
    relation = np.zeros((len(by_prediction), len(by_label)), dtype=np.int64)
    np.add.at(relation, (by_prediction.index(predictions), by_label.index(labels)), 1)
    return relation


def _segments(
    rows: pd.DataFrame, kinds: Mapping[str, FieldKind], names: Sequence[str]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yields each segment with which rows lie in it."""
    for name in names:
        if kinds.get(name) is not FieldKind.CATEGORY:
            known = ", ".join(sorted(one for one, kind in kinds.items() if kind is FieldKind.CATEGORY)) or "none"
            raise SpecError("model.yaml", "segments", name, f"request fields of kind category: {known}")
        values = rows[name].to_numpy(dtype=object)
        for value in list(_categories(rows[name]).counts)[:_SEGMENTS_A_FIELD]:
            yield f"{name}={value}", values == value


def _days(bins: Bins, coded: NDArray[np.float64], times: "pd.Series[pd.Timestamp] | None") -> Iterator[tuple[int, ...]]:
    """Yields the counts of the last days, in UTC and in order; none without times."""
    if times is None:
        return
    days = times.dt.tz_convert("UTC").dt.floor("D").to_numpy()
    for day in np.unique(days)[-_DAYS:]:
        yield tuple(bins.count(coded[days == day]).counts.tolist())
