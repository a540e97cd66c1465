"""The e-process: its laws by exact enumeration, its numbers against direct summation in 60 digits."""

import doctest
import math
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from shipway.delivery.evidence import eprocess
from shipway.delivery.evidence.eprocess import (
    GREATER,
    START,
    UNEQUAL,
    begin_share,
    forget,
    log_e_value,
    reaches,
    relative_null,
    update,
)

INCREMENTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1)).map(lambda one: (*sorted(one[:2]), one[2])),
    max_size=8,
)


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(eprocess).failed == 0


def direct(
    increments: list[tuple[int, int, float]], grid: tuple[float, ...], shares: dict[int, Fraction]
) -> mpmath.mpf:
    """Returns log E by the formula as it is written, in 60 digits.

    Args:
        increments: hits, trials and null ratio of each.
        grid: the alternatives.
        shares: the mass that begins to test before the increment of that number; what is left waits.
    """
    with mpmath.workdps(60):
        total = mpmath.mpf(1) - sum(mpmath.mpf(one.numerator) / one.denominator for one in shares.values())
        for log_ratio, (first, share) in product(grid, shares.items()):
            rho, weight = mpmath.exp(log_ratio), mpmath.mpf(share.numerator) / share.denominator / len(grid)
            for hits, trials, null in increments[first:]:
                weight *= rho**hits / (1 + mpmath.mpf(null) * (rho - 1)) ** trials
            total += weight
        return mpmath.log(total)


@settings(max_examples=40, deadline=None)
@given(INCREMENTS, st.sampled_from([GREATER, UNEQUAL]))
def test_it_agrees_with_direct_summation(increments: list[tuple[int, int, float]], grid: tuple[float, ...]) -> None:
    """The log-space mixture is the plain sum of products, to 1e-9."""
    state = START
    for hits, trials, null in increments:
        state = update(state, hits, trials, null, grid)
    assert log_e_value(state) == pytest.approx(float(direct(increments, grid, {0: Fraction(1)})), rel=1e-9, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(INCREMENTS, st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True))
