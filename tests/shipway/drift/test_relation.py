"""Concept drift within the bins of the predictions."""

import numpy as np
import pytest
from scipy import stats

from shipway.drift.relation import relation


def test_it_is_the_sum_of_the_tables_of_scipy() -> None:
    """Each bin of the predictions is one table of labels by sample; statistics and degrees add up."""
    chance = np.random.default_rng(0)
    reference, current = chance.integers(1, 50, size=(6, 3)), chance.integers(1, 50, size=(6, 3))
    tables = [stats.chi2_contingency(np.stack(rows), correction=False) for rows in zip(reference, current, strict=True)]
    found = relation(reference, current)
    assert found.statistic == pytest.approx(sum(table.statistic for table in tables), rel=1e-12)
    assert found.degrees == sum(table.dof for table in tables)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, found.degrees), rel=1e-12)


def test_other_predictions_alone_do_not_show() -> None:
    """Where labels follow predictions as before, p-values are even, however many predictions moved."""
    chance = np.random.default_rng(1)
    late = np.linspace(0.05, 0.6, 10)
    p_values: list[float] = []
    for _ in range(400):
        before = chance.multinomial(5000, np.full(10, 0.1))
        after = chance.multinomial(3000, np.arange(1, 11) / 55)
        samples = [np.stack([rows - (hits := chance.binomial(rows, late)), hits], axis=1) for rows in (before, after)]
        found = relation(*samples).p_value
        assert found is not None
        p_values.append(found)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_other_labels_for_the_same_predictions_show() -> None:
    """Labels a fifth more frequent within each bin are found, and a design effect takes them less seriously."""
    before = np.array([[900, 100], [700, 300], [500, 500]])
    after = np.array([[880, 120], [640, 360], [400, 600]])
    found, doubted = relation(before, after), relation(before, after, 5.0)
    assert found.p_value is not None
    assert doubted.p_value is not None
    assert found.p_value < 1e-5 < doubted.p_value
    assert doubted.statistic == pytest.approx(found.statistic / 5)


def test_nothing_in_common_says_nothing() -> None:
    """Without a bin that both filled with more than one label there is no p-value, rather than a good one."""
    assert relation(np.array([[5, 5], [0, 0]]), np.array([[0, 0], [3, 3]])).p_value is None


def test_what_is_refused() -> None:
    """Tables of other shapes and a design effect below 1."""
    with pytest.raises(ValueError, match=r"reference \(2, 2\), current \(3, 2\): expected the same two dimensions"):
        relation(np.ones((2, 2)), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"design_effect \(0.5\): expected at least 1"):
        relation(np.ones((2, 2)), np.ones((2, 2)), 0.5)
