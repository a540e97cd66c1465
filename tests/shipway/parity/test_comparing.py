"""Whole comparisons: real join, real bundle, logs that hold what logs hold."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipway.contract.errors import FeatureError, ShipwayError, SpecError
from shipway.contract.parity import ParityOutcome
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.parity.comparing import answer
from shipway.parity.recorded import read_sample, sample_table, write_sample
from shipway.parity.recording import record
from shipway.parity.running import compared
from shipway.parity.telling import explained, told
from shipway.parity.versions import Version
from tests.shipway.parity.shop import HOURS, READS, START, Frames, Shop, of, past, published

WEATHER, SALES, KIND = READS


@pytest.fixture(scope="module")
def offline() -> Frames:
    return past(7)


def changed(records: pa.Table, change: Any) -> pa.Table:
    """Returns records, each after `change` was made to it."""
    rows = records.to_pylist()
    for number, row in enumerate(rows):
        change(number, row)
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def test_other_code_in_serving_is_told_from_other_features(shop: Shop, offline: Frames) -> None:
    """Answers that the model would not give to what was served: serving computes otherwise; the features agree."""

    def wrong(number: int, row: dict[str, Any]) -> None:
        row["prediction"] += 0.1 * (number % 2)

    report = answer(shop.question(offline, changed(shop.records(published(offline), 1), wrong)))
    assert [one.name for one in report.skewed] == ["prediction:served", "prediction:offline"]
    assert report.predictions[0].outcomes[ParityOutcome.DIFFERENT] == 125
    assert "serving computes another answer from the same inputs" in told(report, 250)


def test_a_skewed_feature_shows_in_the_answers(shop: Shop, offline: Frames) -> None:
    """What was served gives what was answered; what training would have seen gives something else."""
    online = published(offline)
    online["kind_v1"]["code"] = (online["kind_v1"]["code"] + 1) % 12
    report = answer(shop.question(offline, shop.records(online, 1)))
    assert [one.name for one in report.skewed] == [KIND, "prediction:offline"]
    text = told(report, 250)
    assert "likely cause category_encoding" in text
    assert text.endswith("parity does not hold: kind_v1:code, prediction:offline")
    # A verdict, each cause, the head of the table, and the worst rows.
    assert len(explained(report, KIND).splitlines()) == 1 + len(of(report, KIND).causes) + 1 + 10


@pytest.mark.parametrize("key", ["blake2:0123", "north|blake2:0123"])
def test_a_hashed_key_is_unknown(shop: Shop, offline: Frames, key: str) -> None:
    """The offline store cannot be asked about a personal key: nothing is compared, and nothing counts as equal."""

    def hide(_: int, row: dict[str, Any]) -> None:
        row["entities"] = json.dumps({"shop": key})

    report = answer(shop.question(offline, changed(shop.records(published(offline), 1, 20), hide)))
    assert {one.outcomes[ParityOutcome.UNKNOWN] for one in report.features} == {20}
    assert [one.skewed_ratio for one in report.features] == [None, None, None]
    assert [one.name for one in report.compared] == ["prediction:served"]


def test_a_personal_field_leaves_the_prediction_unknown(shop: Shop, offline: Frames) -> None:
    """The log does not hold what the model saw, so its answer is not recomputed from something else."""

    def hide(_: int, row: dict[str, Any]) -> None:
        row["fields"] = json.dumps({"amount": "blake2:0123"})

    report = answer(shop.question(offline, changed(shop.records(published(offline), 1, 20), hide)))
    assert [one.skewed_ratio for one in report.predictions] == [None, None]
    assert report.notes == ("20 predictions have personal fields, which the log hashes",)


def test_fallbacks_and_a_store_that_was_down_are_no_skew(shop: Shop, offline: Frames) -> None:
    """A constant is not the model's answer, and a default for want of an answer says nothing of the store's values."""

    def fail(_: int, row: dict[str, Any]) -> None:
        row["served_by"] = "constant"
        for feature in row["features"]:
            feature |= {"value": -1.0, "status": "unavailable", "timestamp": None, "age_seconds": None}

    report = answer(shop.question(offline, changed(shop.records(published(offline), 1, 20), fail)))
    assert {one.outcomes[ParityOutcome.UNAVAILABLE] for one in report.features} == {20}
    assert report.compared == ()
    assert told(report, 20).endswith("nothing could be compared")


def test_what_the_offline_store_does_not_reach_yet_is_unknown(shop: Shop, offline: Frames) -> None:
    """Files that end before the events: the newest value they hold is not what was known then."""
    half = START + pd.Timedelta(hours=HOURS / 2)
    cut = {view: rows[rows["event_timestamp"] <= half] for view, rows in offline.items()}
    report = answer(shop.question(cut, shop.records(published(offline), 1)))
    assert 100 < of(report, SALES).outcomes[ParityOutcome.UNKNOWN] < 150
    assert report.skewed == ()


def test_a_version_without_a_bundle_compares_features_alone(shop: Shop, offline: Frames) -> None:
    """It says so; there is no prediction among what was compared."""
    question = shop.question(offline, shop.records(published(offline), 1, 20))
    report = answer(question.model_copy(update={"bundle": ""}))
    assert report.predictions == ()
    assert report.notes == (f"the bundle of {shop.version} is not in the store: predictions were not compared",)


def test_no_offline_values_are_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """Where they should lie, and how train.py can say otherwise."""
    version = Version(shop.service.parent, shop.service.name, (), None, ())
    monkeypatch.delattr(version.plan, "offline")
    assert version.offline(tmp_path, tmp_path) == tmp_path
    from shipway.contract.serving import FeatureRead

    read = FeatureRead(name=SALES, default=0.0, ttl_seconds=1.0, freshness_slo_seconds=1.0)
    with pytest.raises(FeatureError) as caught:
        Version(shop.service.parent, shop.service.name, (read,), None, ()).offline(tmp_path, tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'data'}: found no offline values of sales_v1, expected them there, or a function "
        "`offline(cache)` in train.py that returns the folder of the repository that training joins from"
    )


def test_a_recorded_sample_says_what_the_store_says(shop: Shop, offline: Frames, tmp_path: Path) -> None:
    """The file alone, without the store, gives the same outcomes, and the same cause of a skew."""
    online = published(offline)
    for rows in online.values():
        rows["event_timestamp"] -= pd.Timedelta(hours=4)
    question = shop.question(offline, shop.records(online, 3, 60))
    live, path = answer(question), tmp_path / "sample.parquet"
    assert record(question, path).startswith(f"{path}: 60 predictions and ")
    assert path.stat().st_size < 40_000
    kept = answer(question.model_copy(update={"records": str(path), "recorded": True, "cache": "", "features": ""}))
    assert [(one.name, one.outcomes) for one in kept.features] == [(one.name, one.outcomes) for one in live.features]
    assert [one.name for one in of(kept, SALES).causes] == ["timezone"]
    assert read_sample(path).num_rows == 60


def test_a_large_sample_is_refused(tmp_path: Path, shop: Shop, offline: Frames) -> None:
    """A file kept in git is small; nothing is left behind."""
    records = shop.records(published(offline), 1, 3000)
    with pytest.raises(ShipwayError, match="expected at most 100000: choose fewer with --sample"):
        write_sample(tmp_path / "sample.parquet", sample_table(records, None, ()))
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_no_sample(tmp_path: Path) -> None:
    """One sentence with the file and what was expected."""
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(SpecError) as caught:
        read_sample(path)
    assert str(caught.value).endswith("expected a sample that `shipway parity MODEL --record FILE` wrote")


def test_a_child_that_fails_says_why(shop: Shop, offline: Frames) -> None:
    """Its own last words, behind the model and the version."""
    records = shop.records(published(offline), 1, 5)
    question = shop.question(offline, records).model_copy(update={"bundle": str(shop.bundle.with_name("0" * 64))})
    with pytest.raises(ShipwayError) as caught:
        compared(question, records)
    assert str(caught.value).startswith(f"parity-shop {shop.version}: cannot be compared: ")
    assert "no bundle sha256:000" in str(caught.value)


NUMBERS = {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("other", ["nothing", "a row without keys", "hashed keys", "a view without values"])
def test_keys_may_be_numbers(shop: Shop, offline: Frames, other: str) -> None:
    """Whatever else is logged or lies there: what cannot be told of some rows is unknown, and the rest is compared."""

    def numbered(number: int, row: dict[str, Any]) -> None:
        row["entities"] = json.dumps({"shop": NUMBERS[json.loads(row["entities"])["shop"]]})
        if number == 0 and other == "a row without keys":
            row |= {"entities": "{}", "features": None}
        if number < 10 and other == "hashed keys":
            row["entities"] = json.dumps({"shop": "blake2:0f"})

    known = {view: rows.assign(shop=rows["shop"].map(NUMBERS)) for view, rows in offline.items()}
    if other == "a view without values":
        known["kind_v1"] = known["kind_v1"].head(0).astype({"shop": object})
    report = answer(shop.question(known, changed(shop.records(published(offline), 1), numbered)))
    unknown = {"hashed keys": 10}.get(other, 0)
    outcomes = of(report, WEATHER).outcomes
    assert outcomes[ParityOutcome.UNKNOWN] == unknown
    assert outcomes[ParityOutcome.EQUAL] + outcomes[ParityOutcome.DEFAULT] >= 249 - unknown
    assert (of(report, KIND).outcomes[ParityOutcome.EQUAL] > 200) is (other != "a view without values")
