"""What is said of a row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.parity import AGREED, SKEWED, ParityOutcome, ParitySpec
from shipway.parity.outcomes import History, Side, compare, counts, is_mistimed, same, skewed_ratio, was_right

NAN = float("nan")
SPEC = ParitySpec()


def outcome(served: float, offline: float, *, served_at: float = 0, offline_at: float = 0, **flags: bool) -> str:
    flagged = {
        name: np.array([flags.get(name, False)]) for name in ("late", "mistimed", "stale", "unavailable", "unknown")
    }
    sides = [Side(np.array([value]), np.array([at])) for value, at in ((served, served_at), (offline, offline_at))]
    return str(compare(*sides, spec=SPEC, **flagged)[0])


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"served": 1.0, "offline": 1.0}, "equal"),
        ({"served": 1.0, "offline": 1.0, "served_at": 0, "offline_at": 3600}, "equal"),
        ({"served": 1.0, "offline": 1.0, "served_at": 0, "offline_at": 3600, "mistimed": True}, "mistimed"),
        ({"served": 1.0 + 1e-8, "offline": 1.0}, "within_tolerance"),
        ({"served": 1.0 + 1e-5, "offline": 1.0}, "different"),
        ({"served": 2.0, "offline": 1.0, "served_at": 0, "offline_at": 3600}, "stale"),
        ({"served": 2.0, "offline": 1.0, "served_at": 0, "offline_at": 60, "late": True}, "late"),
        ({"served": 2.0, "offline": NAN}, "missing_offline"),
        ({"served": NAN, "offline": 1.0}, "missing_online"),
        ({"served": NAN, "offline": 1.0, "late": True}, "late"),
        ({"served": NAN, "offline": 1.0, "stale": True}, "stale"),
        ({"served": NAN, "offline": NAN}, "default"),
        ({"served": NAN, "offline": NAN, "stale": True}, "default"),
        ({"served": NAN, "offline": 1.0, "unavailable": True}, "unavailable"),
        ({"served": 1.0, "offline": 1.0, "unknown": True}, "unknown"),
    ],
)
def test_each_row_has_one_outcome(row: dict[str, float], expected: str) -> None:
    """What is not known is never equal, and a store that did not answer is no skew."""
    assert outcome(**row) == expected  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_is_the_same_as_itself_and_the_tolerance_is_the_specs(value: float, other: float) -> None:
    """The tolerance is the greater of the two, of the offline value."""
    left, right = np.array([value]), np.array([other])
    assert same(left, left, SPEC).all()
    allowed = max(SPEC.absolute_tolerance, SPEC.relative_tolerance * abs(other))
    with np.errstate(over="ignore"):
        assert bool(same(left, right, SPEC)[0]) == bool(np.abs(left - right)[0] <= allowed)


def test_a_value_was_right_until_it_was_replaced() -> None:
    """Late is only who carries the offline store's own value and time, replaced within the lag."""
    history = History(np.array([0, 3] * 1), np.array([0.0, 100.0, 200.0]), np.array([1.0, 2.0, 3.0]))
    at = np.array([250.0])

    def right(value: float, seconds: float, lag_seconds: float) -> bool:
        spec = ParitySpec(publication_lag_seconds=lag_seconds)
        return bool(was_right(Side(np.array([value]), np.array([seconds])), history, at, spec)[0])

    assert right(2.0, 100.0, 60)
    assert not right(2.0, 100.0, 40)
    assert not right(1.0, 0.0, 60)
    assert right(1.0, 0.0, 150)
    assert not right(2.0, 90.0, 60)
    assert not right(9.0, 100.0, 60)
    assert not right(NAN, NAN, 60)
    assert right(NAN, NAN, 300)
    # An online store of single precision gives back a neighbour of what it was given.
    assert right(2.0 * (1 + 1e-7), 100.0, 60)
    assert not right(2.0 * (1 + 1e-5), 100.0, 60)


def test_nothing_was_right_while_nothing_was_known() -> None:
    """Of a key whose newest value was null until a moment ago, as an hour without a measurement leaves it."""
    history = History(np.array([0, 3]), np.array([0.0, 100.0, 200.0]), np.array([1.0, NAN, 3.0]))

    def right(at: float, lag_seconds: float) -> bool:
        nothing = Side(np.array([NAN]), np.array([NAN]))
        return bool(was_right(nothing, history, np.array([at]), ParitySpec(publication_lag_seconds=lag_seconds))[0])

    assert right(250.0, 60)
    assert not right(250.0, 40)
    assert not right(90.0, 60)
    assert right(30.0, 60)


def test_a_value_is_mistimed_where_its_time_has_another_value() -> None:
    """An older time under which the same value was known is only late; a time before its past tells nothing."""
    history = History(np.array([0, 3]), np.array([0.0, 100.0, 200.0]), np.array([1.0, 2.0, 2.0]))
    offline = Side(np.array([2.0]), np.array([200.0]))

    def wrong(seconds: float) -> bool:
        return bool(is_mistimed(Side(np.array([2.0]), np.array([seconds])), offline, history, SPEC)[0])

    assert [wrong(seconds) for seconds in (200.0, 100.0, 0.0, 150.0, -50.0)] == [False, False, True, True, False]


def test_the_ratio_is_of_what_was_compared() -> None:
    """Unknown rows are in neither part, and without any other there is no ratio."""
    counted = counts(np.array(["equal", "default", "late", "stale", "unknown", "unavailable"]))
    assert skewed_ratio(counted) == 0.25
    assert skewed_ratio(counts(np.array(["unknown", "unavailable"]))) is None
    assert set(ParityOutcome) - AGREED - SKEWED == {ParityOutcome.UNKNOWN, ParityOutcome.UNAVAILABLE}


def test_a_history_answers_as_of_a_moment() -> None:
    """At its own moment a value is known, before the first nothing is."""
    history = History(np.array([0, 2, 2]), np.array([10.0, 20.0]), np.array([1.0, 2.0]))
    assert np.array_equal(history.at(np.array([20.0, 20.0])), [2.0, NAN], equal_nan=True)
    assert np.array_equal(history.at(np.array([9.0, 0.0])), [NAN, NAN], equal_nan=True)
