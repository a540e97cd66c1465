import asyncio
import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry
from threadpoolctl import threadpool_limits

from shipway.bundle.source import import_from
from shipway.contract.documents import read_json
from shipway.contract.model import ModelSpec, load_model
from shipway.features.online import OnlineStore
from shipway.scaffold.card import card_problems
from shipway.serving.features import FeatureReader, FeatureStatus
from shipway.serving.read_measures import ReadMeasures
from shipway.traffic.events import Ask, Label, Publish

SERVICE = Path(__file__).resolve().parents[1]
REQUEST = SERVICE / "tests" / "request.json"


def module(name: str) -> Any:
    """Returns a module of the service, imported as everywhere else."""
    return import_from(SERVICE.parent, SERVICE.name, name)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return load_model(SERVICE / "model.yaml")


@pytest.fixture(scope="module")
def views() -> dict[str, Any]:
    """Name -> feature view."""
    return {found.name: found for found in module("features").OBJECTS if hasattr(found, "ttl")}


def test_model_and_views_agree(spec: ModelSpec, views: Mapping[str, Any]) -> None:
    """Every read names a feature of a view, with the same ttl, and the matrix reads exactly what is declared."""
    for read in spec.features.reads:
        view, _, feature = read.name.partition(":")
        assert feature in {field.name for field in views[view].schema}
        assert views[view].ttl == timedelta(seconds=read.ttl_seconds)
    declared = {read.name for read in spec.features.reads}
    assert declared == {name for name in module("inputs").COLUMNS if ":" in name}
    assert declared == set(module("train").RANGES)


def test_the_example_request_is_valid() -> None:
    """Whoever copies it gets a prediction."""
    schema = module("schema").SCHEMA
    assert schema.check(read_json(REQUEST)["rows"]) == []
    assert schema.check([{field.name: field.example for field in schema.fields}]) == []


def test_every_destination_is_known(flights: pd.DataFrame) -> None:
    """The matrix has a code for each airport that was flown to, and no other."""
    assert sorted(module("inputs")._DESTINATIONS) == sorted(flights["destination"].unique())


def test_the_hour_is_new_yorks_whatever_the_offset() -> None:
    """The same moment written in two ways is the same row."""
    row = {name: [1.0] for name in module("inputs").COLUMNS} | {
        "carrier": ["UA"],
        "origin": ["EWR"],
        "destination": ["?"],
    }
    texts = ("2013-07-01T08:15:00-04:00", "2013-07-01T12:15:00+00:00", "2013-07-01T12:15:00Z")
    rows = [module("inputs").matrix({**row, "scheduled_departure": [text]}) for text in texts]
    assert all(np.array_equal(rows[0], other, equal_nan=True) for other in rows)
    assert rows[0][0, 3] == 8.25
    assert np.isnan(rows[0][0, 2])


def test_a_flights_own_arrival_never_counts(flights: pd.DataFrame) -> None:
    """Had it arrived otherwise, nothing that was known when it was asked about would be different."""
    dataset = module("dataset")
    window = flights[
        flights["asked_at"].between(pd.Timestamp("2013-02-01", tz="UTC"), pd.Timestamp("2013-02-05", tz="UTC"))
    ]
    before = dataset.feature_rows(window)
    for unit in window[window["arrival_delay_minutes"] <= 15].sample(5, random_state=3).index:
        other = window.copy()
        other.loc[unit, "arrival_delay_minutes"] = 9999.0
        after = dataset.feature_rows(other)
        asked = window.loc[unit, "asked_at"]
        for view in ("carrier_origin_v1", "aircraft_arrival_v1"):
            known = [rows[view][rows[view]["event_timestamp"] <= asked] for rows in (before, after)]
            pd.testing.assert_frame_equal(*known)
        assert not before["carrier_origin_v1"].equals(after["carrier_origin_v1"])


def test_training_ends_before_validation_begins(data: Any, flights: pd.DataFrame) -> None:
    """No label of the training set was known only after validation had begun."""
    begins = pd.Timestamp("2013-04-01", tz="UTC")
    assert flights.loc[data.train.index, "landed_at"].max() < begins
    assert flights.loc[data.validation.index, "asked_at"].min() >= begins


