"""The confidence sequence and the harm budget: numbers, laws, coverage."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import betabinom, binom

from shipway.delivery.evidence import confidence
from shipway.delivery.evidence.confidence import (
    fits_budget,
    lower_bound,
    requests_needed,
    upper_bound,
    worst_excess,
)

COUNTS = st.tuples(st.integers(0, 3000), st.integers(0, 3000)).map(sorted)


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(confidence).failed == 0


@pytest.mark.parametrize(("events", "trials"), [(0, 27), (1, 40), (13, 1000), (40, 40), (500, 1000)])
def test_the_bounds_are_where_the_mixture_says(events: int, trials: int) -> None:
    """Both ends solve mixture / likelihood = 1 / alpha, the mixture being SciPy's beta-binomial."""
    alpha = 0.025

    def gap(ratio: float) -> float:
        return betabinom.logpmf(events, trials, 0.5, 0.5) - binom.logpmf(events, trials, ratio) + np.log(alpha)

    middle = events / trials
    if events < trials:
        assert upper_bound(events, trials, alpha) == pytest.approx(brentq(gap, middle, 1 - 1e-12), abs=1e-9)
    if events > 0:
        assert lower_bound(events, trials, alpha) == pytest.approx(brentq(gap, 1e-12, middle), abs=1e-9)


@pytest.mark.parametrize(("percent", "requests"), [(5, 27), (25, 168), (50, 357), (100, 754)])
def test_flawless_requests_asked_for_by_each_step(percent: int, requests: int) -> None:
    """27, 168, 357 and 754 flawless candidate requests open 5, 25, 50 and 100 %; one fewer does not."""
    assert requests_needed(percent, harm_budget_ratio=0.01, harm_alpha=0.05) == requests
    assert fits_budget(worst_excess(0, requests, 0, 0, 0.05), percent, 0.01)
    assert not fits_budget(worst_excess(0, requests - 1, 0, 0, 0.05), percent, 0.01)


@given(COUNTS, st.sampled_from([0.001, 0.025, 0.2]))
def test_bounds_hold_the_estimate_and_tighten(counts: list[int], alpha: float) -> None:
    """0 <= L <= k/n <= U <= 1; one more event moves both up, one more good request moves both down."""
    events, trials = counts
    lower, upper = lower_bound(events, trials, alpha), upper_bound(events, trials, alpha)
    assert 0 <= lower <= (events / trials if trials else 0) <= upper <= 1
    assert upper_bound(events + 1, trials + 1, alpha) >= upper - 1e-12
    assert lower_bound(events + 1, trials + 1, alpha) >= lower - 1e-12
    assert upper_bound(events, trials + 1, alpha) <= upper + 1e-12
    assert lower_bound(events, trials + 1, alpha) <= lower + 1e-12


@given(COUNTS, COUNTS)
def test_the_excess_grows_with_the_candidates_harm(candidate: list[int], live: list[int]) -> None:
    """More candidate harm never makes the worst excess smaller, more of live's never makes it greater."""
    excess = worst_excess(*candidate, *live, 0.05)
    assert worst_excess(candidate[0] + 1, candidate[1] + 1, *live, 0.05) >= excess - 1e-12
    assert worst_excess(*candidate, live[0] + 1, live[1] + 1, 0.05) <= excess + 1e-12


@pytest.mark.parametrize("ratio", [0.005, 0.2])
def test_the_bounds_cover_at_every_look_at_once(ratio: float) -> None:
    """Over 1,000 looks at 1,000 paths the true ratio is ever outside on at most alpha of them, on each side."""
    chance, alpha, paths, looks = np.random.default_rng(11), 0.05, 1000, 1000
    events = np.cumsum(chance.random((paths, looks)) < ratio, axis=1)
    trials = np.arange(1, looks + 1)
    log_ratio = betabinom.logpmf(events, trials, 0.5, 0.5) - binom.logpmf(events, trials, ratio)
    outside = log_ratio >= -np.log(alpha)
    above = (outside & (events / trials > ratio)).any(axis=1).mean()
    below = (outside & (events / trials < ratio)).any(axis=1).mean()
    allowed = alpha + 3 * np.sqrt(alpha * (1 - alpha) / paths)
    assert above <= allowed
    assert below <= allowed


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


def test_nonsense_is_refused() -> None:
    """More events than trials, or an alpha that is no probability, is refused with the values."""
    with pytest.raises(ValueError, match=r"events \(2\) of trials \(1\) at alpha \(0\.05\)"):
        upper_bound(2, 1, 0.05)
    with pytest.raises(ValueError, match=r"at alpha \(1\.0\)"):
        lower_bound(0, 1, 1.0)
