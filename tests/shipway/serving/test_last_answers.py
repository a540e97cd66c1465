"""What was answered last is repeated for the same row or unit, while it is young enough, and nothing else is kept."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.serving import CacheKey
from shipway.serving.last_answers import LastAnswers
from shipway.serving.requests import Asked

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


def asked(*rows: Any, unit: str = "") -> Asked:
    return Asked(rows=[{"amount": row} for row in rows], unit_id=unit, event_time=NOW)


def test_the_same_rows_get_their_last_answer_and_its_age() -> None:
    """In any order and number; the age is that of the oldest."""
    clock = Clock()
    last = LastAnswers(CacheKey.ROW, 10, 60.0, clock)
    last.keep(asked(1, 2), np.array([0.1, 0.2]))
    clock.now_seconds += 10
    last.keep(asked(2), np.array([0.3]))
    found = last.find(asked(2, 1, 2))
    assert not isinstance(found, str)
    assert (found[0].tolist(), found[1]) == ([0.3, 0.1, 0.3], 10.0)
    assert last.find(asked(1, 5)) == "1 of 2 rows were not answered before"


def test_an_old_answer_is_not_repeated() -> None:
    """Neither is a request answered in which one of the rows is too old."""
    clock = Clock()
    last = LastAnswers(CacheKey.ROW, 10, 60.0, clock)
    last.keep(asked(1), np.array([0.1]))
    clock.now_seconds += 60
    assert not isinstance(last.find(asked(1)), str)
    last.keep(asked(2), np.array([0.2]))
    clock.now_seconds += 1
    assert last.find(asked(1, 2)) == "the last answer is 61 s old, more than 60 s"


def test_a_unit_is_known_whatever_its_row_says() -> None:
    """Only where a request is about one unit and has one row: another row of it has another answer."""
    last = LastAnswers(CacheKey.UNIT, 10, 60.0, Clock())
    last.keep(asked(1, unit="ada"), np.array([0.1]))
    last.keep(asked(1, 2, unit="bob"), np.array([0.2, 0.3]))
    found = last.find(asked(77, unit="ada"))
    assert not isinstance(found, str)
    assert found[0].tolist() == [0.1]
    assert last.find(asked(1, unit="bob")) == "1 of 1 rows were not answered before"
    for one in (asked(1), asked(1, 2, unit="ada")):
        assert last.find(one) == "the request names no unit, or has several rows"


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 10))
def test_it_holds_the_newest_and_no_more(rows: list[int], most: int) -> None:
    """Its size never passes the limit; what leaves is what was answered longest ago."""
    last = LastAnswers(CacheKey.ROW, most, 1e9, Clock())
    newest: list[int] = []
    for number, row in enumerate(rows):
        last.keep(asked(row), np.array([float(number)]))
        newest = [*[one for one in newest if one != row], row][-most:]
        assert len(last) == len(newest)
    known = {row for row in range(31) if not isinstance(last.find(asked(row)), str)}
    assert known == set(newest)
