"""The bounded sample of predictions with their labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.labels.sample import DAY_SECONDS, Batch, Sample

KEYS = st.integers(1, 2**64 - 1)


def batch(keys: list[int], days: list[int], prediction: float = 0.5, version: str = "v", value: str = "a") -> Batch:
    return Batch(
        np.array(keys, np.uint64),
        np.full(len(keys), prediction),
        np.array(days, float) * DAY_SECONDS + 5,
        [version] * len(keys),
        [[value] * len(keys)],
    )


def spread(count: int, seed: int = 1) -> list[int]:
    return [int(one) for one in np.random.default_rng(seed).integers(1, 2**64 - 1, count, dtype=np.uint64)]


def shown(sample: Sample) -> list[tuple[float, ...]]:
    """Returns (seconds, label, rate) of all that is remembered, in an order that the order of reading cannot change."""
    drawn = sample.drawn(0, 1000)
    rows = zip(drawn.seconds.tolist(), np.nan_to_num(drawn.labels, nan=-1.0).tolist(), strict=True)
    return [(float(drawn.level),), *sorted(rows)]


@given(st.data(), st.dictionaries(KEYS, st.integers(0, 3), max_size=60))
def test_order_batches_and_repetitions_change_nothing(data: st.DataObject, days: dict[int, int]) -> None:
    """Predictions and labels in any order, cut anywhere and repeated, leave the same sample."""
    keys = list(days)
    whole = Sample(["f"], days_kept=10, day_records=8)
    whole.add_predictions(batch(keys, [days[key] for key in keys]))
    whole.add_labels(np.array(keys, np.uint64), np.array([key % 2 for key in keys], float))
    other = Sample(["f"], days_kept=10, day_records=8)
    moves = [(kind, key) for key in keys for kind in ("prediction", "label")]
    again = data.draw(st.lists(st.sampled_from(moves), max_size=10)) if moves else []
    for kind, key in data.draw(st.permutations([*moves, *again])):
        if kind == "label":
            other.add_labels(np.array([key], np.uint64), np.array([key % 2], float))
        else:
            other.add_predictions(batch([key], [days[key]]))
    assert shown(other) == shown(whole)


def test_a_days_room_is_kept_and_uniform() -> None:
    """Of 100,000 predictions of a day at most 1,000 stay, right and wrong alike, and they say how rare they are."""
    sample, keys = Sample(["f"], 10, 1000), spread(100_000)
    wrong = np.arange(100_000) % 4 == 0
    for start in range(0, 100_000, 5000):
        part = slice(start, start + 5000)
        sample.add_predictions(batch(keys[part], [3] * 5000))
        sample.add_labels(np.array(keys[part], np.uint64), wrong[part].astype(float))
    drawn = sample.drawn(3, 3)
    assert 400 <= len(drawn.labels) <= 1000
    assert len(drawn.labels) * 2**drawn.level == pytest.approx(100_000, rel=0.15)
    assert drawn.labels.mean() == pytest.approx(0.25, abs=0.06)


def test_days_together_are_sampled_at_one_rate() -> None:
    """A day of few predictions weighs no more beside a busy one than it did in the traffic."""
    sample = Sample(["f"], 10, 1000)
    sample.add_predictions(batch(spread(900, seed=2), [1] * 900))
    sample.add_predictions(batch(spread(7000, seed=3), [2] * 7000))
    drawn = sample.drawn(1, 2)
    quiet = float((drawn.seconds < 2 * DAY_SECONDS).mean())
    assert drawn.level == 3
    assert quiet == pytest.approx(900 / 7900, abs=0.05)


def test_old_days_are_forgotten_and_do_not_come_back() -> None:
    """The newest three days stay; what belongs to an older one is not wanted."""
    sample = Sample(["f"], days_kept=3)
    for day in range(6):
        sample.add_predictions(batch([day + 1], [day]))
    sample.add_predictions(batch([100], [1]))
    assert sample.days == [3, 4, 5]
    late = batch([101, 102], [2, 4])
    assert sample.wants(late.keys, late.seconds).tolist() == [False, True]


def test_the_first_of_two_labels_counts() -> None:
    """In one batch, in two, and before the prediction."""
    sample = Sample(["f"], 10)
    sample.add_labels(np.array([7, 7], np.uint64), np.array([1.0, 0.0]))
    sample.add_predictions(batch([7, 8], [1, 1]))
    sample.add_labels(np.array([8, 8, 7], np.uint64), np.array([1.0, 0.0, 0.0]))
    sample.add_labels(np.array([8], np.uint64), np.array([0.0]))
    assert sample.drawn(1, 1).labels.tolist() == [1.0, 1.0]


def test_a_field_of_many_values_has_few_segments() -> None:
    """Beyond 256 values a request is in none of them; versions and values keep their places."""
    sample = Sample(["f"], 10)
    for number in range(300):
        sample.add_predictions(batch([number + 1], [1], value=f"x{number}", version=f"v{number % 2}"))
    drawn = sample.drawn(1, 1)
    assert len(sample.values[0]) == 256
    assert int((drawn.segments[:, 0] < 256).sum()) == 256
    assert sample.versions == ["v0", "v1"]
