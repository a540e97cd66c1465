"""A toy model with a real bundle, and logs of it that drift when they are told to."""
# pyright: reportMissingTypeStubs=false

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.reference import Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.layout import LocalLayout
from shipway.contract.release import short_digest
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.drift.tally import Watch
from shipway.logs.schemas import LABEL_SCHEMA, PREDICTION_SCHEMA
from shipway.training.drift_reference import Watched, build_reference

START = datetime(2013, 5, 6, tzinfo=UTC)
NAME = "toy-drift"
SCHEMA = Schema(
    fields=(FieldSpec(name="x", kind=FieldKind.NUMBER), FieldSpec(name="colour", kind=FieldKind.CATEGORY, values=()))
)
MODEL: dict[str, Any] = {
    "name": NAME,
    "description": "Of the tests.",
    "owner": {"team": "t", "contact": "c", "escalation": "e", "runbook_url": "https://example.com/r"},
    "resources": {"cpu_millicores": 100, "memory_mib": 100},
    "segments": ["colour"],
    "labels": {"delay_seconds": 86_400},
    "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}]},
}
STACK = {"name": "local", "tier": "local", "target": "local", "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1}}


def make_reference(rows: int = 6000) -> Reference:
    """Returns the reference of thirty days in which nothing drifts."""
    chance = np.random.default_rng(1)
    x = chance.normal(size=rows)
    frame = pd.DataFrame(
        {"x": x, "colour": chance.choice(["blue", "red"], rows), "view:f": chance.normal(5, 2, size=rows)}
    )
    predictions = 1 / (1 + np.exp(-x))
    times = pd.Series(pd.Timestamp("2013-04-01", tz="UTC") + pd.to_timedelta(np.arange(rows) % 720, unit="h"))
    watched = Watched(
        labels=(chance.random(rows) < predictions).astype(float),
        segments=["colour"],
        times=times,
        importances={"x": 0.7, "view:f": 0.2, "colour": 0.1},
    )
    return build_reference(frame, predictions, SCHEMA, watched)


def watch(version: str = "v") -> Watch:
    """Returns what is counted of a version with the toy's reference."""
    return Watch.of(version, make_reference())


class Toy:
    """The project of the toy at `root`: its service, its bundle and its logs."""

    def __init__(self, root: Path) -> None:
        self.root, self.layout = root, LocalLayout(root, "local")
        self.logs = self.layout.predictions / NAME
        service = root / "services" / "toy_drift"
        service.mkdir(parents=True)
        (service / "model.yaml").write_text(yaml.safe_dump(MODEL))
        (root / "Pulumi.yaml").write_text("name: toy\n")
        files = root / "made"
        (files / "src" / "toy").mkdir(parents=True)
        (files / "src" / "toy" / "service.py").write_text("")
        (files / "reference.json").write_bytes(canonical_json(make_reference().model_dump(mode="json")))
        manifest = Manifest(model=NAME, service="toy.service:Toy", files=covered_files(files))
        self.digest = ArtifactStore(self.layout.artifacts).put(files, manifest)
        self.version = short_digest(self.digest)
        self._asked = 0

    def stack(self, base: int) -> None:
        """Writes the stack's file, with ports from `base` on."""
        path = self.root / "stacks" / "Pulumi.local.yaml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump({"config": {"shipway:environment": STACK | {"ports": {"base": base}}}}))

    def go_live(self) -> None:
        """Makes the bundle live."""
        state = json.dumps({"live": "blue", "live_digest": self.digest})
        metadata = {"filter_metadata": {"shipway": {"model": NAME, "state": state}}}
        path = self.layout.served_routes
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}))

    def day(self, number: int, rows: int = 480, shift: float = 0.0, flip: float = 0.0, **changes: Any) -> list[str]:
        """Writes one day's predictions and their labels, and returns the predictions' ids.

        Args:
            number: days since START.
            rows: spread over the day, asked every four hours.
            shift: added to the field `x`, in standard deviations.
            flip: share of labels that are 1 whatever was predicted.
            changes: other values in each record.
        """
        chance = np.random.default_rng(100 + number)
        x = chance.normal(shift, size=rows)
        predictions = 1 / (1 + np.exp(-x))
        labels = (chance.random(rows) < predictions) | (chance.random(rows) < flip)
        colours, values = chance.choice(["blue", "red"], rows), chance.normal(5, 2, size=rows)
        ids = [f"p{self._asked + place}" for place in range(rows)]
        self._asked += rows
        for part in range(6):
            at = START + timedelta(days=number, hours=4 * part)
            mine = range(part, rows, 6)
            self.write(
                "predictions",
                at,
                [
                    record(ids[place], at, x[place], colours[place], values[place], predictions[place], self.version)
                    | changes
                    for place in mine
                ],
            )
            known = at + timedelta(hours=6)
            late = [label(ids[place], float(labels[place]), known) for place in mine]
            self.write("labels", known, late, f"d{number}")
        return ids

    def write(self, kind: str, at: datetime, records: Sequence[dict[str, Any]], name: str = "a") -> Path:
        """Writes one segment as a slot does: whole, by rename."""
        schema = PREDICTION_SCHEMA if kind == "predictions" else LABEL_SCHEMA
        path = self.logs / kind / f"{at:%Y-%m-%dT%H}" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        pq.write_table(pa.Table.from_pylist(list(records), schema=schema), temporary, compression="zstd")
        temporary.rename(path)
        return path


def record(
    one: str, at: datetime, x: float, colour: str, value: float, prediction: float, version: str, status: str = "fresh"
) -> dict[str, Any]:
    """Returns one record of the predictions' log."""
    feature = {"name": "view:f", "value": float(value), "status": status, "timestamp": None, "age_seconds": None}
    return {
        "prediction_id": one,
        "event_time": at,
        "fields": json.dumps({"x": float(x), "colour": str(colour)}),
        "features": [feature],
        "prediction": float(prediction),
        "version": version,
        "served_by": "model",
        "rollout": 0,
    }


def label(one: str, value: float, at: datetime) -> dict[str, Any]:
    """Returns one record of the labels' log."""
    return {"prediction_id": one, "label": value, "event_time": at, "received_at": at}
