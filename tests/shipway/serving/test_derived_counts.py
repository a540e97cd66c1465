"""A text or a picture is counted by its measures: the same in training, in a slot, and where its log is read."""
# pyright: reportMissingTypeStubs=false

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from prometheus_client.parser import text_string_to_metric_families

from shipway.artifacts.pictures import png
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.drift.tally import COLUMNS, Watch, tally
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.serving.inputs import InputCounts
from shipway.training.drift_reference import build_reference
from tests.shipway.drift.toy import START, record

SCHEMA = Schema(
    fields=(
        FieldSpec(name="text", kind=FieldKind.TEXT, nullable=True, measures=("words", "other_ratio")),
        FieldSpec(name="picture", kind=FieldKind.IMAGE, shape=(6, 6, 1), measures=("bytes",)),
        FieldSpec(name="code", kind=FieldKind.TEXT),
    )
)
DERIVED = {"picture.bytes", "text.other_ratio", "text.words"}


def rows(count: int, most_words: int, noise: int) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    texts = [" ".join(["word,"] * int(words)) for words in chance.integers(1, most_words, count)]
    pictures = [png(chance.integers(0, noise, (6, 6), dtype=np.uint8)) for _ in range(count)]
    return pd.DataFrame({"text": texts, "picture": pictures, "code": ["x"] * count})


def counted_in_a_slot(counts: InputCounts, frame: pd.DataFrame, predictions: Any) -> dict[str, list[int]]:
    counts.add(frame.astype(object).to_dict("records"), [()] * len(frame), predictions)
    found: dict[str, list[int]] = {}
    for family in text_string_to_metric_families(counts.page()):
        for sample in family.samples:
            if sample.name == "shipway_feature_bin_total":
                found.setdefault(sample.labels["feature"], []).append(int(sample.value))
    return found


def counted_from_the_log(watch: Watch, frame: pd.DataFrame) -> dict[str, list[int]]:
    records = [
        record(f"p{number}", START, 0.0, "red", 5.0, 0.5, "v") | {"fields": json.dumps(row)}
        for number, row in enumerate(frame.astype(object).to_dict("records"))
    ]
    table = pa.Table.from_pylist(records, schema=PREDICTION_SCHEMA).select(list(COLUMNS["predictions"]))
    (vector,) = tally(table, {"v": watch}).counts.values()
    return {name: counts.tolist() for name, counts in watch.inputs.split(watch.counts(vector)).items() if name}


def test_training_slot_and_log_count_the_same() -> None:
    """The training's own rows fall into the reference's bins as they did there, on both ways."""
    frame, predictions = rows(300, 12, 256), np.full(300, 0.5)
    reference = build_reference(frame, predictions, SCHEMA)
    assert set(reference.fields) == DERIVED
    watch = Watch.of("v", reference)
    expected = {one.name: one.expected.tolist() for one in watch.inputs.fields if one.name}
    assert counted_from_the_log(watch, frame) == expected
    counts = InputCounts(reference, SCHEMA, [], {"model": "m", "version": "v", "slot": "blue"})
    assert counted_in_a_slot(counts, frame, predictions) == expected


def test_longer_texts_and_darker_pictures_leave_the_reference() -> None:
    """All of them are beyond what training saw, on the side that says how; a null is one."""
    reference = build_reference(rows(300, 12, 256), np.full(300, 0.5), SCHEMA)
    counts = InputCounts(reference, SCHEMA, [], {"model": "m", "version": "v", "slot": "blue"})
    now = rows(10, 13, 1).assign(text=" ".join(["word,"] * 50))
    now.loc[0, "text"] = None
    found = counted_in_a_slot(counts, now, np.full(10, 0.5))
    assert found["picture.bytes"][0] == 10
    assert found["text.words"][-2:] == [9, 1]
