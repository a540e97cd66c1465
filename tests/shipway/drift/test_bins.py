"""Every value has one bin, and the fast count is the plain one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.bundle.reference import Categories, Histogram, Reference
from shipway.drift.bins import ABOVE, BELOW, NULL, OTHER, Bins, FieldBins
from shipway.training.drift_reference import histogram

VALUES = st.lists(
    st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf]), min_size=1, max_size=80
)


def bins_of(values: list[float], count: int = 5) -> FieldBins:
    return FieldBins.of("x", histogram(np.array(values, dtype=float), count))


@given(VALUES, VALUES, st.integers(1, 50))
def test_the_fast_count_is_the_plain_count(trained: list[float], seen: list[float], count: int) -> None:
    """Sorting the columns gives the counts of `index`, and how far the tails reach."""
    bins = Bins([bins_of(trained, count), FieldBins.of("c", Categories(counts={"a": 2, "b": 1}))])
    codes = [float(number % 4) if number % 5 else math.nan for number in range(len(seen))]
    rows = np.column_stack([seen, codes])
    counted = bins.count(rows)
    assert (counted.counts == np.bincount(bins.index(rows).ravel(), minlength=bins.size)).all()
    assert counted.counts.sum() == 2 * len(seen)
    known = [value for value in trained if math.isfinite(value)]
    expected = [0.0, 0.0]
    if known:
        expected = [
            sum(min(known) - value for value in seen if math.isfinite(value) and value < min(known)),
            sum(value - max(known) for value in seen if math.isfinite(value) and value > max(known)),
        ]
    assert counted.excess[0] == pytest.approx(expected, rel=1e-12)
    assert (counted.excess[1] == 0).all()


@given(VALUES, st.integers(1, 50))
def test_the_reference_finds_its_own_counts(values: list[float], count: int) -> None:
    """Counting the validation set again gives what the bundle says, with nothing in a tail."""
    bins = Bins([bins_of(values, count)])
    assert (bins.count(np.array(values)[:, None]).counts == bins.expected).all()
    assert (bins.expected[bins.fields[0].inner] > 0).all() or not np.isfinite(values).any()


def test_each_kind_of_value_has_its_bin() -> None:
    """Tails lie beyond the reference's smallest and greatest value; nulls, NaN and infinities are one bin."""
    bins = bins_of([0.0, 1.0, 2.0, 3.0], 2)
    values = np.array([-0.1, 0, 1.4, 1.5, 3, np.nextafter(3, 4), math.nan, math.inf, -math.inf])
    found = [bins.labels[number] for number in bins.index(values)]
    assert found == [BELOW, "0", "0", "1", "1", ABOVE, NULL, NULL, NULL]
    assert [bins.labels[number] for number in bins.index([None, 2])] == [NULL, "1"]
    assert bins.labels[bins.inner] == ("0", "1")
    assert bins.boundaries.tolist() == [0, 1.5, 3]
    assert (bins.mean, bins.deviation) == (1.5, pytest.approx(math.sqrt(1.25), rel=1e-15))


def test_a_category_counts_by_name_and_a_new_one_as_other() -> None:
    """The bin's name is a number, so that no value of a request ever becomes a label."""
    bins = FieldBins.of("c", Categories(counts={"b": 1, "a": 3}, other=4, nulls=2))
    assert [bins.labels[number] for number in bins.index(["a", "b", "new", None])] == ["0", "1", OTHER, NULL]
    assert bins.expected.tolist() == [3, 1, 4, 2]
    assert bins.labels[bins.inner] == ("0", "1")


def test_a_reference_without_numbers_has_one_bin_for_them() -> None:
    """A feature that was always null in training has no tails: any number is news, and is seen as such."""
    bins = bins_of([math.nan, math.nan])
    assert (bins.labels, bins.expected.tolist(), bins.has_tails) == (("0", NULL), [0, 2], False)
    assert bins.index(np.array([-5.0, math.nan])).tolist() == [0, 1]
    assert math.isnan(bins.mean)


def test_fields_lie_side_by_side_and_the_predictions_come_last() -> None:
    """The order is the names', whatever order the document had; `split` gives each field its own counts."""
    one = Histogram(edges=(1.0,), counts=(2, 3), nulls=1, minimum=0.0, maximum=2.0)
    reference = Reference(predictions=Histogram(edges=(), counts=(6,)), fields={"b": one, "a": Categories(counts={})})
    bins = Bins.of(reference)
    assert [field.name for field in bins.fields] == ["a", "b", ""]
    assert bins.offsets.tolist() == [0, 2, 7, 9]
    found = bins.split(bins.expected)
    assert {name: counts.tolist() for name, counts in found.items()} == {"a": [0, 0], "b": [0, 2, 3, 0, 1], "": [6, 0]}
