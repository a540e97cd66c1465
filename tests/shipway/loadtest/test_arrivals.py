"""Arrivals: a Poisson process that can be repeated."""

import statistics
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.loadtest.arrivals import poisson


@settings(deadline=None)
@given(st.floats(0.1, 500), st.floats(0.1, 20), st.integers(0, 2**31))
def test_arrivals_are_in_order_within_the_stage_and_repeat_with_their_seed(
    rate: float, seconds: float, seed: int
) -> None:
    """No moment lies outside of [0, seconds), and the same seed gives the same ones."""
    moments = poisson(rate, seconds, seed)
    assert moments == sorted(moments) == poisson(rate, seconds, seed)
    assert all(0 <= moment < seconds for moment in moments)


def test_a_longer_stage_begins_like_a_shorter_one() -> None:
    """The schedule is one stream: its length changes nothing about its beginning."""
    long = poisson(50, 10, seed=3)
    assert poisson(50, 4, seed=3) == [moment for moment in long if moment < 4]


def test_gaps_are_exponential_and_not_an_even_beat() -> None:
    """Mean and deviation of an exponential distribution are equal, and both are 1 / rate."""
    gaps = [later - earlier for earlier, later in pairwise(poisson(100, 200, seed=1))]
    assert abs(statistics.mean(gaps) * 100 - 1) < 0.03
    assert abs(statistics.stdev(gaps) * 100 - 1) < 0.03
