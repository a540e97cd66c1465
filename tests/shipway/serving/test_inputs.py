"""Each row a slot sees is counted once in the bins of its bundle, and what was not fresh is null."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shipway.contract.serving import FallbackSource, ServingSpec
from shipway.serving.requests import Asked
from tests.shipway.serving.doubles import READ, ROW, Harness, Stored, StubModel, StubStore

Make = Callable[..., Harness]
NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)
BINS, EXCESS = "shipway_feature_bin_total", "shipway_feature_tail_excess_total"


def asked(*rows: dict[str, Any]) -> Asked:
    return Asked(rows=[ROW | row for row in rows], unit_id="u", event_time=NOW)


def test_fields_features_and_predictions_are_counted(harness: Make) -> None:
    """A row counts in one bin of each field; beyond the reference it is in a tail, and says how far."""
    one = harness(store=StubStore({READ.name: Stored(4.0, NOW)}))
    asyncio.run(one.runtime.answer(asked({"amount": 1}, {"amount": 6.5, "colour": "red"}, {"amount": 60})))
    amounts = {label: one.value(BINS, feature="amount", bin=label) for label in ("below", "0", "1", "above", "null")}
    assert amounts == {"below": 0, "0": 1, "1": 0, "above": 2, "null": 0}
    assert one.value(EXCESS, feature="amount", bin="above") == 2.5 + 56
    assert [one.value(BINS, feature="colour", bin=label) for label in ("0", "1", "other")] == [0, 3, 0]
    assert one.value(BINS, feature=READ.name, bin="0") == 3
    predictions = {label: one.value("shipway_prediction_bin_total", bin=label) for label in ("1", "3", "above", "null")}
    assert predictions == {"1": 1, "3": 1, "above": 1, "null": 0}


@pytest.mark.parametrize(
    "store",
    [
        StubStore(),
        StubStore({READ.name: Stored(4.0, NOW - timedelta(days=1))}),
        StubStore({READ.name: Stored(None, NOW)}),
    ],
    ids=["missing", "stale", "null"],
)
def test_a_default_is_counted_as_null(harness: Make, store: StubStore) -> None:
    """The default lies in some bin; counting it there would call a store that is down a change of the weather."""
    one = harness(store=store)
    asyncio.run(one.runtime.answer(asked({})))
    assert one.value(BINS, feature=READ.name, bin="null") == 1
    assert one.value(BINS, feature=READ.name, bin="1") == 0


def test_an_answer_that_is_not_the_models_has_no_bin(harness: Make) -> None:
    """The constant is no prediction of this version; the input was seen all the same."""

    def raises(_: object) -> object:
        raise RuntimeError

    spec = ServingSpec(fallback=(FallbackSource.CONSTANT,), fallback_constant=0.5)
    one = harness(StubModel(raises), spec)
    asyncio.run(one.runtime.answer(asked({}, {})))
    assert one.value("shipway_prediction_bin_total", bin="null") == 2
    assert one.value("shipway_prediction_bin_total", bin="0") == 0
    assert one.value(BINS, feature="amount", bin="1") == 2


def test_no_value_of_a_request_is_on_the_page(harness: Make) -> None:
    """Labels are names of fields and numbers of bins; texts, times and vectors have no bins at all."""
    one = harness()
    asyncio.run(one.runtime.answer(asked({"colour": "green"})))
    page = one.runtime.inputs.page()
    assert not [word for word in ("green", "N14228", "2013-05-01") if word in page]
    assert not [name for name in ("who", "when", "pixels", "count") if f'feature="{name}"' in page]
