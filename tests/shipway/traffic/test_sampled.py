import doctest
import json
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from shipway.contract.errors import ShipwayError
from shipway.traffic import summary
from shipway.traffic.events import Ask, Label
from shipway.traffic.sampled import sampled_events

START = datetime(2020, 1, 1, tzinfo=UTC)


def test_examples_come_round_again_as_other_units() -> None:
    """Each ask is followed by its label, times grow, and no unit comes twice."""
    rows = pd.DataFrame({"x": [1.0, 2.0], "v": [[1.0], [2.0]]}, index=["a", "b"])
    events = list(islice(sampled_events(rows, pd.Series([3, 4], index=rows.index), START), 8))
    asks = [event for event in events if isinstance(event, Ask)]
    labels = [event for event in events if isinstance(event, Label)]
    assert [ask.unit_id for ask in asks] == ["a-0", "b-0", "a-1", "b-1"]
    assert [ask.row for ask in asks[:2]] == [{"x": 1.0, "v": [1.0]}, {"x": 2.0, "v": [2.0]}]
    assert [(label.unit_id, label.label) for label in labels[:2]] == [("a-0", 3.0), ("b-0", 4.0)]
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_the_percentile_example_holds() -> None:
    """The docstring's number is right."""
    assert doctest.testmod(summary).failed == 0


def test_a_table_as_pandas_holds_it_can_be_sent() -> None:
    """A missing number is null, an array a list, a time its text; a row without a label is asked about all the same."""
    rows = pd.DataFrame(
        {
            "amount": [1.0, np.nan],
            "count": pd.array([1, None], dtype="Int64"),
            "at": pd.to_datetime(["2020-01-01T10:00:00Z", None], utc=True),
            "pixels": [np.zeros(2), np.ones(2)],
            "name": ["Ulm", None],
        },
        index=["Köln", "b\nc"],
    )
    events = list(islice(sampled_events(rows, pd.Series([1.0, np.nan], index=rows.index), START), 3))
    first, label, second = events
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert isinstance(label, Label)
    assert first.row == {
        "amount": 1.0,
        "count": 1,
        "at": "2020-01-01T10:00:00+00:00",
        "pixels": [0.0, 0.0],
        "name": "Ulm",
    }
    assert second.row == {"amount": None, "count": None, "at": None, "pixels": [1.0, 1.0], "name": None}
    assert json.dumps([first.row, second.row], allow_nan=False)
    # A header holds no other signs.
    assert (first.unit_id, second.unit_id) == ("K%C3%B6ln-0", "b%0Ac-0")


def test_no_examples_are_no_traffic() -> None:
    """What is there to send is said, and not divided by."""
    with pytest.raises(ShipwayError, match="validation examples: got 'none', expected at least one"):
        next(iter(sampled_events(pd.DataFrame({"x": []}), pd.Series([], dtype=float), START)))
