import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from shipway.bundle.reference import Categories, Histogram
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.training.drift_reference import build_reference, histogram

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=200)


@given(NUMBERS, st.integers(1, 50))
def test_every_value_is_counted_once(values: list[float], bins: int) -> None:
    """Counts and nulls add up to the rows, and each count is what `Histogram.bin` would find."""
    found = histogram(np.array(values, dtype=float), bins)
    known = [value for value in values if value == value]
    assert len(found.counts) <= bins
    assert found.nulls == len(values) - len(known)
    counts = [0] * len(found.counts)
    for value in known:
        counts[found.bin(value)] += 1
    assert tuple(counts) == found.counts


def test_distinct_values_fill_all_bins_evenly() -> None:
    """Quantile bins of 2,000 different values hold 100 each."""
    found = histogram(np.random.default_rng(0).permutation(2000).astype(float), 20)
    assert found.counts == (100,) * 20


def test_each_kind_of_field_has_its_own_reference() -> None:
    """Numbers and features get bins, categories counts; texts, times and vectors nothing."""
    schema = Schema(
        fields=(
            FieldSpec(name="n", kind=FieldKind.NUMBER),
            FieldSpec(name="c", kind=FieldKind.CATEGORY, nullable=True),
            FieldSpec(name="t", kind=FieldKind.TEXT),
            FieldSpec(name="v", kind=FieldKind.VECTOR, length=1),
        )
    )
    rows = pd.DataFrame(
        {"n": [1.0, 2.0], "c": ["a", None], "t": ["x", "y"], "v": [[1.0], [2.0]], "view:f": [np.nan, 4.0]}
    )
    reference = build_reference(rows, np.array([0.1, 0.9]), schema)
    assert set(reference.fields) == {"n", "c", "view:f"}
    assert reference.fields["c"] == Categories(counts={"a": 1}, other=0, nulls=1)
    feature = reference.fields["view:f"]
    assert isinstance(feature, Histogram)
    assert feature.nulls == 1
