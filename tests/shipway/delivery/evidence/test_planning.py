"""What a number of requests could prove."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.contract.evidence import ABSOLUTE_GATES, Gate, Sample, SlotCounts
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence import gate, planning
from shipway.delivery.evidence.gate import Rules
from shipway.delivery.evidence.planning import detectable_ratio

RULES = Rules.of_route(RolloutSpec(), SloSpec())


def test_the_examples_hold() -> None:
    """The numbers in the docstrings are what the functions return."""
    assert doctest.testmod(planning).failed == 0


@settings(deadline=None)
@given(st.sampled_from(RULES.gates), st.floats(0, 0.2), st.integers(1, 5000), st.integers(1, 5000))
def test_more_requests_see_smaller_harm(name: Gate, base: float, candidate: int, live: int) -> None:
    """It lies above the margin over live, and twice the requests of both slots see no less."""
    once = detectable_ratio(RULES, name, base, candidate, live)
    twice = detectable_ratio(RULES, name, base, 2 * candidate, 2 * live)
    if once is not None:
        assert twice is not None
        assert twice <= once + 1e-9
        floor = RULES.objective_ratio(name) if name in ABSOLUTE_GATES else base * 1.1
        assert once >= floor - 1e-9


def test_too_few_requests_see_nothing() -> None:
    """One request of the candidate proves nothing, whatever becomes of it; without live nothing is compared."""
    assert detectable_ratio(RULES, Gate.ERRORS, 0.01, 1, 99) is None
    assert detectable_ratio(RULES, Gate.ERRORS, 0.01, 10_000, 0) is None


def test_it_is_where_half_of_the_rollouts_see_it() -> None:
    """Of 400 candidates as bad as that, between a quarter and three quarters are rejected by then."""
    ratio = detectable_ratio(RULES, Gate.ERRORS, 0.01, 500, 1500)
    assert ratio is not None
    chance, begun = np.random.default_rng(3), gate.begin(RULES)
    rejected = 0
    for bad, live_bad in zip(chance.binomial(500, ratio, 400), chance.binomial(1500, 0.01, 400), strict=True):
        sample = Sample(
            candidate=SlotCounts(requests=500, errors=int(bad)), live=SlotCounts(requests=1500, errors=int(live_bad))
        )
        rejected += gate.rejected(RULES, gate.add_sample(RULES, begun, sample, 25).guardrails[0])
    assert 100 <= rejected <= 300


def test_nonsense_is_refused() -> None:
    """A ratio beyond 1 is refused with the values."""
    with pytest.raises(ValueError, match=r"base_ratio \(1\.5\), candidate_requests \(1\)"):
        detectable_ratio(RULES, Gate.ERRORS, 1.5, 1, 1)
