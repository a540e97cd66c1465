import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.bundle.reference import Categories, Histogram
from shipway.contract.derived import value_of
from shipway.contract.errors import SpecError
from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.drift.bins import Bins, FieldBins
from shipway.training.drift_reference import Watched, build_reference, histogram

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
    """Numbers and features get bins, categories counts, texts their measures; what is personal gets nothing."""
    schema = Schema(
        fields=(
            FieldSpec(name="n", kind=FieldKind.NUMBER),
            FieldSpec(name="c", kind=FieldKind.CATEGORY, nullable=True),
            FieldSpec(name="t", kind=FieldKind.TEXT, measures=("words",)),
            FieldSpec(name="u", kind=FieldKind.TEXT),
            FieldSpec(name="v", kind=FieldKind.VECTOR, length=1),
            FieldSpec(name="p", kind=FieldKind.CATEGORY, personal=True),
            FieldSpec(name="q", kind=FieldKind.NUMBER, personal=True),
            FieldSpec(name="s", kind=FieldKind.TEXT, personal=True),
        )
    )
    rows = pd.DataFrame(
        {
            "n": [1.0, 2.0],
            "c": ["a", None],
            "t": ["x", "two words"],
            "u": ["x", "y"],
            "v": [[1.0], [2.0]],
            "p": ["somebody", "nobody"],
            "q": [17.0, 99.0],
            "s": ["a secret", "another"],
            "view:f": [np.nan, 4.0],
        }
    )
    reference = build_reference(rows, np.array([0.1, 0.9]), schema)
    assert set(reference.fields) == {"n", "c", "t.words", "view:f"}
    words = reference.fields["t.words"]
    assert isinstance(words, Histogram)
    assert (words.minimum, words.maximum, words.mean) == (1, 2, 1.5)
    assert reference.fields["c"] == Categories(counts={"a": 1}, other=0, nulls=1)
    feature = reference.fields["view:f"]
    assert isinstance(feature, Histogram)
    assert feature.nulls == 1


def test_another_hour_of_the_day_falls_into_other_bins() -> None:
    """A time that its schema measures is counted by its hour: what comes at night was never there by day."""
    schema = Schema(fields=(FieldSpec(name="at", kind=FieldKind.TIMESTAMP, measures=("hour",)),))
    rows = pd.DataFrame({"at": [f"2013-05-01T{hour:02}:30:00-04:00" for hour in range(6, 23) for _ in range(20)]})
    reference = build_reference(rows, np.linspace(0, 1, len(rows)), schema)
    bins = Bins.of(reference)
    (hours,) = (one for one in bins.fields if one.name == "at.hour")
    assert hours.expected[hours.inner].tolist() == [20] * 17
    asked = [hours.code(value_of({"at": f"2013-06-01T{hour}:00:00Z"}, "at.hour")) for hour in ("03", "12", "23")]
    assert [hours.labels[place] for place in hours.index(np.array(asked))] == ["below", "6", "above"]


SEGMENTED = Schema(
    fields=(FieldSpec(name="n", kind=FieldKind.NUMBER), FieldSpec(name="c", kind=FieldKind.CATEGORY, nullable=True))
)
FOUR = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "c": ["a", "b", None, "a"]})


def test_labels_are_counted_with_the_predictions_they_judge() -> None:
    """Each row is once in the relation, in the bin of its prediction and of its label."""
    watched = Watched(labels=np.array([0.0, 1.0, 1.0, 0.0]))
    reference = build_reference(FOUR, np.array([0.1, 0.9, 0.9, 0.1]), SEGMENTED, watched)
    assert reference.labels is not None
    assert reference.labels.distribution.counts == (2, 2)
    predictions, labels = FieldBins.of("", reference.predictions), FieldBins.of("", reference.labels.distribution)
    relation = np.array(reference.labels.relation)
    assert relation.shape == (len(predictions), len(labels))
    low, high = predictions.index([0.1, 0.9])
    assert relation[low].tolist() == [0, 2, 0, 0, 0]
    assert relation[high].tolist() == [0, 0, 2, 0, 0]


def test_segments_and_days_are_parts_of_the_whole() -> None:
    """A segment holds its rows only; the days add up to all of them, in order."""
    times = pd.Series(
        pd.to_datetime(["2013-04-02T01:00Z", "2013-04-01T23:00Z", "2013-04-02T02:00Z", "2013-04-03T00:00Z"])
    )
    reference = build_reference(FOUR, np.arange(4.0), SEGMENTED, Watched(segments=["c"], times=times))
    bins = Bins.of(reference)
    assert sorted(reference.segments) == ["c=a", "c=b"]
    sizes = {name: int(bins.split(np.array(one.counts))["n"].sum()) for name, one in reference.segments.items()}
    assert sizes == {"c=a": 2, "c=b": 1}
    assert reference.segments["c=a"].means == (None, 2.5, 1.5)
    assert [sum(bins.split(np.array(day))["n"]) for day in reference.days] == [1, 2, 1]
    assert (np.sum(reference.days, axis=0) == bins.expected).all()


def test_a_segment_is_a_category() -> None:
    """Numbers have no values to look at one by one, and the refusal names those that have."""
    with pytest.raises(SpecError, match="request fields of kind category: c") as refused:
        build_reference(FOUR, np.arange(4.0), SEGMENTED, Watched(segments=["n"]))
    assert (refused.value.key, refused.value.got) == ("segments", "n")


def test_nobody_is_a_segment() -> None:
    """The names of segments stand in the bundle, in metrics and in verdicts: a personal field is refused."""
    fields = (FieldSpec(name="c", kind=FieldKind.CATEGORY, personal=True),)
    with pytest.raises(SpecError, match="request fields of kind category: none"):
        build_reference(FOUR[["c"]], np.arange(4.0), Schema(fields=fields), Watched(segments=["c"]))


@given(NUMBERS, st.integers(1, 50))
def test_no_bin_is_empty_and_the_order_of_the_rows_is_none(values: list[float], bins: int) -> None:
    """A bin the reference never fills is noise; the same rows in another order are the same reference, to the bit."""
    found = histogram(np.array(values, dtype=float), bins)
    assert min(found.counts) > 0 or not np.isfinite(values).any()
    assert histogram(np.array(values[::-1], dtype=float), bins) == found
    known = [value for value in values if value == value]
    assert (found.minimum, found.maximum) == ((min(known), max(known)) if known else (None, None))
    if known:
        assert found.mean == pytest.approx(np.mean(known), rel=1e-9, abs=1e-9)
        assert found.deviation == pytest.approx(np.std(known), rel=1e-9, abs=1e-9)


def test_infinities_are_no_numbers() -> None:
    """They count as nulls, and move neither an edge nor the mean."""
    found = histogram(np.array([1.0, np.inf, 2.0, -np.inf, np.nan]), 2)
    assert (found.counts, found.nulls, found.minimum, found.maximum, found.mean) == ((1, 1), 3, 1.0, 2.0, 1.5)
