"""Accuracy by month: of what was served, and of what the first version would have answered to the same requests."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.bundle.source import import_from
from shipway.bundle.store import ArtifactStore
from shipway.contract.layout import LocalLayout
from shipway.contract.model import load_model
from shipway.logs.reading import records
from shipway.logs.sources import LocalSource
from shipway.retraining.traffic import labelled_traffic
from shipway.training.champion import champion_predictions
from shipway.training.metrics import evaluate
from shipway.training.plan import Task

__all__ = ["Month", "by_month"]

# Fewer labelled predictions of a month say nothing about it.
_LEAST_ROWS = 200
_ALL = 1_000_000
_BEGIN, _END = datetime(2013, 1, 1, tzinfo=UTC), datetime(2014, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Month:
    """One month of labelled predictions.

    Args:
        month: such as `2013-02`.
        rows: labelled predictions.
        late_ratio: the share of them whose label is 1.
        served, first: metrics of what was served, and of the first version on the same requests.
        versions: which answered, by their short digests, and how many of the rows each.
    """

    month: str
    rows: int
    late_ratio: float
    served: Mapping[str, float]
    first: Mapping[str, float]
    versions: Mapping[str, int]


def by_month(layout: LocalLayout, service: Path, first: str) -> list[Month]:
    """Returns each month that has enough labelled predictions.

    Args:
        layout: the stack.
        service: the service's folder there.
        first: the digest of the first version.
    """
    spec = load_model(service / "model.yaml")
    schema = import_from(service.parent, service.name, "schema").SCHEMA
    source = LocalSource(layout.predictions / spec.name)
    asked = labelled_traffic(source, schema, spec, _END, frozenset(), _ALL)
    answered = _answered(source)
    units = [unit for unit in asked.rows.index if unit in answered]
    rows, labels = asked.rows.loc[units], asked.labels.loc[units].to_numpy()
    would = champion_predictions(ArtifactStore(layout.artifacts).path(first), rows)
    served = np.array([answered[unit][1] for unit in units])
    months = np.array([answered[unit][0] for unit in units])
    versions = np.array([answered[unit][2] for unit in units])
    return [
        _month(month, labels[chosen], served[chosen], would[chosen], versions[chosen])
        for month in sorted(set(months.tolist()))
        if np.count_nonzero(chosen := months == month) >= _LEAST_ROWS
    ]


def _month(
    month: str,
    labels: NDArray[np.float64],
    served: NDArray[np.float64],
    would: NDArray[np.float64],
    versions: NDArray[Any],
) -> Month:
    named, counts = np.unique(versions, return_counts=True)
    return Month(
        month,
        len(labels),
        float(labels.mean()),
        _metrics(labels, served),
        _metrics(labels, would),
        {str(name): int(count) for name, count in zip(named, counts, strict=True)},
    )


def _metrics(labels: NDArray[np.float64], predictions: NDArray[np.float64]) -> dict[str, float]:
    right = float(np.mean((predictions > 0.5) == (labels > 0.5)))
    return evaluate(Task.BINARY, labels, predictions) | {"accuracy": right}


def _answered(source: LocalSource) -> dict[str, tuple[str, float, str]]:
    """Returns unit -> month, prediction and version of its newest answer by a model."""
    columns = ("unit_id", "event_time", "prediction", "version", "served_by")
    table = records(source, "predictions", _BEGIN, _END, columns).sort_by("event_time").to_pydict()
    every = zip(*(table[name] for name in columns), strict=True)
    return {
        unit: (f"{at:%Y-%m}", prediction, version)
        for unit, at, prediction, version, served_by in every
        if served_by == "model"
    }