def test_late_shares_agree_with_direct_summation(increments: list[tuple[int, int, float]], starts: list[int]) -> None:
    """A mixture over start times is the sum of what began at each and of what waits, to 1e-9."""
    begun = sorted(start for start in starts if start < len(increments)) or [0]
    state, waiting = (-math.inf,) * len(START), 1.0
    for number, (hits, trials, null) in enumerate(increments):
        if number in begun:
            state, waiting = begin_share(state, 0.2), waiting - 0.2
        state = update(state, hits, trials, null)
    if increments and begun[0] == 0:
        exact = direct(increments, GREATER, dict.fromkeys(begun, Fraction(1, 5)))
        assert log_e_value(state, waiting) == pytest.approx(float(exact), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(INCREMENTS, st.floats(-2, 20))
def test_the_short_cut_agrees_with_the_sum(increments: list[tuple[int, int, float]], limit: float) -> None:
    """Whether a limit is reached is the same by the greatest weight as by the whole sum."""
    state = START
    for hits, trials, null in increments:
        state = update(state, hits, trials, null)
    assert reaches(state, limit) == (log_e_value(state) >= limit)
    assert reaches(state, limit, 0.5) == (log_e_value(state, 0.5) >= limit)


@settings(max_examples=40, deadline=None)
@given(INCREMENTS, st.randoms())
def test_the_order_of_increments_does_not_matter(increments: list[tuple[int, int, float]], chance: object) -> None:
    """Evidence is a product: increments in any order lead to the same e-value."""
    shuffled = list(increments)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = START, START
    for one, other in zip(increments, shuffled, strict=True):
        first, second = update(first, *one), update(second, *other)
    assert log_e_value(first) == pytest.approx(log_e_value(second), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("candidate", [1, 2, 5])
@pytest.mark.parametrize("live", [1, 4, 12])
@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_bernoulli_requests_gain_nothing_under_the_null(candidate: int, live: int, rate: float, margin: float) -> None:
    """Over all outcomes of an increment the e-value's mean is at most 1 when the candidate's rate is r0 times live's.

    The conditional test is exact for Poisson counts; that it also holds for requests that each fail or not, at every
    base rate, is what makes it safe at an error rate of 90 %.
    """
    null = relative_null(candidate, live, margin)
    candidate_rate = min(1.0, rate * (1 + margin))
    mean = 0.0
    for bad, live_bad in product(range(candidate + 1), range(live + 1)):
        chance = binom.pmf(bad, candidate, candidate_rate) * binom.pmf(live_bad, live, rate)
        mean += chance * math.exp(log_e_value(update(START, bad, bad + live_bad, null)))
    assert mean <= 1 + 1e-12


@pytest.mark.parametrize("trials", [1, 3, 20])
@pytest.mark.parametrize(("rate", "null"), [(0.0, 0.01), (0.01, 0.01), (0.2, 0.5), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0)])
def test_an_objective_that_is_met_gains_nothing(trials: int, rate: float, null: float) -> None:
    """The mean e-value is at most 1 at every rate up to the objective, 0 % and 100 % included."""
    mean = sum(
        binom.pmf(hits, trials, rate) * math.exp(log_e_value(update(START, hits, trials, null)))
        for hits in range(trials + 1)
    )
    assert mean <= 1 + 1e-12


@pytest.mark.parametrize("weight", [0.01, 0.25, 0.5])
def test_a_true_split_is_a_martingale(weight: float) -> None:
    """Under the weight itself the two-sided e-value's mean is exactly 1."""
    outcomes = [math.exp(log_e_value(update(START, k, 12, weight, UNEQUAL))) for k in range(13)]
    assert np.dot(outcomes, binom.pmf(range(13), 12, weight)) == pytest.approx(1.0, abs=1e-12)


@given(st.integers(0, 50), st.integers(1, 50), st.floats(0.01, 0.99))
def test_more_hits_are_more_evidence(hits: int, more: int, null: float) -> None:
    """With the same trials, more of them on the watched side never lowers the e-value."""
    trials = hits + more
    fewer, most = update(START, hits, trials, null), update(START, hits + 1, trials, null)
    assert log_e_value(most) > log_e_value(fewer)


@pytest.mark.parametrize(
    ("weight_percent", "errors"),
    [(1, 2), (5, 3), (25, 6), (50, 12)],
)
def test_a_dead_candidate_is_rejected_after_a_handful_of_errors(weight_percent: int, errors: int) -> None:
    """2, 3, 6 and 12 errors at 1, 5, 25 and 50 %, with live flawless, nine guardrails and alpha 0.01."""
    null = relative_null(weight_percent, 100 - weight_percent, margin_ratio=0.1)
    limit = math.log(9 / 0.01)
    assert log_e_value(update(START, errors, errors, null)) >= limit
    assert log_e_value(update(START, errors - 1, errors - 1, null)) < limit


ALPHA, ROLLOUTS, LOOKS = 0.05, 1000, 200
# Beyond alpha by more than this, in so many rollouts, is no chance.
AT_MOST = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / ROLLOUTS)


def rejected_ratio(hits: np.ndarray, trials: np.ndarray, null: np.ndarray | float, grid: tuple[float, ...]) -> float:
    """Returns in how many rollouts (rows) E reaches 1 / alpha at any of the looks (columns)."""
    log_weights, log_ratios = np.full((ROLLOUTS, len(grid)), -math.log(len(grid))), np.array(grid)
    excess, limit = np.expm1(log_ratios), math.log(1 / ALPHA)
    nulls = np.broadcast_to(np.asarray(null, dtype=float), hits.shape)
    fixed = None if isinstance(null, np.ndarray) else np.log1p(null * excess)
    ever = np.zeros(ROLLOUTS, dtype=bool)
    for look in range(LOOKS):
        costs = np.log1p(nulls[:, look, None] * excess) if fixed is None else fixed
        log_weights += hits[:, look, None] * log_ratios - trials[:, look, None] * costs
        # Elsewhere the sum cannot reach the limit.
        near = ~ever & (log_weights.max(axis=1) >= limit - math.log(len(grid)))
        ever[near] = np.logaddexp.reduce(log_weights[near], axis=1) >= limit
    return float(ever.mean())


