"""What a slot sees, counted for drift: request fields, features and predictions, in the bins of its bundle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.reference import Categories, Reference
from shipway.contract.derived import is_derived, value_of
from shipway.contract.schema import Schema
from shipway.drift.bins import Bins, FieldBins
from shipway.drift.counters import Counters
from shipway.drift.exposition import Exposition
from shipway.serving.features import FeatureStatus, ServedFeature

__all__ = ["InputCounts"]

_NULL = float("nan")


class InputCounts:
    """Counts each row once, whoever answers it.

    A feature that was not fresh counts as null, as it did in training where the store had no value: its default says
    nothing about the world. A prediction that the model did not make is null too.

    Args:
        reference: the bundle's drift reference; a field or feature that it does not know has no bins.
        schema: the request's fields.
        features: the names of the features the model reads, in the order in which they are served.
        labels: what every series carries: model, version and slot.
    """

    def __init__(
        self, reference: Reference, schema: Schema, features: Sequence[str], labels: Mapping[str, str]
    ) -> None:
        known = reference.fields
        names = [*schema.names, *(name for field in schema.fields for name in field.derived)]
        fields = [FieldBins.of(name, known[name]) for name in sorted(names) if name in known]
        served = [(place, name) for place, name in enumerate(features) if name in known]
        numbers = [one for one in fields if not isinstance(known[one.name], Categories)]
        self._numbers = [(one.name, is_derived(one.name)) for one in numbers]
        self._categories = [one for one in fields if isinstance(known[one.name], Categories)]
        self._places = [place for place, _ in served]
        # A row is put together in this order: numbers, categories, features, the prediction.
        read = [FieldBins.of(name, known[name]) for _, name in served]
        bins = Bins([*numbers, *self._categories, *read, FieldBins.of("", reference.predictions)])
        self._counters, self._exposition = Counters(bins), Exposition(bins, labels)

    def add(
        self,
        rows: Sequence[Mapping[str, Any]],
        features: Iterable[Sequence[ServedFeature]],
        predictions: NDArray[np.float64] | None,
    ) -> None:
        """Counts the rows of one request.

        Args:
            rows: valid ones.
            features: of each row; none where they could not be read.
            predictions: the model's own; None when it gave none.
        """
        values = [_NULL] * len(rows) if predictions is None else predictions.tolist()
        for row, served, prediction in zip(rows, features, values, strict=True):
            self._counters.add([*self._fields(row), *self._features(served), prediction])

    def page(self) -> str:
        """Returns the counters in Prometheus' text format, every row so far among them."""
        return self._exposition.page(self._counters.read())

    def _fields(self, row: Mapping[str, Any]) -> list[float]:
        numbers = [value_of(row, name) if derived else row[name] for name, derived in self._numbers]
        codes = [one.code(row[one.name]) for one in self._categories]
        return [*(_NULL if value is None else value for value in numbers), *codes]

    def _features(self, served: Sequence[ServedFeature]) -> list[float]:
        if not served:
            return [_NULL] * len(self._places)
        return [
            feature.value if (feature := served[place]).status is FeatureStatus.FRESH else _NULL
            for place in self._places
        ]
