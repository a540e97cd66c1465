"""Counters: deltas per series, restarts, and readings that are rejected whole."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.metrics import Outcome, Slot
from shipway.delivery.evidence.counters import (
    FORGOTTEN_SECONDS,
    Counters,
    Delta,
    Family,
    Flaw,
    Flawed,
    Reading,
    Still,
    read,
)

FAMILY = Family("shipway:requests_total", "digits", "outcome", frozenset(Outcome))
BLUE, GREEN = Slot.BLUE, Slot.GREEN


def series(slot: str, outcome: str, value: float, at: float, instance: str = "a:1", **labels: str) -> Reading:
    return Reading({"model": "digits", "slot": slot, "instance": instance, "outcome": outcome} | labels, value, at)


def both(ok: float, errors: float, at: float, green_ok: float = 0) -> list[Reading]:
    return [
        series("blue", "ok", ok, at),
        series("blue", "error", errors, at),
        series("green", "ok", green_ok, at, "b:1"),
    ]


def based(*readings: Reading) -> Counters:
    return read(FAMILY, Counters(), readings)[0]


def test_the_first_reading_is_only_the_base() -> None:
    """What was counted before the rollout is no evidence; the next reading brings the difference."""
    counters, first = read(FAMILY, Counters(), both(100, 5, at=1))
    assert first == Still("the first reading, the base of what follows")
    counters, second = read(FAMILY, counters, both(130, 7, at=2, green_ok=3))
    assert second == Delta({(BLUE, "ok"): 30, (BLUE, "error"): 2, (GREEN, "ok"): 3})
    assert second.count(BLUE, "ok", "error") == 32
    assert second.count(GREEN, "error") == 0


def test_the_same_scrape_is_no_new_evidence() -> None:
    """A repeated sequence changes nothing, whatever the values say."""
    counters = based(*both(100, 5, at=1))
    following, outcome = read(FAMILY, counters, both(999, 5, at=1))
    assert outcome == Still("the same scrape as before")
    assert following == counters


def test_instances_are_scraped_at_their_own_times() -> None:
    """A slot whose scrape is due later adds nothing now and all of it then."""
    counters = based(*both(100, 0, at=1))
    late = [series("blue", "ok", 110, 2), series("blue", "error", 0, 2), series("green", "ok", 0, 1, "b:1")]
    counters, outcome = read(FAMILY, counters, late)
    assert outcome == Delta({(BLUE, "ok"): 10, (BLUE, "error"): 0})
    _, outcome = read(FAMILY, counters, both(110, 0, at=3, green_ok=4))
    assert outcome == Delta({(BLUE, "ok"): 0, (BLUE, "error"): 0, (GREEN, "ok"): 4})


def test_a_restart_brings_no_negative_and_no_phantom() -> None:
    """After a counter fell, all of its instance's values are what happened since, and the other slot is untouched."""
    counters = based(*both(100, 5, at=1, green_ok=50))
    _, outcome = read(FAMILY, counters, both(8, 6, at=2, green_ok=51))
    assert outcome == Delta({(BLUE, "ok"): 8, (BLUE, "error"): 6, (GREEN, "ok"): 1}, ("blue at a:1",))


def test_a_counter_that_is_gone_means_a_restart() -> None:
    """A process that lives never loses a counter: when one is missing beside others, all began at zero."""
    counters = based(*both(3, 2, at=1))
    _, outcome = read(FAMILY, counters, [series("blue", "ok", 5, 2), series("green", "ok", 0, 2, "b:1")])
    assert outcome == Delta({(BLUE, "ok"): 5, (GREEN, "ok"): 0}, ("blue at a:1",))


def test_a_counter_that_appears_counts_from_zero() -> None:
    """The first error of a known instance is an error, not a base."""
    counters = based(series("blue", "ok", 100, 1), series("green", "ok", 0, 1, "b:1"))
    _, outcome = read(FAMILY, counters, both(101, 4, at=2))
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, "error") == 4


def test_a_new_instance_brings_no_past() -> None:
    """Scaling out to an instance that served elsewhere before adds none of what it counted."""
    counters = based(*both(100, 5, at=1))
    grown = [*both(110, 5, at=2), series("blue", "error", 900, 2, "c:1")]
    counters, outcome = read(FAMILY, counters, grown)
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, *Outcome) == 10
    _, outcome = read(FAMILY, counters, [*both(110, 5, at=3), series("blue", "error", 903, 3, "c:1")])
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, "error") == 3


def test_scaling_in_subtracts_nothing() -> None:
    """An instance that is gone leaves what it brought; when it comes back, its gap is one increment."""
    more = series("blue", "ok", 70, 1, "c:1")
    counters = based(*both(100, 5, at=1), more)
    counters, outcome = read(FAMILY, counters, both(101, 5, at=2))
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, *Outcome) == 1
    _, outcome = read(FAMILY, counters, [*both(101, 5, at=3), series("blue", "ok", 75, 3, "c:1")])
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, *Outcome) == 5


@given(st.lists(st.tuples(st.sets(st.sampled_from("cde")), st.integers(0, 9)), max_size=20))
def test_pods_that_come_and_go_lose_and_make_up_nothing(rounds: list[tuple[set[str], int]]) -> None:
    """Each pod counts from its first scrape on, whichever others are there, and its gaps come as one increment."""
    totals, based_at, counted = dict.fromkeys("cde", 100), dict[str, int](), 0
    counters = based(*both(0, 0, at=0))
    for at, (pods, requests) in enumerate([*rounds, (set("cde"), 0)], 1):
        totals = {pod: total + requests for pod, total in totals.items()}
        for pod in pods:
            based_at.setdefault(pod, totals[pod])
        there = [series("green", "ok", totals[pod], at, pod) for pod in sorted(pods)]
        counters, outcome = read(FAMILY, counters, [*both(0, 0, at), *there])
        assert isinstance(outcome, Delta)
        assert outcome.restarted == ()
        counted += outcome.count(GREEN, "ok")
    assert counted == sum(totals[pod] - start for pod, start in based_at.items())


