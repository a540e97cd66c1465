"""The search for the break point, against servers of a known capacity."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.loadtest import StageResult
from shipway.loadtest.search import MOST_STEPS, found_rates, next_rate
from tests.shipway.loadtest.results_of import stage


def searched(capacity: float, start: float, most: float, unknown_from: float = 1e9) -> list[StageResult]:
    """Returns all stages of a search against a server that meets its objective up to `capacity`."""
    known = [_at(start, capacity, unknown_from, searched=False)]
    while (rate := next_rate(known, most)) is not None:
        known.append(_at(rate, capacity, unknown_from, searched=True))
    return known


def _at(rate: float, capacity: float, unknown_from: float, *, searched: bool) -> StageResult:
    met = None if rate >= unknown_from else rate <= capacity
    return stage(requests_per_second=rate, searched=searched, objective_met=met)


@settings(deadline=None)
@given(st.floats(1, 2000), st.floats(1, 100), st.floats(100, 1000))
def test_the_break_point_lies_just_above_what_it_stands(capacity: float, start: float, most: float) -> None:
    """No step exceeds the limit, there are few, and the two rates enclose the capacity to within a fifth."""
    known = searched(capacity, start, most)
    best, missed = found_rates(known)
    assert len(known) <= MOST_STEPS + 1
    assert all(one.requests_per_second <= most for one in known)
    if missed is None:
        assert best == max(one.requests_per_second for one in known) == max(start, most)
    elif best is not None:
        assert best <= capacity < missed
        assert missed / best <= 1.2


def test_a_server_that_cannot_stand_the_first_rate_is_searched_downward() -> None:
    """It is said what it does stand."""
    best, missed = found_rates(searched(12, 20, 1000))
    assert best is not None
    assert missed is not None
    assert best <= 12 < missed


def test_the_search_ends_where_the_sender_can_say_nothing() -> None:
    """A machine that is too busy for a rate finds no break point, and none is made up."""
    known = searched(1e9, 20, 1000, unknown_from=60)
    assert [one.requests_per_second for one in known] == [20, 30, 45, 67.5]
    assert found_rates(known) == (45, None)


def test_luck_above_a_miss_counts_for_nothing() -> None:
    """The rate that is stood lies below every rate that was missed."""
    known = [stage(requests_per_second=rate, objective_met=met) for rate, met in ((10, True), (20, False), (30, True))]
    assert found_rates(known) == (10, 20)
    assert found_rates([]) == (None, None)