def test_offline_and_online_say_the_same(
    repository: Path, flights: pd.DataFrame, spec: ModelSpec, tmp_path: Path
) -> None:
    """What the replay has published at a moment reads as the point-in-time join says for that moment."""
    traffic, features = module("traffic"), module("features")
    at = pd.Timestamp("2013-05-14T15:00:00Z")
    shutil.copytree(repository, tmp_path / "features")
    store = OnlineStore(tmp_path / "features")
    known: dict[str, list[Mapping[str, Any]]] = {}
    for event in traffic.events(at.to_pydatetime()):
        if not isinstance(event, Publish) or event.at > at:
            break
        known.setdefault(event.view, []).append(event.row)
    for view, rows in known.items():
        store.publish(view, rows)
    asked = flights[(flights["asked_at"] >= at)].head(100)
    offline = module("train").examples(asked.assign(asked_at=at), repository)
    reads = [read.name for read in spec.features.reads]
    ttl = {read.name: timedelta(seconds=read.ttl_seconds) for read in spec.features.reads}
    for unit, row in offline.iterrows():
        served = store.read(reads, features.ENTITIES(row.to_dict()))
        for name, found in served.items():
            fresh = found.timestamp is not None and at - found.timestamp <= ttl[name]
            assert (found.value if fresh else np.nan) == pytest.approx(row[name], nan_ok=True), (unit, name)
    assert offline[reads].notna().mean().min() > 0.5


def test_the_example_request_meets_features_after_one_replayed_request(
    repository: Path, flights: pd.DataFrame, spec: ModelSpec, tmp_path: Path
) -> None:
    """It is a real flight, its header the time it is asked about; by then every feature is known, none a default."""
    request, (header,) = read_json(REQUEST), REQUEST.with_suffix(".headers").read_text().splitlines()
    at = datetime.fromisoformat(header.removeprefix("x-event-time: "))
    [row] = request["rows"]
    flight = flights.loc[request["unit_id"]]
    assert flight["asked_at"] == at
    assert {name: flight[name] for name in row if name in flight.index}.items() <= row.items()

    shutil.copytree(repository, tmp_path / "features")
    store = OnlineStore(tmp_path / "features")
    known: dict[str, list[Mapping[str, Any]]] = {}
    traffic = module("traffic")
    for event in traffic.events(datetime.fromisoformat(traffic.START)):
        if isinstance(event, Ask):
            break
        if isinstance(event, Publish):
            known.setdefault(event.view, []).append(event.row)
    for view, rows in known.items():
        store.publish(view, rows)
    patient = spec.features.model_copy(update={"timeout_seconds": 30})
    reader = FeatureReader(patient, store, ReadMeasures((spec.name, "test", "blue"), CollectorRegistry()))
    [served] = asyncio.run(reader.read([module("features").ENTITIES(row)], at))
    reader.close()
    assert {feature.name: feature.status for feature in served} == {
        read.name: FeatureStatus.FRESH for read in spec.features.reads
    }


def test_traffic_is_in_the_order_of_its_time() -> None:
    """Whoever asks at a moment may know all that was known at it; a label never comes before its question."""
    asked: dict[str, Any] = {}
    last, counts = None, {Ask: 0, Label: 0, Publish: 0}
    for event in module("traffic").events(pd.Timestamp("2013-11-03", tz="UTC").to_pydatetime()):
        if last is not None:
            assert (last.at, isinstance(last, Ask)) <= (event.at, isinstance(event, Ask))
        if isinstance(event, Ask):
            asked[event.unit_id] = event.at
            assert module("schema").SCHEMA.check([event.row]) == []
        elif isinstance(event, Label) and event.unit_id in asked:
            assert event.at > asked[event.unit_id]
        counts[type(event)] += 1
        last = event
        if counts[Ask] == 1500:
            break
    assert counts[Label] > 500


def test_the_model_is_as_good_as_it_should_be(data: Any, spec: ModelSpec) -> None:
    """April, which it has not seen: far better than chance, and not so good that it must know the future."""
    from shipway.training.champion import fill_defaults
    from shipway.training.metrics import evaluate

    train, reads = module("train"), spec.features.reads
    with threadpool_limits(1):
        estimator = train.fit(fill_defaults(data.train, reads), data.train_labels, train.SETTINGS())
    predictions = train.predict(estimator, fill_defaults(data.validation, reads))
    measured = evaluate(train.TASK, data.validation_labels.to_numpy(), predictions)
    assert 0.69 < measured["auc"] < 0.73
    assert measured["calibration_error"] < 0.07
    assert not card_problems(SERVICE / "MODEL_CARD.md", spec.name, measured)


def test_a_retraining_as_of_a_moment_knows_no_later_landing(flights: pd.DataFrame, cache: Path) -> None:
    """Every label had come by the day of the moment, those of training before validation began; no row is in both."""
    train = module("train")
    moment = datetime.fromisoformat("2013-03-10T17:00:00-05:00")
    window = train.window(moment)
    assert window == {"train_from": "2012-11-26", "validate_from": "2013-02-24", "validate_until": "2013-03-10"}
    found = train.load(train.SETTINGS(**window), cache)
    landed, begins, ends = flights["landed_at"], *(pd.Timestamp(window[key], tz="UTC") for key in list(window)[1:])
    assert found.as_of == ends <= moment
    assert landed.loc[found.train.index].max() < begins
    assert landed.loc[found.validation.index].max() < ends
    assert not set(found.train.index) & set(found.validation.index)
