"""Each statistic against its formula computed the slow way, and against the raw values that the counts stand for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shipway.bundle.reference import Categories, Histogram, Reference
from shipway.drift.bins import Bins
from shipway.drift.space import Sample, Space
from shipway.drift.statistics import STATISTICS, measure
from tests.shipway.drift.samples import Pair, bins_of, pair, random_pair

# The benchmark runs ten times as many.
CASES = 1000


def slow_psi(r: list[float], c: list[float]) -> float:
    both = [(a, b) for a, b in zip(r, c, strict=True) if a + b > 0]
    n, m, bins = sum(r), sum(c), len(both)
    total = 0.0
    for a, b in both:
        p, q = (a + 0.5) / (n + bins / 2), (b + 0.5) / (m + bins / 2)
        total += (p - q) * math.log(p / q)
    return total - (bins - 1) * (1 / n + 1 / m)


def slow_chi2(r: list[float], c: list[float]) -> float:
    n, m, total = sum(r), sum(c), 0.0
    for a, b in zip(r, c, strict=True):
        for observed, share in ((a, n / (n + m)), (b, m / (n + m))):
            if a + b > 0:
                total += (observed - (a + b) * share) ** 2 / ((a + b) * share)
    return total


def slow_jensen_shannon(r: list[float], c: list[float]) -> float:
    n, m, total = sum(r), sum(c), 0.0
    for a, b in zip(r, c, strict=True):
        p, q = a / n, b / m
        middle = (p + q) / 2
        total += sum(share * math.log2(share / middle) for share in (p, q) if share > 0) / 2
    return math.sqrt(max(total, 0.0))


def slow_steps(counts: list[float]) -> list[float]:
    steps, total = [0.0], sum(counts)
    for count in counts:
        steps.append(steps[-1] + count / total)
    return steps


def slow_ks(r: list[float], c: list[float]) -> float:
    return max(abs(f - g) for f, g in zip(slow_steps(r), slow_steps(c), strict=True))


def slow_w1(r: list[float], c: list[float], boundaries: list[float], beyond: float) -> float:
    """The area between two polygons, by cutting each bin where they cross; `beyond` is that of the tails."""
    f, g = slow_steps(r), slow_steps(c)
    total = beyond
    for number in range(len(boundaries) - 1):
        width = boundaries[number + 1] - boundaries[number]
        left, right = f[number + 1] - g[number + 1], f[number + 2] - g[number + 2]
        if left * right < 0:
            at = left / (left - right)
            total += width * (at * abs(left) + (1 - at) * abs(right)) / 2
        else:
            total += width * (abs(left) + abs(right)) / 2
    return total


@pytest.mark.parametrize("seed", range(40))
def test_scores_are_the_formulas(seed: int) -> None:
    """Every score is the one computed bin by bin, to 1e-12."""
    chance = np.random.default_rng(seed)
    reference = np.round(chance.normal(size=(500, 4)), 1)
    current = np.round(chance.normal(0.3, 1.2, size=(300, 4)), 1)
    current[chance.random(current.shape) < 0.1] = np.nan
    reference[chance.random(reference.shape) < 0.02] = np.nan
    bins = bins_of(reference, int(chance.integers(2, 51)))
    space, counted = Space.of(bins), bins.count(current)
    measured = measure(
        space,
        Sample(space.table(bins.expected), np.full((4, 2), np.nan)),
        Sample(space.table(counted.counts), counted.excess),
    )
    for field, one in enumerate(bins.fields):
        r = [float(count) for count in one.expected]
        c = [float(count) for count in counted.counts[bins.offsets[field] : bins.offsets[field + 1]]]
        beyond = float(counted.excess[field].sum()) / sum(c[:-1])
        raw = slow_w1(r[:-1], c[:-1], one.boundaries.tolist(), beyond)
        expected = {
            "psi": slow_psi(r, c),
            "chi2": slow_chi2(r, c),
            "jensen_shannon": slow_jensen_shannon(r, c),
            "missingness": abs(r[-1] / sum(r) - c[-1] / sum(c)),
            "ks": slow_ks(r[:-1], c[:-1]),
            "w1_raw": raw,
            "w1_normalised": raw / one.deviation,
        }
        assert expected.keys() == STATISTICS.keys()
        for name, score in expected.items():
            assert measured[name].score[field] == pytest.approx(score, rel=1e-12, abs=1e-12), name


def test_chi2_is_the_table_of_scipy() -> None:
    """Pearson's chi-squared of the 2 x B table, without continuity correction."""
    space = Space.of(Bins.of(Reference(predictions=Histogram(edges=(0.0, 1.0), counts=(20, 30, 50)))))
    current = np.array([10.0, 40.0, 30.0, 0.0])
    found = measure(space, _sample(space, np.array([20.0, 30, 50, 0])), _sample(space, current))["chi2"].score
    table = np.array([[20, 30, 50], [10, 40, 30]])
    assert found[0] == pytest.approx(stats.chi2_contingency(table, correction=False).statistic, rel=1e-12)


