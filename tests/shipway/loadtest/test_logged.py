"""Rows of the prediction log."""

import json
from datetime import UTC, datetime

from shipway.loadtest.logged import logged_rows
from shipway.logs.sources import LocalSource
from tests.shipway.labels.logs import Logs


def test_the_newest_rows_are_read_and_no_more_than_wanted(logs: Logs) -> None:
    """As they were asked, with the newest moment; a folder without a log has none."""
    source = LocalSource(logs.folder)
    assert (list(logged_rows(source).rows), logged_rows(source).newest) == ([], None)
    rows = [(str(number), 0.5, "v", 0) for number in range(10)]
    logs.predict(rows, fields=json.dumps({"pixels": [1.0]}))
    found = logged_rows(source)
    assert found.rows == [{"pixels": [1.0]}] * 10
    assert found.newest == datetime(2013, 5, 1, 3, tzinfo=UTC)
    assert len(logged_rows(source, most=3).rows) == 3
