"""A service whose features have a past: what was known offline, what was published online, and what was then served.

The offline files are real and joined by the real store. The online side is played: a value is served from the moment
it is published until the next one of its key is, as Feast's online store does it.
"""
# pyright: reportMissingTypeStubs=false

import json
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from sklearn.linear_model import LinearRegression

from shipway.bundle.reference import Histogram, Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.model import load_model
from shipway.contract.release import short_digest
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.parity.comparing import answer
from shipway.parity.report import FeatureParity, Report
from shipway.parity.running import Question
from shipway.training.packaging import assemble, make_manifest

PACKAGE = "parity_shop"
START = pd.Timestamp("2013-05-01T00:00:00Z")
HOURS = 96
TTL_SECONDS = 86_400.0
SHOPS = ("a", "b", "c")
# View -> feature; the first is hourly and moves slowly, the second irregular, the third a code of a few.
READS = ("weather_v1:humidity", "sales_v1:ratio", "kind_v1:code")

FEATURES = '''"""Features of a shop."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

SHOP = Entity(name="shop", join_keys=["shop"], value_type=ValueType.STRING)


def view(name, feature):
    return FeatureView(
        name=name,
        entities=[SHOP],
        ttl=timedelta(days=1),
        schema=[Field(name=feature, dtype=Float64)],
        source=FileSource(name=f"{name}_source", path=f"data/{name}.parquet", timestamp_field="event_timestamp"),
    )


OBJECTS = [SHOP, view("weather_v1", "humidity"), view("sales_v1", "ratio"), view("kind_v1", "code")]
'''
TRAIN = '''"""Where the offline values lie, and what is answered."""

TRUSTED_TYPES = ()

from parity_shop.features import OBJECTS
from shipway.features.offline import open_offline


def offline(cache):
    if not (cache / "registry.db").exists():
        open_offline(cache, OBJECTS)
    return cache


def predict(estimator, rows):
    return estimator.predict(rows[["amount", "weather_v1:humidity", "kind_v1:code"]].to_numpy())
'''
MODEL: dict[str, Any] = {
    "name": "parity-shop",
    "description": "Of the tests.",
    "owner": {"team": "t", "contact": "c", "escalation": "e", "runbook_url": "https://example.com/r"},
    "resources": {"cpu_millicores": 100, "memory_mib": 100},
    "features": {"reads": [{"name": read, "default": -1.0, "ttl_seconds": TTL_SECONDS} for read in READS]},
    "parity": {"sample_ratio": 1.0},
    "evaluation": {"gates": [{"metric": "auc", "minimum": 0.5}]},
}

# What the model answers for amount, humidity and code.
WEIGHTS = (0.5, 0.25, 2.0)

Frames = dict[str, pd.DataFrame]


def write_bundle(service: Path, store: ArtifactStore) -> Path:
    """Puts the service's version with its linear model into a store and returns its folder there."""
    with tempfile.TemporaryDirectory() as scratch:
        files, spec, plan = (
            Path(scratch) / "files",
            load_model(service / "model.yaml"),
            SimpleNamespace(TRUSTED_TYPES=()),
        )
        rows = np.random.default_rng(0).normal(size=(50, len(WEIGHTS)))
        estimator = LinearRegression(fit_intercept=False).fit(rows, rows @ np.array(WEIGHTS))
        assemble(service, spec, plan, estimator, files)
        reference = Reference(predictions=Histogram(edges=(0.0,), counts=(1, 1)))
        return store.path(store.put(files, make_manifest(spec, plan, reference, files)))


def write_service(root: Path) -> Path:
    """Writes the service below `root` and returns its folder."""
    folder = root / "services" / PACKAGE
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "features.py").write_text(FEATURES)
    (folder / "train.py").write_text(TRAIN)
    (folder / "model.yaml").write_text(yaml.safe_dump(MODEL))
    return folder


def write_offline(cache: Path, offline: Frames) -> None:
    """Writes the offline files of the service, as its training would."""
    (cache / "data").mkdir(parents=True)
    for view, rows in offline.items():
        rows.to_parquet(cache / "data" / f"{view}.parquet", index=False)


def past(seed: int) -> Frames:
    """Returns view -> every value it ever had (`shop`, `event_timestamp`, the feature), oldest first."""
    rng = np.random.default_rng(seed)
    frames: dict[str, list[pd.DataFrame]] = {read.partition(":")[0]: [] for read in READS}
    for shop in SHOPS:
        hours = START + pd.to_timedelta(np.arange(-48, HOURS + 48), unit="h")
        walk = 60 + np.cumsum(rng.normal(size=len(hours)))
        # One hour in ten has no measurement.
        walk[rng.random(len(walk)) < 0.1] = np.nan
        times = START - pd.Timedelta(hours=48) + pd.to_timedelta(np.cumsum(rng.uniform(20, 90, 300)), unit="min")
        codes = rng.integers(0, 12, len(hours)).astype(float)
        for view, stamps, values in (
            ("weather_v1", hours, walk),
            ("sales_v1", times.floor("s"), rng.beta(2, 5, len(times))),
            ("kind_v1", hours + pd.Timedelta(minutes=17), codes),
        ):
            name = dict(read.split(":") for read in READS)[view]
            frames[view].append(pd.DataFrame({"shop": shop, "event_timestamp": stamps, name: values}))
    return {view: pd.concat(some).sort_values("event_timestamp", kind="stable") for view, some in frames.items()}


