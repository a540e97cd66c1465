"""Doubles of what surrounds the runtime: a model and a feature store whose behaviour each test chooses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from shipway.bundle.reference import Categories, Histogram, Reference
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.contract.serving import FeatureRead
from shipway.serving.model_files import ModelFiles
from shipway.serving.runtime import Runtime

DIGEST = "sha256:" + "ab" * 32

SCHEMA = Schema(
    fields=(
        FieldSpec(name="amount", kind=FieldKind.NUMBER, minimum=0, maximum=100, example=1.0),
        FieldSpec(name="count", kind=FieldKind.INTEGER, minimum=0, maximum=9),
        FieldSpec(name="colour", kind=FieldKind.CATEGORY, values=("red", "green")),
        FieldSpec(name="who", kind=FieldKind.TEXT, length=20, nullable=True, personal=True),
        FieldSpec(name="when", kind=FieldKind.TIMESTAMP, example="2013-05-01T12:00:00Z"),
        FieldSpec(name="pixels", kind=FieldKind.VECTOR, length=3, minimum=0, maximum=16),
    )
)

ROW: dict[str, Any] = {
    "amount": 2.5,
    "count": 3,
    "colour": "red",
    "who": "N14228",
    "when": "2013-05-01T12:00:00Z",
    "pixels": [0, 1, 2.5],
}


class StubModel:
    """Answers with each row's amount, or does what `does` says."""

    schema = SCHEMA

    def __init__(self, does: Callable[[Sequence[Mapping[str, Any]]], object] | None = None) -> None:
        self.does = does
        self.rows: list[Mapping[str, Any]] = []

    def load(self, files: ModelFiles) -> None:
        pass

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        self.rows.extend(rows)
        return self.does(rows) if self.does else np.array([row["amount"] for row in rows], dtype=float)

    def entities(self, row: Mapping[str, Any]) -> dict[str, object]:
        return {"who": row["who"]}


@dataclass(frozen=True)
class Stored:
    """A value of the stub store."""

    value: float | None
    timestamp: datetime | None


@dataclass
class StubStore:
    """A feature store that holds `values`, or does what `does` says."""

    values: dict[str, Stored] = field(default_factory=dict)
    does: Callable[[], None] | None = None

    def read_many(self, reads: Sequence[str], entities: Sequence[Mapping[str, object]]) -> list[dict[str, Stored]]:
        if self.does:
            self.does()
        return [{name: self.values[name] for name in reads if name in self.values} for _ in entities]


READ = FeatureRead(name="weather_v1:wind", default=7.0, ttl_seconds=3600)

REFERENCE = Reference(
    predictions=Histogram(edges=(1.0, 2.0, 3.0), counts=(1, 1, 1, 1), minimum=0.0, maximum=50.0),
    fields={
        "amount": Histogram(edges=(2.0,), counts=(1, 1), minimum=0.0, maximum=4.0),
        "colour": Categories(counts={"green": 2, "red": 2}),
        READ.name: Histogram(edges=(5.0,), counts=(1, 1), minimum=0.0, maximum=10.0),
    },
)


class Made:
    """A service's class whose one instance was made before."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self) -> None:
        """Makes nothing."""

    def current(self) -> Runtime:
        return self._runtime


@dataclass
class Harness:
    """A runtime, its registry and where its logs go."""

    runtime: Runtime
    registry: CollectorRegistry
    folder: Path

    def value(self, name: str, **labels: str) -> float | None:
        who = {"model": "stub", "version": "abababababab", "slot": "blue"}
        found = self.registry.get_sample_value(name, who | labels)
        samples = (
            sample
            for family in text_string_to_metric_families(self.runtime.inputs.page())
            for sample in family.samples
            if (sample.name, sample.labels) == (name, who | labels)
        )
        return next((sample.value for sample in samples), None) if found is None else found
