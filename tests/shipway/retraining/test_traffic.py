"""Recent labelled traffic out of real segments."""
# pyright: reportMissingTypeStubs=false

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from shipway.contract.documents import parse
from shipway.contract.environment import load_environment
from shipway.contract.layout import LocalLayout
from shipway.contract.model import ModelSpec
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.logs.places import log_of
from shipway.logs.reading import newest_hour
from shipway.logs.schemas import HOUR_FORMAT, LABEL_SCHEMA, PREDICTION_SCHEMA
from shipway.logs.sources import LocalSource
from shipway.retraining.traffic import Labelled, labelled_traffic
from tests.shipway.labels.logs import MODEL
from tests.standins.object_store import ObjectStore

REPOSITORY = Path(__file__).parents[3]
START = datetime(2013, 2, 1, tzinfo=UTC)
SCHEMA = Schema(fields=(FieldSpec(name="x", kind=FieldKind.NUMBER),))
READ = {"name": "view_v1:f", "default": 0.5, "ttl_seconds": 60}
SPEC = parse(ModelSpec, MODEL | {"features": {"reads": [READ]}}, "model.yaml")
LATER = START + timedelta(days=30)


class Log:
    """Writes predictions and labels at hours after the start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.source = LocalSource(folder)

    def write(self, kind: str, at: datetime, schema: pa.Schema, record: Mapping[str, Any]) -> None:
        folder = self.folder / kind / at.strftime(HOUR_FORMAT)
        folder.mkdir(parents=True, exist_ok=True)
        self.count += 1
        row = dict.fromkeys(schema.names) | {"event_time": at} | dict(record)
        pq.write_table(pa.Table.from_pylist([row], schema), folder / f"{self.count:04}.parquet")

    def predict(self, unit: str, hours: float, x: float = 1.0, status: str = "fresh", **fields: Any) -> None:
        feature = {"name": "view_v1:f", "value": 2.0, "status": status, "timestamp": None, "age_seconds": None}
        row = {"prediction_id": f"id-{unit}-{hours:g}", "unit_id": unit, "fields": json.dumps({"x": x} | fields)}
        self.write("predictions", START + timedelta(hours=hours), PREDICTION_SCHEMA, row | {"features": [feature]})

    def label(self, unit: str, hours: float, after: float = 1, label: float | None = 1.0) -> None:
        row = {"prediction_id": f"id-{unit}-{hours:g}", "label": label}
        self.write("labels", START + timedelta(hours=hours + after), LABEL_SCHEMA, row)

    def read(self, as_of: datetime = LATER, trained_on: frozenset[str] = frozenset(), most: int = 100) -> Labelled:
        return labelled_traffic(self.source, SCHEMA, SPEC, as_of, trained_on, most)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_rows_are_as_training_has_them(log: Log) -> None:
    """Fields, then features by the names of model.yaml, by the unit's id; a value that was not fresh is null."""
    log.predict("a", 1, x=3.0)
    log.label("a", 1)
    log.predict("b", 2, status="stale")
    log.label("b", 2, label=0.0)
    found = log.read()
    assert list(found.rows.columns) == ["x", "view_v1:f"]
    assert list(found.rows.loc["a"]) == [3.0, 2.0]
    assert math.isnan(found.rows.loc["b", "view_v1:f"])
    assert found.labels.to_dict() == {"b": 0.0, "a": 1.0}
    assert (found.first, found.last) == (START + timedelta(hours=1), START + timedelta(hours=2))


@pytest.mark.parametrize("minutes", [0, 1, 59, 60, 61, 119, 120, 121])
def test_nothing_of_the_moment_or_later_is_known(log: Log, minutes: int) -> None:
    """A label that came at the moment itself, within the same hour or not, is not there yet; nor is the prediction."""
    log.predict("a", 1)
    log.label("a", 1, after=1)
    as_of = START + timedelta(minutes=minutes)
    assert list(log.read(as_of).rows.index) == (["a"] if minutes > 120 else [])