def published(offline: Frames) -> Frames:
    """Returns what a faithful publisher puts online: each value, from its own moment on (`known_at`)."""
    return {view: rows.assign(known_at=rows["event_timestamp"]) for view, rows in offline.items()}


@dataclass(frozen=True)
class Shop:
    """The service, asked about at random moments."""

    service: Path
    scratch: Path
    bundle: Path

    @property
    def version(self) -> str:
        """The bundle's short digest."""
        return short_digest(f"sha256:{self.bundle.name}")

    def compare(self, offline: Frames, online: Frames, seed: int) -> Report:
        """Returns what parity says when `offline` is on disk and `online` was published."""
        return answer(self.question(offline, self.records(online, seed)))

    def question(self, offline: Frames, records: pa.Table) -> Question:
        """Returns the question about some records when `offline` is on disk."""
        cache = self.scratch / uuid.uuid4().hex
        write_offline(cache, offline)
        path = cache / "records.parquet"
        pq.write_table(records, path)
        return Question(
            model="parity-shop",
            version=self.version,
            records=str(path),
            bundle=str(self.bundle),
            service=str(self.service),
            cache=str(cache),
            features=str(cache / "nowhere"),
        )

    def records(self, online: Frames, seed: int, requests: int = 250) -> pa.Table:
        """Returns the log of some requests at random moments."""
        rng = np.random.default_rng(seed + 1000)
        moments = START + pd.to_timedelta(np.sort(rng.uniform(0, HOURS * 3600, requests)), unit="s")
        by_key = {(view, shop): Online(rows) for view, some in online.items() for shop, rows in some.groupby("shop")}
        records = []
        for moment in moments.floor("us"):
            shop = str(rng.choice(SHOPS))
            features = [_served(read, by_key.get((read.partition(":")[0], shop)), moment) for read in READS]
            records.append(
                {
                    "prediction_id": uuid.UUID(bytes=rng.bytes(16)).hex,
                    "event_time": moment.to_pydatetime(),
                    "unit_id": "u",
                    "entities": json.dumps({"shop": shop}),
                    "fields": json.dumps({"amount": 1.0}),
                    "features": features,
                    "prediction": float(np.dot(WEIGHTS, (1.0, features[0]["value"], features[2]["value"]))),
                    "version": self.version,
                    "slot": "blue",
                    "served_by": "model",
                    "rollout": 0,
                }
            )
        return pa.Table.from_pylist(records, schema=PREDICTION_SCHEMA)


class Online:
    """What the online store was told of one key of one view."""

    def __init__(self, rows: pd.DataFrame) -> None:
        rows = rows.sort_values("known_at", kind="stable")
        self._known = rows["known_at"].to_numpy(dtype="datetime64[ns]")
        self._stamps = [stamp.to_pydatetime() for stamp in rows["event_timestamp"].dt.floor("s")]
        self._values = rows.drop(columns=["shop", "known_at", "event_timestamp"]).to_numpy(dtype=float)[:, 0]

    def at(self, moment: pd.Timestamp) -> tuple[float, datetime] | None:
        """Returns the value and its time as they were then."""
        place = int(np.searchsorted(self._known, moment.to_datetime64(), side="right")) - 1
        return None if place < 0 else (float(self._values[place]), self._stamps[place])


def _served(read: str, online: Online | None, moment: pd.Timestamp) -> dict[str, Any]:
    found: dict[str, Any] = {"name": read, "value": -1.0, "status": "missing", "timestamp": None, "age_seconds": None}
    known = online.at(moment) if online else None
    if known is None or np.isnan(known[0]):
        return found
    value, stamp = known
    age = (moment - stamp).total_seconds()
    found |= {"timestamp": stamp, "age_seconds": age}
    if age > TTL_SECONDS:
        return found | {"status": "stale"}
    if age < -5:
        return found | {"status": "future"}
    return found | {"status": "fresh", "value": value, "age_seconds": max(age, 0.0)}


def of(report: Report, name: str) -> FeatureParity:
    """Returns one feature of a report."""
    return next(one for one in report.features if one.name == name)


def likeliest(report: Report) -> Mapping[str, str]:
    """Returns feature -> its likeliest cause, for those that have one."""
    return {one.name: one.causes[0].name for one in report.features if one.causes}
