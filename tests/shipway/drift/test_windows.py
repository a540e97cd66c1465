"""Windows of event time."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.drift.windows import Length, Span, Windows, hour_of_week, span

TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))
DECEMBER = Span(datetime(2013, 12, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))


@given(TIMES, st.sampled_from(Length))
def test_windows_cover_time_without_overlap(at: datetime, length: Length) -> None:
    """An instant lies in its window, whose ends belong to it and to the next one."""
    window = span(length, at)
    assert window.start <= at < window.end
    assert span(length, window.start) == window == span(length, window.end - timedelta(microseconds=1))
    assert span(length, window.end).start == window.end


@given(TIMES)
def test_the_hour_of_the_week_repeats_each_week(at: datetime) -> None:
    """168 hours, the same a week later."""
    assert 0 <= hour_of_week(at) < 168
    assert hour_of_week(at) == hour_of_week(at + timedelta(days=7))
    assert (hour_of_week(at + timedelta(hours=1)) - hour_of_week(at)) % 168 == 1


@given(st.lists(st.tuples(st.integers(0, 24 * 70), st.integers(0, 9)), max_size=40))
def test_sums_are_the_sums_of_the_hours_in_any_order(rows: list[tuple[int, int]]) -> None:
    """Whatever the order in which hours come, each window holds what lies in it."""
    first, windows = datetime(2013, 1, 30, tzinfo=UTC), Windows((2,))
    for hour, count in rows:
        windows.add(first + timedelta(hours=hour), np.array([count, 1]))
    for length in Length:
        window = span(length, first + timedelta(hours=500))
        inside = [count for hour, count in rows if window.start <= first + timedelta(hours=hour) < window.end]
        assert windows.counts(length, window).tolist() == [sum(inside), len(inside)]
        assert windows.blocks(length, window).sum(axis=0).tolist() == [sum(inside), len(inside)]


def test_blocks_are_days_and_a_days_hours() -> None:
    """A month is told by its days, a day by its hours."""
    windows = Windows((1,))
    assert windows.blocks(Length.MONTH, DECEMBER).shape == (31, 1)
    assert windows.blocks(Length.DAY, span(Length.DAY, DECEMBER.start)).shape == (24, 1)


def test_another_offset_is_the_same_instant() -> None:
    """Midnight in New York is five hours into the day of UTC."""
    at = datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert span(Length.HOUR, at).start == datetime(2013, 1, 1, 5, tzinfo=UTC)


def test_what_ended_is_forgotten_and_no_more() -> None:
    """A window that reaches past the instant stays whole."""
    windows = Windows((1,))
    for day in range(40):
        windows.add(DECEMBER.start + timedelta(days=day), np.array([1]))
    windows.forget(DECEMBER.start + timedelta(days=20))
    assert windows.counts(Length.MONTH, DECEMBER).tolist() == [31]
    assert windows.counts(Length.DAY, span(Length.DAY, DECEMBER.start)).tolist() == [0]
    windows.forget(DECEMBER.start + timedelta(days=400))
    assert len(windows) == 0


def test_what_is_refused() -> None:
    """A time without an offset, and counts of other bins."""
    with pytest.raises(ValueError, match="2013-01-01T00:00:00: expected a time with an offset"):
        span(Length.DAY, datetime(2013, 1, 1))
    with pytest.raises(ValueError, match=r"counts of shape \(3,\): expected \(2,\)"):
        Windows((2,)).add(DECEMBER.start, np.zeros(3))
