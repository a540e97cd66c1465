"""What the tests of labels share: a project whose logs are real Parquet segments."""
# pyright: reportMissingTypeStubs=false

import os
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from shipway.contract.layout import LocalLayout
from shipway.serving.predictions import LABEL_SCHEMA, PREDICTION_SCHEMA

MODEL: dict[str, Any] = {
    "name": "toy-labels",
    "description": "Of the tests.",
    "owner": {"team": "t", "contact": "c", "escalation": "e", "runbook_url": "https://example.com/r"},
    "resources": {"cpu_millicores": 100, "memory_mib": 100},
    "labels": {"wrong_beyond": 0.25},
    "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}]},
}
STACK = {"name": "local", "tier": "local", "target": "local", "cpu_pool": {"cpu_millicores": 1, "memory_mib": 1}}
HOUR = "2013-05-01T03"


class Logs:
    """Writes segments as slots do: whole, by rename, into the logs of one model."""

    def __init__(self, root: Path) -> None:
        self.layout = LocalLayout(root, "local")
        self.folder = self.layout.predictions / MODEL["name"]
        self.service = root / "services" / "toy_labels"
        self.service.mkdir(parents=True)
        self.describe()

    def describe(self, **changes: Any) -> None:
        """Writes the model's model.yaml."""
        (self.service / "model.yaml").write_text(yaml.safe_dump(MODEL | changes))

    def stack(self, base: int) -> None:
        """Writes the stack's file, with ports from `base` on."""
        path = self.layout.root / "stacks" / "Pulumi.local.yaml"
        path.parent.mkdir()
        document = {"config": {"shipway:environment": STACK | {"ports": {"base": base}}}}
        path.write_text(yaml.safe_dump(document))

    def predict(self, rows: Sequence[tuple[str, float, str, int]], name: str = "a", **changes: Any) -> Path:
        """Writes (id, prediction, version, rollout) as one segment and returns it; `rollout` None leaves it out."""
        schema = PREDICTION_SCHEMA
        if "rollout" not in schema.names:
            schema = schema.append(pa.field("rollout", pa.int64()))
        if changes.pop("numbered", True) is False:
            schema = schema.remove(schema.get_field_index("rollout"))
        stamp = datetime(2013, 5, 1, 3, tzinfo=UTC)
        records = [
            {
                "prediction_id": one,
                "event_time": stamp,
                "prediction": prediction,
                "version": version,
                "rollout": rollout,
                "served_by": "model",
            }
            | changes
            for one, prediction, version, rollout in rows
        ]
        return self.write("predictions", name, records, schema)

    def label(self, rows: Iterable[tuple[str, float]], name: str = "a") -> Path:
        """Writes (id, label) as one segment and returns it."""
        stamp = datetime(2013, 5, 2, tzinfo=UTC)
        records = [
            {"prediction_id": one, "label": label, "event_time": stamp, "received_at": stamp} for one, label in rows
        ]
        return self.write("labels", name, records, LABEL_SCHEMA)

    def write(self, log: str, name: str, records: list[dict[str, Any]], schema: pa.Schema) -> Path:
        path = self.folder / log / HOUR / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        pq.write_table(pa.Table.from_pylist(records, schema=schema), temporary, compression="zstd")
        temporary.rename(path)
        return path


def settle(path: Path) -> None:
    """Makes the times of `path` and of its folder lie so far back that neither counts as changing."""
    for one in (path, path.parent):
        os.utime(one, (1_000_000_000, 1_000_000_000))


def new_id() -> str:
    return uuid.uuid4().hex