def test_a_pod_that_is_gone_for_good_is_forgotten() -> None:
    """Its rows ride on the route no longer; one that answers is kept, however rarely it is scraped."""
    counters = based(*both(100, 5, at=1), series("blue", "ok", 70, 1, "c:1"))
    counters, _ = read(FAMILY, counters, both(101, 5, at=FORGOTTEN_SECONDS))
    assert {key.instance for key in counters.last} == {"a:1", "b:1", "c:1"}
    counters, _ = read(FAMILY, counters, both(102, 5, at=FORGOTTEN_SECONDS + 1))
    assert {key.instance for key in counters.last} == {"a:1", "b:1"}


@pytest.mark.parametrize(
    ("flawed", "flaw", "sentence"),
    [
        (series("blue", "ok", math.nan, 2), Flaw.NOT_FINITE, "ok of blue at a:1 is nan, expected a count"),
        (series("blue", "ok", math.inf, 2), Flaw.NOT_FINITE, "ok of blue at a:1 is inf, expected a count"),
        (series("blue", "ok", 200, math.nan), Flaw.NOT_FINITE, "ok of blue at a:1 was scraped at nan, expected a time"),
        (series("blue", "ok", -1, 2), Flaw.NEGATIVE, "ok of blue at a:1 is -1, expected a count"),
        (
            series("blue", "ok", 100.5, 2),
            Flaw.FRACTION,
            "ok of blue at a:1 is 100.5, expected a whole number: a raw counter, no rate",
        ),
        (series("green", "ok", 9, 2, "b:1", job="twice"), Flaw.DUPLICATE, "ok of green at b:1 is there twice"),
        (
            series("blue", "ok", 200, 0.5),
            Flaw.OLDER,
            "ok of blue at a:1 is 0.5 s older than what was seen before",
        ),
        (series("blue", "ok", 1, 2, model="x"), Flaw.WRONG_LABEL, "label model is 'x', expected 'digits'"),
        (series("red", "ok", 1, 2), Flaw.WRONG_LABEL, "label slot is 'red', expected blue or green"),
        (series("blue", "ok", 1, 2, ""), Flaw.WRONG_LABEL, "label instance is '', expected the scraped address"),
        (
            series("blue", "good", 1, 2),
            Flaw.WRONG_LABEL,
            "label outcome is 'good', expected one of error, invalid_output, ok, rejected_input, timeout",
        ),
        (
            Reading({"model": "digits", "slot": "blue", "instance": "a:1"}, 1, 2),
            Flaw.WRONG_LABEL,
            "label outcome is missing, expected a value",
        ),
    ],
)
def test_one_flaw_rejects_the_reading(flawed: Reading, flaw: Flaw, sentence: str) -> None:
    """A flawed series is named, nothing of its reading counts, and the next sound one brings the whole gap."""
    counters = based(*both(100, 5, at=1))
    rest = [each for each in both(120, 5, at=2) if each.labels != flawed.labels]
    following, outcome = read(FAMILY, counters, [*rest, flawed])
    assert outcome == Flawed(flaw, f"shipway:requests_total: {sentence}")
    assert following is counters
    _, outcome = read(FAMILY, following, both(150, 5, at=3, green_ok=2))
    assert isinstance(outcome, Delta)
    assert outcome.count(BLUE, "ok") == 50


@pytest.mark.parametrize("readings", [[], [series("blue", "ok", 200, 2)]])
def test_a_slot_without_a_series_is_missing(readings: list[Reading]) -> None:
    """No answer, and an answer without the candidate, are missing evidence, not a slot with no requests."""
    _, outcome = read(FAMILY, based(*both(100, 5, at=1)), readings)
    missing = "green" if readings else "blue"
    assert outcome == Flawed(Flaw.MISSING, f"shipway:requests_total: no series of digits in {missing}")


@given(st.permutations(both(130, 7, at=2, green_ok=3)))
def test_the_order_of_series_does_not_matter(readings: list[Reading]) -> None:
    """Prometheus sorts its answer as it likes."""
    _, outcome = read(FAMILY, based(*both(100, 5, at=1)), readings)
    assert outcome == Delta({(BLUE, "ok"): 30, (BLUE, "error"): 2, (GREEN, "ok"): 3})


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["sound", "nan", "same", "gone"])), max_size=20))
def test_no_request_is_lost_or_made_up(history: list[tuple[int, str]]) -> None:
    """Whatever is rejected, repeated or not answered in between, the deltas add up to what was served by then."""
    counters = based(*both(1000, 0, at=0))
    served = counted = 0
    for at, (requests, kind) in enumerate([*history, (1, "sound")], 1):
        served += requests
        last = counters.last[next(iter(counters.last))].scraped_at_seconds
        value = math.nan if kind == "nan" else 1000 + served
        readings = [] if kind == "gone" else both(value, 0, at=last if kind == "same" else at)
        counters, outcome = read(FAMILY, counters, readings)
        assert isinstance(outcome, Delta) == (kind == "sound")
        counted += outcome.count(BLUE, *Outcome) if isinstance(outcome, Delta) else 0
    assert counted == served


def test_the_base_survives_as_plain_rows() -> None:
    """A base that was written down and read again goes on where it was."""
    counters = based(*both(100, 5, at=1))
    rows = counters.rows()
    assert rows[0] == ["blue", "a:1", "error", 5, 1]
    assert Counters.of_rows(tuple(row) for row in rows) == counters  # type: ignore[arg-type]