def test_units_that_were_trained_on_do_not_speak(log: Log) -> None:
    """They are counted as left out."""
    for unit in "abc":
        log.predict(unit, 1)
        log.label(unit, 1)
    found = log.read(trained_on=frozenset("ab"))
    assert (list(found.rows.index), found.left_out) == (["c"], 2)


def test_the_newest_ones_are_taken(log: Log) -> None:
    """As many as asked for, whatever came before; hours before them are not read."""
    for hour in range(6):
        log.predict(f"u{hour}", hour)
        log.label(f"u{hour}", hour)
    (log.folder / "predictions" / START.strftime(HOUR_FORMAT) / "torn.parquet").write_text("no parquet")
    said: list[str] = []
    log.source = LocalSource(log.folder, said.append)
    assert list(log.read(most=2).rows.index) == ["u5", "u4"]
    assert said == []
    assert len(log.read().rows) == 6
    assert len(said) == 1


def test_a_unit_counts_once_with_its_newest_answer(log: Log) -> None:
    """A flight that was asked about twice is one example."""
    for hour, x in ((1, 1.0), (5, 2.0)):
        log.predict("a", hour, x=x)
        log.label("a", hour)
    found = log.read()
    assert list(found.rows["x"]) == [2.0]


def test_rows_of_another_schema_and_labels_without_a_number_are_left_out(log: Log) -> None:
    """They are counted, and never guessed."""
    log.predict("a", 1, y=3.0)
    log.label("a", 1)
    log.predict("b", 1)
    log.label("b", 1, label=None)
    found = log.read()
    assert (len(found.rows), found.left_out) == (0, 2)
    assert (found.first, found.last) == (None, None)


def test_the_newest_hour_is_known_by_its_folder(log: Log) -> None:
    """All before its beginning is in the log; without a log nothing is known."""
    assert newest_hour(log.source) is None
    log.predict("a", 5.5)
    assert newest_hour(log.source) == START + timedelta(hours=5)


def test_a_request_of_the_present_is_not_the_newest_of_what_is_replayed(log: Log) -> None:
    """One without a time of its own would make all that is replayed a matter of long ago."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    log.predict("curl", (now - START) / timedelta(hours=1))
    assert newest_hour(log.source) == now
    log.predict("a", 5.5)
    log.predict("b", 4.5)
    assert newest_hour(log.source) == START + timedelta(hours=5)


def test_on_a_cluster_it_comes_from_the_object_store(log: Log, store: ObjectStore, tmp_path: Path) -> None:
    """The same rows, with each log listed once however many hours are looked at."""
    for number in range(6):
        log.predict(f"unit-{number}", number)
        log.label(f"unit-{number}", number)
    for path in log.folder.rglob("*.parquet"):
        store.objects[f"predictions/toy-labels/{path.relative_to(log.folder)}"] = path.read_bytes()
    document = yaml.safe_load((REPOSITORY / "stacks" / "Pulumi.onprem.yaml").read_text())
    # Where it is, the variables say that the job's pod has too.
    del document["config"]["shipway:environment"]["kubernetes"]["object_storage"]["endpoint_url"]
    root, store.page = tmp_path / "project", 1000
    (root / "stacks").mkdir(parents=True)
    (root / "stacks" / "Pulumi.onprem.yaml").write_text(yaml.safe_dump(document))
    said: list[str] = []
    source = log_of(
        LocalLayout(root, "onprem"), load_environment(root, "onprem"), "toy-labels", said.append, LATER.timestamp
    )
    found = labelled_traffic(source, SCHEMA, SPEC, LATER, frozenset(), 100)
    assert (len(found.rows), store.lists, said) == (6, 2, [])
    pd.testing.assert_frame_equal(found.rows, log.read().rows)
    assert newest_hour(source) == START + timedelta(hours=5)
