"""Units are counted once, from the gateway's header, and late ones of an earlier step not at all."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.serving.units import RolloutStep, Sighting, UnitFilter, Units, unit_digest

units_seen = st.lists(st.text(max_size=4), max_size=60)


@given(keys=units_seen)
def test_a_known_unit_is_never_new_again(keys: list[str]) -> None:
    """However full the filter is, no unit counts twice within a step."""
    small, new = UnitFilter(bits=64), list[str]()
    for key in keys:
        if small.add(unit_digest(key)):
            new.append(key)
    assert len(new) == len(set(new))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(min_value=0), count=st.integers(min_value=1, max_value=5000))
def test_a_filter_misses_at_most_the_stated_ratio(seed: int, count: int) -> None:
    """A new one among n in m bits is missed with (1 - exp(-4 n / m))**4: at most 0.24 % at sixteen bits a unit.

    The bound lies more than seven standard deviations above what is expected at every size.
    """
    generator = random.Random(seed)
    bits = 1 << max(7, (16 * count - 1).bit_length())
    filled = UnitFilter(bits=bits)
    found = sum(filled.add(unit_digest(f"{generator.random()}-{number}")) for number in range(count))
    assert count - found <= 8 + 0.0064 * count


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=3)), max_size=80))
def test_steps_that_grow_count_each_unit_once_a_step(requests: list[tuple[int, str]]) -> None:
    """Whatever order the requests of neighbouring steps come in, no unit counts twice within one."""
    units, counted = Units(), list[tuple[int, str]]()
    for step_index, key in requests:
        seen = units.see(RolloutStep(1, step_index), key)
        if seen is not None and seen.new_in_step and key:
            counted.append((step_index, key))
    assert len(counted) == len(set(counted))


def test_a_latecomer_of_an_earlier_step_does_not_make_the_step_begin_again() -> None:
    """The gateway's threads learn of a step one after the other."""
    units = Units()
    first, second = RolloutStep(1, 0), RolloutStep(1, 1)
    assert units.see(first, "a") == Sighting(1, unit_digest("a"), new_in_step=True)
    assert units.see(second, "a") == Sighting(1, unit_digest("a"), new_in_step=True)
    assert units.see(first, "b") is None
    assert units.see(second, "a") == Sighting(1, unit_digest("a"), new_in_step=False)


def test_another_rollout_starts_from_nothing_whatever_its_number() -> None:
    """A state that was lost begins at the first rollout again; what was predicted before it is forgotten."""
    units = Units()
    old = units.see(RolloutStep(7, 2), "a")
    assert old is not None
    assert (units.first_prediction(old), units.first_prediction(old)) == (True, False)
    new = units.see(RolloutStep(1, 0), "a")
    assert new is not None
    assert new.new_in_step
    # A prediction that ends after its rollout is none of the next one's.
    assert not units.first_prediction(old)
    assert units.first_prediction(new)


def test_a_first_prediction_counts_once_over_all_steps() -> None:
    """The filter of predictions outlives the step; requests without a key count each."""
    units = Units()
    counted: list[bool] = []
    for step_index, key in ((0, "a"), (1, "a"), (1, ""), (1, "")):
        seen = units.see(RolloutStep(1, step_index), key)
        assert seen is not None
        counted.append(units.first_prediction(seen))
    assert counted == [True, False, True, True]


def test_outside_a_rollout_nothing_is_counted() -> None:
    """A slot that takes all the traffic keeps no memory of units."""
    assert Units().see(None, "a") is None


@pytest.mark.parametrize("text", ["", "1", "1/", "/1", "1/2/3", " 1/2", "1/2\n", "a/b", "-1/0", "1.0/0", "²/1"])
def test_a_malformed_header_is_no_step(text: str) -> None:
    """Only two plain numbers are one."""
    assert RolloutStep.parse(text) is None