def holds(one: Pair) -> list[str]:
    """Returns the names of the intervals that the statistic of the raw values is outside of."""
    measured = measure(one.space, one.reference, one.current)
    reference = one.raw_reference[np.isfinite(one.raw_reference)]
    current = one.raw_current[np.isfinite(one.raw_current)]
    if not len(reference) or not len(current):
        assert np.isnan(measured["ks"].score[0])
        assert np.isnan(measured["w1_raw"].high[0])
        return []
    # The p-value, which nobody asks for, divides by zero with one row each.
    with np.errstate(divide="ignore"):
        distance = stats.ks_2samp(reference, current, method="asymp").statistic
    truth = {"ks": distance, "w1_raw": stats.wasserstein_distance(reference, current)}
    if reference.std() > 0:
        truth["w1_normalised"] = truth["w1_raw"] / reference.std()
    outside: list[str] = []
    for name, value in truth.items():
        low, score, high = (float(getattr(measured[name], key)[0]) for key in ("low", "score", "high"))
        slack = 1e-9 * max(1.0, abs(value))
        if not (low - slack <= value <= high + slack and low - slack <= score <= high + slack):
            outside.append(f"{name}: {value} not in [{low}, {high}], score {score}")
    return outside


def test_certified_intervals_hold() -> None:
    """Whatever the values are, ties, tails and nulls among them, scipy's statistic of them lies in the interval."""
    chance = np.random.default_rng(20)
    outside = [said for _ in range(CASES) for said in holds(random_pair(chance))]
    assert outside == []


@given(
    st.lists(st.floats(-10, 10, width=16), min_size=1, max_size=30),
    st.lists(st.floats(-20, 20, width=16), min_size=1, max_size=30),
    st.integers(1, 8),
)
def test_certified_intervals_hold_for_hostile_values(reference: list[float], current: list[float], bins: int) -> None:
    """Hypothesis finds no values outside of their interval either."""
    assert holds(pair(np.array(reference), np.array(current), bins)) == []


def test_intervals_are_as_narrow_as_the_largest_bin() -> None:
    """A KS interval is no wider than the greatest mass of a bin of both samples together; few bins, wide interval."""
    chance = np.random.default_rng(5)
    for _ in range(100):
        one = pair(chance.normal(size=500), chance.normal(size=300), int(chance.integers(2, 51)))
        measured = measure(one.space, one.reference, one.current)["ks"]
        mass = one.reference.counts / one.reference.rows[0] + one.current.counts / one.current.rows[0]
        assert 0 < measured.high[0] - measured.low[0] <= mass.max() + 1e-12


def test_without_excess_w1_has_no_upper_bound() -> None:
    """Where it is not known how far out values lie, the lower bound holds and the upper one is infinite."""
    one = pair(np.arange(10.0), np.array([5.0, 1e9]), 5)
    unknown = Sample(one.current.counts, np.full((1, 2), np.nan))
    measured = measure(one.space, one.reference, unknown)["w1_raw"]
    assert measured.high[0] == np.inf
    assert measured.low[0] <= stats.wasserstein_distance(np.arange(10.0), [5.0, 1e9])


def test_a_stack_of_samples_is_each_sample() -> None:
    """Leading dimensions are only more samples."""
    chance = np.random.default_rng(1)
    bins = bins_of(chance.normal(size=(400, 3)), 10)
    space = Space.of(bins)
    reference = _sample(space, bins.expected)
    parts = [bins.count(chance.normal(size=(100, 3))) for _ in range(4)]
    tables = [Sample(space.table(part.counts), part.excess) for part in parts]
    stacked = Sample(np.stack([one.counts for one in tables]), np.stack([one.excess for one in tables]))
    together = measure(space, reference, stacked)
    for number, one in enumerate(tables):
        for name, alone in measure(space, reference, one).items():
            for key in ("score", "low", "high", "pivot"):
                assert (getattr(together[name], key)[number] == getattr(alone, key)).all(), (name, key)


def test_categories_have_no_line() -> None:
    """KS and Wasserstein of categories are NaN, and a new category shows in the others."""
    space = Space.of(
        Bins.of(Reference(predictions=Histogram(edges=(), counts=(1,)), fields={"c": Categories(counts={"a": 50})}))
    )
    reference, current = np.array([50.0, 0, 0, 1, 0]), np.array([40.0, 10, 0, 1, 0])
    order = np.concatenate([space.gather[0][space.used[0]], space.gather[1][space.used[1]]])
    flat = np.zeros((2, len(order)))
    flat[:, :] = [reference, current]
    measured = measure(space, _sample(space, flat[0]), _sample(space, flat[1]))
    category = space.names.index("c")
    assert all(np.isnan(measured[name].score[category]) == one.numbers_only for name, one in STATISTICS.items())
    assert measured["psi"].score[category] > 0.3


@pytest.mark.parametrize("name", STATISTICS)
def test_the_threshold_is_the_score_of_the_pivot(name: str) -> None:
    """Turning a pivot back into a score gives the score it was made from, where nulls became more."""
    chance = np.random.default_rng(3)
    reference, current = chance.normal(size=500), chance.normal(0.5, 1, size=300)
    current[:30] = np.nan
    one = pair(reference, current, 20)
    measured = measure(one.space, one.reference, one.current)[name]
    back = STATISTICS[name].threshold(measured.pivot, measured.scale, one.reference)
    assert back[0] == pytest.approx(measured.score[0], rel=1e-9)


def _sample(space: Space, counts: "np.typing.NDArray[np.generic]") -> Sample:
    return Sample(space.table(counts), np.full((len(space.names), 2), np.nan))
