"""Concept drift within the bins of the predictions."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shipway.drift.relation import Relation, relation

LATE = np.linspace(0.05, 0.6, 10)


def sampled(
    chance: np.random.Generator, rows: int, shares: NDArray[np.float64], late: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Returns rows by bin of the prediction and label, each bin with its own share of late ones."""
    by_bin = chance.multinomial(rows, shares)
    hits = chance.binomial(by_bin, late)
    return np.stack([by_bin - hits, hits], axis=1)


def test_both_parts_are_the_sum_of_the_tables_of_scipy() -> None:
    """Each bin of the predictions is one table of labels by sample; their chi-squared and degrees add up."""
    chance = np.random.default_rng(0)
    reference, current = chance.integers(1, 50, size=(6, 3)), chance.integers(1, 50, size=(6, 3))
    tables = [stats.chi2_contingency(np.stack(rows), correction=False) for rows in zip(reference, current, strict=True)]
    found = relation(reference, current)
    assert found.common + found.rest == pytest.approx(sum(table.statistic for table in tables), rel=1e-12)
    assert found.rest_degrees + 1 == sum(table.dof for table in tables)
    parts = stats.chi2.sf(found.common, 1), stats.chi2.sf(found.rest, found.rest_degrees)
    assert found.p_value == pytest.approx(min(1, 2 * min(parts)), rel=1e-12)


def test_one_table_is_mantel_and_haenszel() -> None:
    """Of one bin and two labels the shift is the difference of the shares, and chi-squared Pearson's times (N-1)/N."""
    found = relation(np.array([[60, 40]]), np.array([[45, 55]]))
    pearson = stats.chi2_contingency(np.array([[60, 40], [45, 55]]), correction=False).statistic
    assert found.shift == pytest.approx(0.15)
    assert found.common == pytest.approx(pearson * 199 / 200, rel=1e-12)
    assert (found.shift / found.shift_error) ** 2 == pytest.approx(found.common)


def test_other_predictions_alone_do_not_show() -> None:
    """Where labels follow predictions as before, p-values are no smaller than they say, whatever predictions moved."""
    chance = np.random.default_rng(1)
    p_values = np.array(
        [
            relation(
                sampled(chance, 5000, np.full(10, 0.1), LATE), sampled(chance, 3000, np.arange(1, 11) / 55, LATE)
            ).p_value
            for _ in range(1000)
        ],
        dtype=np.float64,
    )
    for level in (0.2, 0.05, 0.01):
        assert (p_values <= level).mean() <= level + 4 * np.sqrt(level * (1 - level) / 1000)


def test_a_common_shift_shows_through_a_design_effect() -> None:
    """Labels that became rarer at every prediction are found though fifty rows count as one."""
    chance = np.random.default_rng(2)
    before, after = (sampled(chance, 27_000, np.full(10, 0.1), late) for late in (LATE, LATE * 0.5))
    found = relation(before, after, 50.0)
    assert found.shift == pytest.approx(-LATE.mean() / 2, abs=0.02)
    assert found.shift_error == pytest.approx(relation(before, after).shift_error * 50**0.5)
    assert found.p_value is not None
    assert found.p_value < 1e-5


def test_a_shock_that_all_rows_of_a_day_share_is_no_drift() -> None:
    """Days whose log odds move together, with the design effect that they have, are found as seldom as p-values say."""
    chance = np.random.default_rng(3)
    odds = np.log(LATE / (1 - LATE))

    def days(count: int) -> NDArray[np.int64]:
        shocks = chance.normal(0, 0.5, size=count)
        parts = [sampled(chance, 900, np.full(10, 0.1), 1 / (1 + np.exp(-odds - shock))) for shock in shocks]
        return np.sum(parts, axis=0)

    # Of the share of late ones, day by day.
    shares = np.array([days(1)[:, 1].sum() / 900 for _ in range(400)])
    effect = 900 * shares.var() / (shares.mean() * (1 - shares.mean()))
    assert effect > 10
    found = [relation(days(60), days(30), effect) for _ in range(300)]
    p_values = np.array([one.p_value for one in found], dtype=np.float64)
    assert (p_values <= 0.05).mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_a_change_that_evens_out_shows_too() -> None:
    """More late ones where few were expected and fewer where many were: no shift, and yet another relation."""
    chance = np.random.default_rng(4)
    found = relation(
        sampled(chance, 5000, np.full(10, 0.1), LATE), sampled(chance, 5000, np.full(10, 0.1), LATE[::-1]), 50.0
    )
    assert abs(found.shift) < 3 * found.shift_error
    assert found.p_value is not None
    assert found.p_value < 1e-10


def test_nothing_in_common_says_nothing() -> None:
    """Without a bin that both filled with more than one label there is no p-value, rather than a good one."""
    nothing = Relation(0.0, 0.0, 0.0, 0.0, 0, None)
    assert relation(np.array([[5, 5], [0, 0]]), np.array([[0, 0], [3, 3]])) == nothing
    assert relation(np.array([[5, 0]]), np.array([[3, 0]])) == nothing


def test_what_is_refused() -> None:
    """Tables of other shapes and a design effect below 1."""
    with pytest.raises(ValueError, match=r"reference \(2, 2\), current \(3, 2\): expected the same two dimensions"):
        relation(np.ones((2, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"design_effect \(0.5\): expected at least 1"):
        relation(np.ones((2, 2)), np.ones((2, 2)), 0.5)


def test_days_that_differ_weigh_on_the_rest_alone() -> None:
    """The second question has an effect of its own: the rest shrinks by it, the shift stays; below 1 there is none."""
    chance = np.random.default_rng(3)
    reference, current = chance.integers(1, 50, size=(6, 3)), chance.integers(1, 50, size=(6, 3))
    plain, weighed = relation(reference, current), relation(reference, current, rest_effect=4.0)
    assert weighed.rest == pytest.approx(plain.rest / 4)
    assert (weighed.shift, weighed.common) == (plain.shift, plain.common)
    with pytest.raises(ValueError, match=r"rest_effect \(0\.5\): expected at least 1"):
        relation(reference, current, rest_effect=0.5)
