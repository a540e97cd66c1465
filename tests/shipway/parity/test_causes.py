"""Causes by themselves: what they say, and that they stay silent where there is nothing to name."""

from typing import Any

import numpy as np
import pytest

from shipway.contract.parity import ParityOutcome, ParitySpec
from shipway.parity.causes import CAUSES, LEAST_ROWS, NAMED_FROM, Cause, diagnose
from shipway.parity.outcomes import Compared, History, Side, compare, is_mistimed

ROWS, ENTRIES = 200, 60
NAN = float("nan")


def pasts(values: Any, rng: np.random.Generator) -> tuple[np.ndarray, History]:
    """Returns events, and for each a past and a future of values about an hour apart."""
    events = np.sort(rng.uniform(1e9, 1e9 + 3e5, ROWS)).round()
    seconds = np.sort(rng.uniform(-93_600, 93_600, (ROWS, ENTRIES)), axis=1).round() + events[:, None]
    return events, History(np.arange(0, ROWS * ENTRIES + 1, ENTRIES), seconds.ravel(), values((ROWS, ENTRIES)).ravel())


def known(events: np.ndarray, history: History) -> Side:
    """Returns what was known at each event, with its time."""
    times = History(history.starts, history.seconds, history.seconds)
    return Side(history.at(events), times.at(events))


def compared(served: Side, offline: Side, events: np.ndarray, history: History, **flags: Any) -> Compared:
    no = np.zeros(len(events), dtype=bool)
    given = {name: flags.get(name, no) for name in ("late", "stale", "unavailable", "unknown")}
    given["mistimed"] = is_mistimed(served, offline, history, ParitySpec())
    outcomes = compare(served, offline, spec=ParitySpec(), **given)
    return Compared("view:feature", -1.0, events, served, offline, outcomes, ParitySpec(), history)


KINDS = {
    "numbers": lambda rng: lambda shape: rng.normal(size=shape),
    "counts": lambda rng: lambda shape: rng.poisson(4, shape).astype(float),
    "few": lambda rng: lambda shape: rng.integers(0, 3, shape).astype(float),
    "flags": lambda rng: lambda shape: rng.integers(0, 2, shape).astype(float),
    "mostly one": lambda rng: lambda shape: np.where(rng.random(shape) < 0.9, 10.0, rng.integers(1, 9, shape)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_differ_at_random_have_no_cause(kind: str) -> None:
    """Served values of the right kind that have nothing to do with the offline ones: nothing is named in 60 worlds."""
    named = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        draw = KINDS[kind](rng)
        events, history = pasts(draw, rng)
        offline = known(events, history)
        wrong = rng.random(ROWS) < (0.05, 0.3, 1.0)[seed % 3]
        served = Side(np.where(wrong, draw(ROWS), offline.values), offline.seconds)
        named += [(seed, one.name) for one in diagnose(compared(served, offline, events, history))]
    assert named == []


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_lost_at_random_have_no_cause(kind: str) -> None:
    """Served values that the offline store lost here and there are no filling."""
    named = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        events, history = pasts(KINDS[kind](rng), rng)
        whole = known(events, history)
        lost = rng.random(ROWS) < 0.2
        offline = Side(np.where(lost, NAN, whole.values), np.where(lost, NAN, whole.seconds))
        named += [(seed, one.name) for one in diagnose(compared(whole, offline, events, history))]
    assert named == []


def test_few_rows_name_nothing() -> None:
    """Seven rows can look like anything, however plain."""
    rng = np.random.default_rng(1)
    events, history = pasts(KINDS["numbers"](rng), rng)
    offline = known(events, history)
    values = offline.values.copy()
    values[: LEAST_ROWS - 1] *= 100
    assert diagnose(compared(Side(values, offline.seconds), offline, events, history)) == []
    values = offline.values.copy()
    values[:LEAST_ROWS] *= 100
    (found,) = diagnose(compared(Side(values, offline.seconds), offline, events, history))
    assert found == Cause(
        "scaling",
        1.0,
        LEAST_ROWS,
        "served = 100 * offline: a scaling or a unit is applied on one side only (a ratio as percent)",
    )


def test_one_cause_is_found_beside_other_differences() -> None:
    """A fifth of the rows may differ for another reason; the confidence says how many do not fit."""
    rng = np.random.default_rng(2)
    events, history = pasts(KINDS["numbers"](rng), rng)
    offline = known(events, history)
    values = offline.values * 1.609344
    values[::10] = rng.normal(size=ROWS // 10)
    (found,) = diagnose(compared(Side(values, offline.seconds), offline, events, history))
    assert (found.name, found.confidence) == ("scaling", 0.9)
    assert found.sentence.endswith("(km for miles)")


def test_a_change_of_the_clocks_is_one_time_zone() -> None:
    """Four hours before a Sunday and five after it: both are named as one shift."""
    rng = np.random.default_rng(3)
    events, history = pasts(KINDS["numbers"](rng), rng)
    offline = known(events, history)
    seconds = offline.seconds - np.where(np.arange(ROWS) < 120, 14_400, 18_000)
    (found,) = diagnose(compared(Side(offline.values, seconds), offline, events, history))
    assert (found.name, found.confidence) == ("timezone", 1.0)
    assert found.sentence == (
        "served values carry times 4 h earlier than the offline ones: a local time taken for UTC, or UTC for local"
    )


def test_the_registry_is_what_is_asked() -> None:
    """Each cause is called by its own name, and a new one is one function more."""
    assert {name: function.__name__ for name, function in CAUSES.items()} == {name: name for name in CAUSES}
    assert 0.5 < NAMED_FROM < 1


def test_a_feature_without_any_value_is_no_skew() -> None:
    """Both sides know nothing: the default, and no cause."""
    nothing = Side(np.full(20, NAN), np.full(20, NAN))
    found = compared(nothing, nothing, np.arange(20.0), History.empty(20))
    assert set(found.outcomes.tolist()) == {str(ParityOutcome.DEFAULT)}
    assert diagnose(found) == []
