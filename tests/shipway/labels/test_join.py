"""The join of predictions and labels, whichever comes first."""

import math
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from shipway.labels.join import Counts, Join, Label, Prediction, Series

Record = tuple[str, Prediction | Label]

NAMES = [f"id{number}" for number in range(12)]
MODELS = ("a", "b")


@st.composite
def worlds(draw: st.DrawFn) -> list[Record]:
    """Records of two models that share ids: at most one prediction and one label for each id of a model."""
    records: list[Record] = []
    numbers = st.sampled_from((0.0, 0.25, 0.5, 1.0))
    for model in MODELS:
        for name in draw(st.sets(st.sampled_from(NAMES))):
            version, rollout = draw(st.sampled_from("vw")), draw(st.integers(0, 5))
            records.append((model, Prediction(name, draw(numbers), version, rollout)))
        records += [(model, Label(name, draw(numbers))) for name in draw(st.sets(st.sampled_from(NAMES)))]
    return records


def take(join: Join, model: str, batch: list[Prediction | Label]) -> None:
    """Gives a batch of mixed records to `join`, predictions and labels apart."""
    join.add_labels(model, [one for one in batch if isinstance(one, Label)], 0.25)
    join.add_predictions(model, [one for one in batch if isinstance(one, Prediction)], 0.25)


def expected(records: list[Record]) -> Mapping[Series, Counts]:
    """Returns the counts as their definition says, from all records at once."""
    found: dict[Series, Counts] = {}
    for model in MODELS:
        labels = {one.prediction_id: one.label for name, one in records if name == model and isinstance(one, Label)}
        predictions = [one for name, one in records if name == model and isinstance(one, Prediction) and one.rollout]
        newest = sorted({one.rollout for one in predictions})[-3:]
        for one in predictions:
            if one.rollout in newest:
                series = Series(model, one.version, one.rollout)
                before, label = found.get(series, Counts()), labels.get(one.prediction_id)
                wrong = label is not None and abs(one.prediction - label) > 0.25
                right = label is not None and not wrong
                found[series] = Counts(before.right + right, before.wrong + wrong)
    return found


@given(st.data(), worlds())
def test_order_batches_and_repetitions_change_nothing(data: st.DataObject, records: list[Record]) -> None:
    """Any interleaving, batching and duplication of the same records gives the counts that the records define."""
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=10)) if records else []
    shuffled = data.draw(st.permutations(records + repeated))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    join = Join(capacity_records=1000)
    for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True):
        for model in data.draw(st.permutations(MODELS)):
            take(join, model, [one for name, one in shuffled[start:end] if name == model])
    assert join.counts() == expected(records)


def test_a_prediction_is_wrong_beyond_the_threshold() -> None:
    """At the threshold it is right still; a series exists at 0 as soon as one prediction is seen."""
    join = Join()
    join.add_predictions("m", [Prediction(str(n), 0.5, "v", 4) for n in range(3)], 0.5)
    assert join.counts() == {Series("m", "v", 4): Counts(0, 0)}
    join.add_labels("m", [Label("0", 1.0), Label("1", 1.25), Label("unknown", 1.0)], 0.5)
    assert join.counts() == {Series("m", "v", 4): Counts(right=1, wrong=1)}


def test_the_first_of_two_labels_counts() -> None:
    """A second, different label for a prediction changes nothing, before and after the join."""
    join = Join()
    join.add_labels("m", [Label("early", 1.0), Label("early", 0.0)], 0.5)
    join.add_predictions("m", [Prediction("early", 1.0, "v", 1), Prediction("late", 1.0, "v", 1)], 0.5)
    join.add_labels("m", [Label("late", 1.0), Label("late", 0.0), Label("early", 0.0)], 0.5)
    assert join.counts() == {Series("m", "v", 1): Counts(right=2)}


def test_what_is_no_number_is_neither_right_nor_wrong() -> None:
    """NaN and infinity are counted as unusable, and a usable label after them still counts."""
    join = Join()
    join.add_predictions("m", [Prediction("x", 1.0, "v", 1), Prediction("y", math.nan, "v", 1)], 0.5)
    join.add_labels("m", [Label("x", math.nan), Label("x", math.inf), Label("x", 1.0), Label("y", 1.0)], 0.5)
    assert (join.counts(), join.unusable) == ({Series("m", "v", 1): Counts(right=1)}, 3)


def test_memory_is_bounded_and_says_what_it_dropped() -> None:
    """Beyond its capacity the oldest go, predictions and labels each by themselves; the newest still join."""
    join = Join(capacity_records=10)
    join.add_predictions("m", [Prediction(str(n), 1.0, "v", 1) for n in range(100)], 0.5)
    join.add_labels("m", [Label(str(n), 1.0) for n in range(90, 100)], 0.5)
    assert join.counts() == {Series("m", "v", 1): Counts(right=10)}
    assert join.predictions_forgotten == 80
    join.add_labels("m", [Label(f"of nobody {n}", 1.0) for n in range(100)], 0.5)
    assert join.labels_forgotten == 80


def test_only_the_newest_three_rollouts_are_kept() -> None:
    """A fourth rollout lets go of the oldest, and a late record of that one does not bring it back."""
    join = Join()
    for rollout in (2, 1, 3, 4):
        join.add_predictions("m", [Prediction(f"p{rollout}", 1.0, "v", rollout)], 0.5)
    join.add_labels("m", [Label("p1", 1.0), Label("p4", 1.0)], 0.5)
    join.add_predictions("m", [Prediction("again", 1.0, "v", 1)], 0.5)
    assert join.counts() == {
        Series("m", "v", 2): Counts(),
        Series("m", "v", 3): Counts(),
        Series("m", "v", 4): Counts(1),
    }
