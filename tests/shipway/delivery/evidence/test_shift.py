"""The bound on total variation: its formula, its coverage, and that it sees what it should."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from shipway.contract.evidence import ShiftState
from shipway.delivery.evidence import shift
from shipway.delivery.evidence.shift import add_predictions, shift_estimate, shift_lower_bound

BINS = 20
UNIFORM = np.full(BINS, 1 / BINS)


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(shift).failed == 0


@pytest.mark.parametrize("size", [5.0, 400.0, 1e5])
@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_the_bound_is_where_the_mixture_says(size: float, alpha: float) -> None:
    """The margin below S solves M(s, V) = 1 / alpha of the one-sided normal mixture, or lies on its safe side."""
    precision, v = 10.0, size / 4

    def gap(s: float) -> float:
        spread = v + precision
        mixture = 2 * math.sqrt(precision / spread) * math.exp(s * s / (2 * spread)) * norm.cdf(s / math.sqrt(spread))
        return mixture - 1 / alpha

    boundary = brentq(gap, 0, 10 * math.sqrt(v + precision))
    state = ShiftState(weighted_difference=size, size=size)
    assert shift_lower_bound(state, alpha) == pytest.approx(1 - boundary / size if boundary < size else 0, abs=1e-6)
    assert shift_lower_bound(state, alpha) <= max(0, 1 - boundary / size) + 1e-12


def looks(chance: np.random.Generator, p: np.ndarray, q: np.ndarray, number: int, size: int = 10) -> list[ShiftState]:
    state, seen = ShiftState(), []
    for n in chance.binomial(size, 0.25, number):
        candidate, live = chance.multinomial(n, p), chance.multinomial(size - n, q)
        state = add_predictions(state, candidate.tolist(), live.tolist())
        seen.append(state)
    return seen


def test_a_shift_within_the_limit_is_rarely_called_too_large() -> None:
    """With a total variation of exactly 0.1 the bound ever exceeds 0.1 on at most alpha of 200 paths of 400 looks."""
    chance, alpha, paths = np.random.default_rng(3), 0.1, 200
    p = UNIFORM.copy()
    p[0] += 0.1
    p[1:] -= 0.1 / (BINS - 1)
    wrong = sum(
        any(shift_lower_bound(state, alpha) > 0.1 for state in looks(chance, p, UNIFORM, 400)) for _ in range(paths)
    )
    assert wrong / paths <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / paths)


def test_a_large_shift_is_seen_soon() -> None:
    """Half of the predictions in other bins are proved to be more than 0.1 within 1,000 candidate predictions."""
    moved = np.repeat([1.5 / BINS, 0.5 / BINS], BINS // 2)
    for seed in range(5):
        state = looks(np.random.default_rng(seed), moved, UNIFORM, 400)[-1]
        assert 0.1 < shift_lower_bound(state, 0.01) < 0.25 < shift_estimate(state) + 0.05


@settings(max_examples=30)
@given(st.lists(st.integers(0, 30), min_size=BINS, max_size=BINS))
def test_equal_predictions_show_no_shift(bins: list[int]) -> None:
    """Two slots that predict the same, look for look, have a bound of 0 and an estimate of 0."""
    state = ShiftState()
    for _ in range(5):
        state = add_predictions(state, bins, bins)
    assert shift_lower_bound(state, 0.01) == 0
    assert shift_estimate(state) == pytest.approx(0, abs=1e-12)


def test_small_looks_wait_for_each_other() -> None:
    """Predictions that come one by one enter together, and none is lost on the way."""
    one = [1] + [0] * (BINS - 1)
    state = ShiftState()
    for _ in range(9):
        state = add_predictions(state, one, one)
    assert (sum(state.open_candidate), sum(state.candidate), state.size) == (9, 0, 0)
    state = add_predictions(state, one, one)
    assert (sum(state.open_candidate), sum(state.candidate)) == (0, 10)