def test_it_is_rarely_wrong_however_often_it_is_looked_at() -> None:
    """200 looks at 1,000 healthy rollouts with a moving baseline and weight: at most alpha are ever rejected."""
    chance = np.random.default_rng(7)
    weights = np.resize([1, 5, 25, 50], LOOKS)
    rates = 0.01 + 0.03 * np.abs(np.sin(np.arange(LOOKS) / 15))
    n_c = chance.binomial(200, weights / 100, (ROLLOUTS, LOOKS))
    k_c, k_l = chance.binomial(n_c, rates), chance.binomial(200 - n_c, rates)
    assert rejected_ratio(k_c, k_c + k_l, n_c / 200, GREATER) <= AT_MOST


def test_an_objective_that_is_just_met_is_rarely_called_missed() -> None:
    """200 looks at 1,000 slots whose errors are the objective itself: at most alpha are ever rejected."""
    chance = np.random.default_rng(8)
    requests = chance.poisson(20, (ROLLOUTS, LOOKS))
    assert rejected_ratio(chance.binomial(requests, 0.02), requests, 0.02, GREATER) <= AT_MOST


@pytest.mark.parametrize("weight", [0.01, 0.05, 0.5])
def test_a_true_split_is_rarely_called_a_mismatch(weight: float) -> None:
    """200 looks at 1,000 rollouts whose units follow the weight: at most alpha are ever rejected."""
    chance = np.random.default_rng(9)
    units = chance.poisson(20, (ROLLOUTS, LOOKS))
    assert rejected_ratio(chance.binomial(units, weight), units, weight, UNEQUAL) <= AT_MOST


def test_callers_that_fail_together_cost_more_than_alpha() -> None:
    """What the docstring says of clusters: where each caller's ten requests fail together, alpha no longer holds.

    Two healthy slots, 5 % at 50 of 200 requests a look: with independent requests at most alpha are rejected, with
    failures in blocks of ten far more. A promise for independent requests is no promise for clusters.
    """
    chance, block = np.random.default_rng(10), 10
    n_c, n_l = 50, 150
    k_c = block * chance.binomial(n_c // block, 0.05, (ROLLOUTS, LOOKS))
    k_l = block * chance.binomial(n_l // block, 0.05, (ROLLOUTS, LOOKS))
    clustered = rejected_ratio(k_c, k_c + k_l, n_c / (n_c + n_l), GREATER)
    apart_c, apart_l = chance.binomial(n_c, 0.05, (ROLLOUTS, LOOKS)), chance.binomial(n_l, 0.05, (ROLLOUTS, LOOKS))
    assert rejected_ratio(apart_c, apart_c + apart_l, n_c / (n_c + n_l), GREATER) <= AT_MOST
    assert clustered > 2 * ALPHA


def test_a_detector_forgets_the_good_past() -> None:
    """After 10,000 good requests, 30 bad ones of 100 are evidence to a detector and none to a plain e-process."""
    good = update(START, 0, 10_000, 0.01)
    assert log_e_value(update(good, 30, 100, 0.01)) < 0
    assert log_e_value(update(forget(good), 30, 100, 0.01)) > math.log(800)
    bad = update(START, 30, 100, 0.01)
    assert all(kept >= start for kept, start in zip(forget(bad), START, strict=True))


def test_nonsense_is_refused() -> None:
    """More hits than trials, or a null that is no probability, is refused with the values."""
    with pytest.raises(ValueError, match=r"hits \(2\) of trials \(1\) at null_ratio \(0\.5\)"):
        update(START, 2, 1, 0.5)
    with pytest.raises(ValueError, match=r"at null_ratio \(1\.5\)"):
        update(START, 0, 1, 1.5)
