"""False discoveries over many fields."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shipway.drift.discovery import combined, discoveries

P_VALUES = st.lists(st.floats(0, 1, exclude_min=True), min_size=1, max_size=60)


@given(P_VALUES, st.floats(0.001, 0.5))
def test_the_fields_found_are_those_of_scipy(p_values: list[float], ratio: float) -> None:
    """The same fields as those whose p-value, adjusted by scipy, is within the ratio; rounding at the limit aside."""
    adjusted = stats.false_discovery_control(p_values)
    found = discoveries(np.array(p_values), ratio)
    for one, limit in zip(found, adjusted, strict=True):
        assert one == (limit <= ratio) or limit == pytest.approx(ratio, rel=1e-12)


@given(P_VALUES, st.integers(0, 20))
def test_a_field_that_was_not_judged_changes_nothing(p_values: list[float], unknown: int) -> None:
    """NaN is not found, and the others are found as without it."""
    alone = discoveries(np.array(p_values), 0.05)
    together = discoveries(np.array([*p_values, *[np.nan] * unknown]), 0.05)
    assert together[: len(p_values)].tolist() == alone.tolist()
    assert not together[len(p_values) :].any()


def test_no_field_judged_finds_none() -> None:
    """Neither an empty window nor one of unknowns is a discovery."""
    assert discoveries(np.full(3, np.nan), 0.05).tolist() == [False] * 3


def test_false_discoveries_stay_below_the_ratio() -> None:
    """Of 2,000 windows of 50 fields, 5 of which drift, less than the ratio of those found are false, on average."""
    chance = np.random.default_rng(4)
    p_values = chance.uniform(size=(2000, 50))
    p_values[:, :5] = stats.norm.sf(chance.normal(3.5, 1, size=(2000, 5)))
    found = discoveries(p_values, 0.05)
    false = found[:, 5:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    assert 0.03 < false.mean() <= 0.05
    assert found[:, :5].mean() > 0.6


def test_a_field_has_the_least_p_value_times_their_number() -> None:
    """Bonferroni over the statistics of one field; those that could not be had are no statistics."""
    p_values = np.array([[0.01, 0.5, np.nan], [0.9, 0.8, 0.7], [np.nan] * 3])
    assert combined(p_values)[:2] == pytest.approx([0.02, 1.0])
    assert np.isnan(combined(p_values)[2])
