"""The breaker and the budget hold for every order of outcomes, not only for those somebody thought of."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.serving import CircuitSpec
from shipway.serving.circuit import Circuit, CircuitState, RetryBudget

SPEC = CircuitSpec(consecutive_failures=3, window_reads=10, failure_ratio=0.5, open_seconds=5)


def after(outcomes: str, circuit: Circuit | None = None, now_seconds: float = 0.0) -> Circuit:
    """Returns the circuit after calls that ended well (.) or failed (x), one after the other."""
    circuit = circuit or Circuit(SPEC)
    for outcome in outcomes:
        circuit, era = circuit.admit(now_seconds)
        if era is not None:
            circuit = circuit.ended(era, outcome == "x", now_seconds)
    return circuit


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("xx", CircuitState.CLOSED),
        ("xxx", CircuitState.OPEN),
        ("xx.xx.", CircuitState.CLOSED),
        (".x.x.x.x.x", CircuitState.OPEN),
        (".x.x.x.x..", CircuitState.CLOSED),
        ("..........x.x.x.x", CircuitState.CLOSED),
        ("..........x.x.x.x.x", CircuitState.OPEN),
        ("." * 1000 + "xxx", CircuitState.OPEN),
    ],
)
def test_it_opens_by_a_row_of_failures_or_by_their_share(outcomes: str, state: CircuitState) -> None:
    """Three in a row, or half of the last ten; fewer than ten have no share yet."""
    assert after(outcomes).state is state


def test_an_open_circuit_lets_nothing_pass_and_then_one_call() -> None:
    """The one that tries is let through once; until it has ended nobody else is."""
    opened = after("xxx", now_seconds=100.0)
    assert opened.admit(104.999)[1] is None
    tried, era = opened.admit(105.0)
    assert (tried.state, era) == (CircuitState.HALF_OPEN, tried.era)
    assert tried.admit(1e9)[1] is None


@pytest.mark.parametrize(("failed", "state"), [(True, CircuitState.OPEN), (False, CircuitState.CLOSED)])
def test_the_call_that_tries_decides(failed: bool, state: CircuitState) -> None:
    """One failure opens for another while; one success closes, and what was before is forgotten."""
    tried, era = after("xxx").admit(5.0)
    assert era is not None
    ended = tried.ended(era, failed, 6.0)
    assert ended.state is state
    assert ended.failed == ()
    assert (ended.admit(10.9)[1] is None) is failed


def test_a_call_that_never_reached_the_dependency_says_nothing() -> None:
    """The circuit that tries stays open, and the next call may try at once; a closed one counts nothing."""
    tried, era = after("xxx").admit(5.0)
    assert era is not None
    again = tried.unasked(era)
    assert again.state is CircuitState.OPEN
    assert again.admit(5.0)[0].state is CircuitState.HALF_OPEN
    closed = after("xx")
    assert closed.unasked(closed.era) is closed
    assert after("x", closed).state is CircuitState.OPEN


def test_a_call_of_an_earlier_era_says_nothing() -> None:
    """What hung since before the circuit opened neither closes it nor opens it again."""
    closed, era = Circuit(SPEC).admit(0.0)
    assert era is not None
    opened = after("xxx", closed)
    assert opened.ended(era, False, 1.0) is opened
    tried, _ = opened.admit(5.0)
    assert tried.ended(era, False, 5.0) is tried


def test_a_healthy_dependency_costs_no_new_state() -> None:
    """Once the window is full of successes the same object stays."""
    full = after("." * 10)
    assert after("." * 100, full) is full


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 3)), max_size=200))
def test_whatever_happens_it_asks_again_and_never_two_at_once_while_it_tries(steps: list[tuple[bool, float]]) -> None:
    """A refused call is refused for at most open_seconds after it opened; eras only grow, one at a time."""
    circuit, now, eras = Circuit(SPEC), 0.0, [0]
    for failed, passed in steps:
        now += passed
        before = circuit
        circuit, era = circuit.admit(now)
        if era is None:
            assert before.state is CircuitState.OPEN
            assert now - before.opened_at_seconds < SPEC.open_seconds
        else:
            if circuit.state is CircuitState.HALF_OPEN:
                assert circuit.admit(now)[1] is None
            circuit = circuit.ended(era, failed, now)
        assert circuit.state is not CircuitState.HALF_OPEN
        assert len(circuit.failed) <= SPEC.window_reads
        eras.append(circuit.era)
    assert all(0 <= later - earlier <= 2 for earlier, later in pairwise(eras))


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=500))
def test_retries_are_a_share_of_the_requests(ratio: float, wants: list[bool]) -> None:
    """However many want one: never more than the share of the requests so far, and the first one."""
    budget, made = RetryBudget(ratio), 0
    for number, want in enumerate(wants, start=1):
        budget.earn()
        if want and budget.spend():
            made += 1
        assert made <= 1 + ratio * number
    assert not (ratio == 0 and made)


def test_a_budget_is_not_saved_up_for_ever() -> None:
    """After ten thousand quiet requests a burst of failures gets ten retries."""
    budget = RetryBudget(0.5)
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.spend() for _ in range(100)) == 10
