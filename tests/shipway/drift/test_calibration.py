"""Thresholds by resampling: p-values are what they say, and slow features are known for what they are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shipway.drift.calibration import Calibration, Null, design_effect, resampled, size_step
from shipway.drift.reference import Reference
from shipway.drift.space import Sample
from shipway.drift.statistics import STATISTICS, measure
from tests.shipway.drift.samples import bins_of

FIELDS, ROWS, WINDOW = 40, 5000, 700


def sizes_of(reference: Reference, rows: float) -> NDArray[np.float64]:
    return np.stack([reference.whole.rows, np.full(len(reference.keys), rows), reference.extremes], axis=1)


def null_of(reference: Reference, rows: int, seed: int = 1) -> Null:
    return Calibration(np.random.default_rng(seed)).null(
        reference.space, reference.whole.counts, reference.keys, sizes_of(reference, rows)
    )


@pytest.fixture(scope="module")
def p_values() -> NDArray[np.float64]:
    """P-values of fields without drift, (fields of all rounds, S): normal, skewed, tied and with nulls."""
    chance = np.random.default_rng(0)

    def draw(rows: int) -> NDArray[np.float64]:
        values = chance.normal(size=(rows, FIELDS))
        values[:, 10:20] = np.exp(values[:, 10:20])
        values[:, 20:30] = np.round(values[:, 20:30] * 2)
        values[:, 30:][chance.random((rows, 10)) < 0.1] = np.nan
        return values

    found: list[NDArray[np.float64]] = []
    for _ in range(3):
        rows = draw(ROWS)
        bins = bins_of(rows, 20)
        reference = Reference.of(bins)
        null = null_of(reference, WINDOW)
        for _ in range(20):
            counted = bins.count(draw(WINDOW))
            current = Sample(reference.space.table(counted.counts), counted.excess)
            measured = measure(reference.space, reference.whole, current)
            found.append(null.p_values(np.stack([measured[name].pivot for name in STATISTICS], axis=1)))
    return np.concatenate(found)


@pytest.mark.parametrize("number", range(len(STATISTICS)), ids=list(STATISTICS))
@pytest.mark.parametrize("level", [0.2, 0.05, 0.01])
def test_p_values_are_what_they_say(p_values: NDArray[np.float64], number: int, level: float) -> None:
    """Without drift a p-value is at most a level no more often than the level, noise of 2,400 aside."""
    said = (p_values[:, number] <= level).mean()
    noise = np.sqrt(level * (1 - level) / len(p_values))
    # References are shared by twenty windows each, so their own chance is as well.
    assert said <= level + 4 * noise
    if list(STATISTICS)[number] != "missingness":
        assert said >= level / 2 - 4 * noise


def test_psi_without_drift_is_chi_squared() -> None:
    """Resampled PSI over 1/n + 1/m has the quantiles of a chi-squared variable, where every bin has many rows."""
    reference = Reference.of(bins_of(np.random.default_rng(3).normal(size=(50_000, 1)), 20))
    pivots = resampled(
        reference.space, reference.whole.counts[0], (50_000, 20_000, 50_000), np.random.default_rng(4), 4000
    )
    psi = pivots[list(STATISTICS).index("psi")]
    # Nineteen degrees are taken off; the tails and the nulls, half a row each in the reference, have few rows or none.
    for ratio in (0.5, 0.9, 0.99):
        expected = stats.chi2.ppf(ratio, 19) - 19
        assert np.quantile(psi, ratio) == pytest.approx(expected, abs=0.08 * stats.chi2.ppf(ratio, 19))


def test_the_tail_goes_on_beyond_the_resamples() -> None:
    """What happens once in ten thousand windows is told by four thousand resamples, to a factor of three to five."""
    reference = Reference.of(bins_of(np.random.default_rng(5).normal(size=(20_000, 1)), 20))
    many = resampled(
        reference.space, reference.whole.counts[0], (16_384, 1024, 16_384), np.random.default_rng(6), 100_000
    )
    null = null_of(reference, 1024)
    for name in ("psi", "ks"):
        number = list(STATISTICS).index(name)
        rare = np.quantile(many[number], 1 - 1e-4)
        pivots = np.full((1, len(STATISTICS)), rare)
        assert 1e-4 / 3 < null.p_values(pivots)[0, number] < 5e-4


def test_thresholds_and_p_values_agree() -> None:
    """A score at the threshold of a level has that p-value."""
    null = null_of(Reference.of(bins_of(np.random.default_rng(7).normal(size=(3000, 2)))), 500)
    for level in (0.04, 1e-3, 1e-6):
        assert null.p_values(null.pivot_at(level)) == pytest.approx(np.full((2, len(STATISTICS)), level))
    with pytest.raises(ValueError, match=r"level \(0.5\): expected to be above 0 and at most 0.05"):
        null.pivot_at(0.5)


def test_what_was_drawn_is_kept() -> None:
    """The same field at the same size is drawn once; another size, or another reference, is drawn anew."""
    reference = Reference.of(bins_of(np.random.default_rng(8).normal(size=(2000, 2))))
    calibration = Calibration(np.random.default_rng(9), resamples=200)

    def null(rows: float) -> Null:
        return calibration.null(reference.space, reference.whole.counts, reference.keys, sizes_of(reference, rows))

    first = null(500)
    assert null(501) is first
    assert (null(2000).body != first.body).any()
    assert (null(500).body == first.body)[~np.isnan(first.body)].all()


def test_the_same_seed_gives_the_same_null() -> None:
    """Nothing but the generator draws."""
    reference = Reference.of(bins_of(np.random.default_rng(8).normal(size=(2000, 1))))
    assert (null_of(reference, 300).body == null_of(reference, 300).body).all()
    assert size_step(300) <= 300 < size_step(300) * 1.5


def test_rows_drawn_one_by_one_have_no_design_effect() -> None:
    """Independent rows count in full."""
    chance = np.random.default_rng(10)
    days = chance.multinomial(1000, np.full(20, 0.05), size=(60, 30)).astype(float)
    assert design_effect(days).mean() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("repeats", [10, 100])
def test_rows_that_repeat_count_once(repeats: int) -> None:
    """A value that stands for as many rows has them for its design effect."""
    chance = np.random.default_rng(11)
    days = repeats * chance.multinomial(24, np.full(10, 0.1), size=(60, 30)).astype(float)
    assert design_effect(days).mean() == pytest.approx(repeats, rel=0.05)


def test_one_day_tells_nothing_of_days() -> None:
    """Without two days the effect is 1, and a field without rows has 1 too."""
    assert design_effect(np.ones((1, 2, 3))).tolist() == [1, 1]
    assert design_effect(np.zeros((5, 2, 3))).tolist() == [1, 1]
