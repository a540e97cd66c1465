"""The e-process: its laws by exact enumeration, its numbers against direct summation in 60 digits."""

import doctest
import math
from decimal import Decimal, localcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from shipway.delivery.evidence import eprocess
from shipway.delivery.evidence.eprocess import GREATER, START, UNEQUAL, forget, log_e_value, relative_null, update

INCREMENTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.floats(0, 1)).map(lambda one: (*sorted(one[:2]), one[2])),
    max_size=8,
)


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(eprocess).failed == 0


def direct(increments: list[tuple[int, int, float]], grid: tuple[float, ...]) -> Decimal:
    """Returns log E by the formula as it is written, in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        total = Decimal(0)
        for log_ratio in grid:
            rho, weight = Decimal(log_ratio).exp(), Decimal(1) / len(grid)
            for hits, trials, null in increments:
                weight *= rho**hits / (1 + Decimal(null) * (rho - 1)) ** trials
            total += weight
        return total.ln()


@settings(max_examples=40, deadline=None)
@given(INCREMENTS, st.sampled_from([GREATER, UNEQUAL]))
def test_it_agrees_with_direct_summation(increments: list[tuple[int, int, float]], grid: tuple[float, ...]) -> None:
    """The log-space mixture is the plain sum of products, to 1e-9."""
    state = START
    for hits, trials, null in increments:
        state = update(state, hits, trials, null, grid)
    assert log_e_value(state) == pytest.approx(float(direct(increments, grid)), rel=1e-9, abs=1e-9)


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


def test_it_is_rarely_wrong_however_often_it_is_looked_at() -> None:
    """200 looks at 2,000 healthy rollouts with a moving baseline and weight: at most alpha are ever rejected."""
    chance, alpha, rollouts = np.random.default_rng(7), 0.05, 2000
    weights = np.resize([1, 5, 25, 50], 200)
    rates = 0.01 + 0.03 * np.abs(np.sin(np.arange(200) / 15))
    rejected = 0
    for _ in range(rollouts):
        n_c = chance.binomial(200, weights / 100)
        k_c, k_l = chance.binomial(n_c, rates), chance.binomial(200 - n_c, rates)
        null = n_c / 200
        excess = np.exp(np.array(GREATER)) - 1
        steps = k_c[:, None] * np.array(GREATER) - (k_c + k_l)[:, None] * np.log1p(null[:, None] * excess)
        paths = np.logaddexp.reduce(np.cumsum(steps, axis=0), axis=1) - math.log(64)
        rejected += bool((paths >= math.log(1 / alpha)).any())
    assert rejected / rollouts <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / rollouts)


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
