import doctest
from datetime import UTC, datetime
from itertools import islice

import pandas as pd

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
