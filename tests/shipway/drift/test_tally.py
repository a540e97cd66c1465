"""Records of the logs as counts."""
# pyright: reportMissingTypeStubs=false

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from shipway.drift.tally import COLUMNS, Group, Tallied, key_of, tally
from shipway.logs.schemas import PREDICTION_SCHEMA
from tests.shipway.drift.toy import START, record, watch

WATCH = watch()
HOUR = int(START.timestamp() // 3600)


def tallied(records: list[dict[str, Any]]) -> Tallied:
    table = pa.Table.from_pylist(records, schema=PREDICTION_SCHEMA).select(list(COLUMNS["predictions"]))
    return tally(table, {"v": WATCH})


def counts(found: Tallied, segment: str = "", hour: int = HOUR) -> dict[str, np.ndarray[Any, Any]]:
    return WATCH.inputs.split(WATCH.counts(found.counts[Group(hour, "v", segment)]))


def test_a_record_counts_in_its_hour_and_its_segment() -> None:
    """Once for all rows and once for each segment it lies in; the bins are the version's own."""
    first = record("a", START, 0.0, "red", 5.0, 0.5, "v")
    later = record("b", START + timedelta(minutes=61), 0.0, "blue", 5.0, 0.5, "v")
    found = tallied([first, later])
    assert set(found.counts) == {
        *(Group(HOUR, "v", segment) for segment in ("", "colour=red")),
        *(Group(HOUR + 1, "v", segment) for segment in ("", "colour=blue")),
    }
    for field in WATCH.inputs.fields:
        assert counts(found)[field.name].sum() == 1
    bins = WATCH.inputs.fields
    assert [int(np.argmax(counts(found)[one.name])) for one in bins] == [
        int(one.index([value])[0]) for one, value in zip(bins, ["red", 5.0, 0.0, 0.5], strict=True)
    ]


def test_the_mean_of_a_field_can_be_told_exactly() -> None:
    """Sums are kept beside the counts; a null adds nothing, a category has none."""
    records = [record(f"p{value}", START, value, "red", 2 * value, 0.5, "v") for value in (1.0, 2.0, 4.0)]
    records[0]["features"][0]["status"] = "missing"
    total = tallied(records).counts[Group(HOUR, "v", "")]
    assert dict(zip([one.name for one in WATCH.inputs.fields], WATCH.sums(total).tolist(), strict=True)) == {
        "colour": 0.0,
        "view:f": 12.0,
        "x": 7.0,
        "": 1.5,
    }


@pytest.mark.parametrize("status", ["missing", "stale", "future", "unavailable"])
def test_a_default_is_no_value(status: str) -> None:
    """What the model was given instead of a feature says nothing about the world: it counts as null."""
    found = counts(tallied([record("a", START, 0.0, "red", 5.0, 0.5, "v", status=status)]))
    assert found["view:f"][-1] == 1


def test_a_fallback_answers_for_no_model() -> None:
    """Its prediction is null, waits for no label, and what was asked counts all the same."""
    found = tallied([record("a", START, 0.0, "red", 5.0, 0.5, "v") | {"served_by": "constant"}])
    assert counts(found)[""][-1] == 1
    assert counts(found)["x"][-1] == 0
    assert found.waiting == []


def test_a_value_that_the_reference_does_not_name_is_no_segment() -> None:
    """The number of segments is bounded by training, whatever callers send; the rows themselves count."""
    found = tallied([record("a", START, 0.0, "mauve", 5.0, 0.5, "v")])
    assert set(found.counts) == {Group(HOUR, "v", "")}


def test_an_unknown_version_is_told_and_not_counted() -> None:
    """Nobody says in which bins its records belong; those of others count."""
    found = tallied([record("a", START, 0.0, "red", 5.0, 0.5, "w"), record("b", START, 0.0, "red", 5.0, 0.5, "v")])
    assert found.unknown == {"w": 1}
    assert {group.version for group in found.counts} == {"v"}
    assert tallied([]).newest is None


def test_what_waits_for_a_label_knows_all_that_the_label_will_be_counted_by() -> None:
    """The prediction, its hour, version and segments, under a key that stands for its id."""
    found = tallied([record("a", START, 0.0, "red", 5.0, 0.25, "v")])
    assert found.waiting == [(key_of("a"), HOUR, "v", 0.25, ("colour=red",))]
    assert found.newest == int(START.timestamp() * 1e6)


def test_a_label_counts_in_its_bin_and_in_that_of_its_prediction() -> None:
    """One row of labels, one of the relation, and the sum."""
    vector = WATCH.label_vector(0.25, 1.0)
    assert WATCH.labels is not None
    column, line = int(WATCH.labels.index([1.0])[0]), int(WATCH.inputs.fields[-1].index([0.25])[0])
    assert (WATCH.label_counts(vector)[column], WATCH.label_counts(vector).sum()) == (1, 1)
    assert (WATCH.relation(vector)[line, column], WATCH.relation(vector).sum()) == (1, 1)
    assert WATCH.label_sum(vector) == 1
    assert not WATCH.counts(vector).any()
