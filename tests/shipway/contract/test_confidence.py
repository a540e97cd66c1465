"""The confidence sequence: numbers, laws, coverage."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import betabinom, binom

from shipway.contract import confidence
from shipway.contract.confidence import lower_bound, upper_bound

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


def test_nonsense_is_refused() -> None:
    """More events than trials, or an alpha that is no probability, is refused with the values."""
    with pytest.raises(ValueError, match=r"events \(2\) of trials \(1\) at alpha \(0\.05\)"):
        upper_bound(2, 1, 0.05)
    with pytest.raises(ValueError, match=r"at alpha \(1\.0\)"):
        lower_bound(0, 1, 1.0)
