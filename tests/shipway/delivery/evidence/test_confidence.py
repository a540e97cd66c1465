"""The harm budget: numbers, laws."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.delivery.evidence import confidence
from shipway.delivery.evidence.confidence import fits_budget, requests_needed, worst_excess

COUNTS = st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(sorted)


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(confidence).failed == 0


@pytest.mark.parametrize(("percent", "requests"), [(5, 27), (25, 168), (50, 357), (100, 754)])
def test_flawless_requests_asked_for_by_each_step(percent: int, requests: int) -> None:
    """27, 168, 357 and 754 flawless candidate requests open 5, 25, 50 and 100 %; one fewer does not."""
    assert requests_needed(percent, harm_budget_ratio=0.01, harm_alpha=0.05) == requests
    assert fits_budget(worst_excess(0, requests, 0, 0, 0.05), percent, 0.01)
    assert not fits_budget(worst_excess(0, requests - 1, 0, 0, 0.05), percent, 0.01)


@given(COUNTS, COUNTS)
def test_the_excess_grows_with_the_candidates_harm(candidate: list[int], live: list[int]) -> None:
    """More candidate harm never makes the worst excess smaller, more of live's never makes it greater."""
    excess = worst_excess(*candidate, *live, 0.05)
    assert worst_excess(candidate[0] + 1, candidate[1] + 1, *live, 0.05) >= excess - 1e-12
    assert worst_excess(*candidate, live[0] + 1, live[1] + 1, 0.05) <= excess + 1e-12


def test_errors_ask_for_more_and_live_helps() -> None:
    """A version that fails at 1 % needs more requests than a flawless one, and fewer when live is known to fail too."""
    alone = requests_needed(50, 0.01, 0.05, error_ratio=0.01)
    beside = requests_needed(50, 0.01, 0.05, error_ratio=0.01, live_per_candidate=3.0)
    assert alone is not None
    assert beside is not None
    assert 357 < beside < alone


def test_a_budget_that_no_number_meets_is_said_so() -> None:
    """When a version that is compared with nothing fails more often than the budget, no number of requests helps."""
    assert requests_needed(100, 0.01, 0.05, error_ratio=0.02) is None
