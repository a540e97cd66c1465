"""Slots are asked side by side: each answer is fresh, and one that hangs holds up nobody else."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from shipway.contract.route import RouteSpec, SlotEndpoint
from shipway.delivery.readiness import PROBE_SECONDS, Probes
from tests.shipway.delivery.stack import wait_until

A, B = ("sha256:" + letter * 64 for letter in "ab")


def spec(model: str, port: int, green: str = "") -> RouteSpec:
    """Returns a model with a version in blue, at `port`, and what `green` says beside it."""
    return RouteSpec(
        model=model,
        owner="team",
        blue=SlotEndpoint(port=port, digest=A),
        green=SlotEndpoint(port=port + 1, digest=green),
        timeout_seconds=1.0,
        max_body_bytes=1,
    )


@dataclass
class Slots:
    """What each port answers; one in `hanging` says nothing until it is released."""

    answers: dict[int, str] = field(default_factory=dict[int, str])
    hanging: dict[int, threading.Event] = field(default_factory=dict[int, threading.Event])
    asked: list[int] = field(default_factory=list[int])
    answered: list[int] = field(default_factory=list[int])
    seconds: float = 100.0

    def ask(self, model: str, endpoint: SlotEndpoint) -> str:
        self.asked.append(endpoint.port)
        if endpoint.port in self.hanging:
            self.hanging[endpoint.port].wait(10)
        said = self.answers.get(endpoint.port, "")
        self.answered.append(endpoint.port)
        return said

    def clock(self) -> float:
        return self.seconds


@pytest.fixture
def slots() -> Iterator[Slots]:
    """Slots of which none is left hanging."""
    made = Slots()
    yield made
    for one in made.hanging.values():
        one.set()


def refresh(probes: Probes, *judged: RouteSpec, beside: RouteSpec | None = None) -> None:
    """Asks for the models that are judged; `beside` is under way too, and not due."""
    specs = {one.model: one for one in (*judged, *([beside] if beside else []))}
    probes.refresh(specs, {one.model for one in judged})


def test_an_answer_is_believed_for_a_moment(slots: Slots) -> None:
    """Within half a second nobody is asked again; after it, what has changed meanwhile is seen."""
    probes, digits = Probes(slots.ask, slots.clock), spec("digits", 2000)
    refresh(probes, digits)
    slots.answers[2000] = "port 2000 answered 503"
    slots.seconds += PROBE_SECONDS
    refresh(probes, digits)
    assert (probes("digits", digits.blue), slots.asked) == ("", [2000])
    slots.seconds += 0.01
    refresh(probes, digits)
    assert (probes("digits", digits.blue), slots.asked) == ("port 2000 answered 503", [2000, 2000])


def test_only_released_slots_of_what_is_judged_are_asked(slots: Slots) -> None:
    """An empty slot is not asked, a model that is judged no longer is forgotten, and asked anew when it comes back."""
    probes, digits, flights = Probes(slots.ask, slots.clock), spec("digits", 2000), spec("flights", 3000, green=B)
    refresh(probes, digits, flights)
    refresh(probes, flights)
    refresh(probes, digits, flights)
    assert sorted(slots.asked) == [2000, 2000, 3000, 3001]


def test_what_is_not_due_is_not_asked_and_keeps_its_word(slots: Slots) -> None:
    """A guard is due once a second among looks that come more often; a slot that is late then is as ready as before."""
    probes, digits, flights = Probes(slots.ask, slots.clock), spec("digits", 2000), spec("flights", 3000)
    refresh(probes, digits, flights)
    slots.hanging[3000] = threading.Event()
    for _ in range(3):
        slots.seconds += 2 * PROBE_SECONDS
        refresh(probes, digits, beside=flights)
    assert slots.asked.count(3000) == 1
    refresh(probes, digits, flights)
    assert (probes("flights", flights.blue), slots.asked.count(3000)) == ("", 2)
    slots.answers[3000] = "port 3000 gave no answer within 0.5 s"
    slots.hanging[3000].set()

    def heard() -> bool:
        refresh(probes, digits, beside=flights)
        return probes("flights", flights.blue) == "port 3000 gave no answer within 0.5 s"

    # Its late word is taken in whoever is due.
    wait_until(heard, "the slow answer is heard", 5)
    assert slots.asked.count(3000) == 2


def test_a_late_answer_is_of_its_own_time(slots: Slots) -> None:
    """It counts once: in a round long after it came the slot is asked anew, and what it says then counts from then."""
    probes, digits = Probes(slots.ask, slots.clock), spec("digits", 2000)
    refresh(probes, digits)
    slots.answers[2000], slots.hanging[2000] = "port 2000 gave no answer within 0.5 s", threading.Event()
    slots.seconds += 2 * PROBE_SECONDS
    refresh(probes, digits)
    assert probes("digits", digits.blue) == ""
    slots.hanging[2000].set()
    wait_until(lambda: slots.answered.count(2000) == 2, "the answer came", 5)
    slots.answers[2000], slots.hanging[2000] = "", threading.Event()
    slots.seconds += 2 * PROBE_SECONDS
    refresh(probes, digits)
    assert (probes("digits", digits.blue), slots.asked.count(2000)) == ("port 2000 gave no answer within 0.5 s", 3)
    slots.hanging[2000].set()
    wait_until(lambda: slots.answered.count(2000) == 3, "the answer came", 5)
    slots.seconds += 2 * PROBE_SECONDS
    refresh(probes, digits)
    assert probes("digits", digits.blue) == ""


def test_one_that_hangs_holds_up_nobody(slots: Slots) -> None:
    """The others are heard in the same round, it keeps its last word, and it is not asked twice at once."""
    probes, digits, flights = Probes(slots.ask, slots.clock), spec("digits", 2000), spec("flights", 3000)
    slots.hanging[3000] = threading.Event()
    slots.answers[3000] = "port 3000 gave no answer within 0.5 s"
    for _ in range(3):
        slots.seconds += 2 * PROBE_SECONDS
        refresh(probes, digits, flights)
        assert probes("digits", digits.blue) == ""
        assert probes("flights", flights.blue) == "it has not answered yet"
    assert slots.asked.count(3000) == 1
    slots.hanging[3000].set()

    def heard() -> bool:
        refresh(probes, digits, flights)
        return probes("flights", flights.blue) == "port 3000 gave no answer within 0.5 s"

    wait_until(heard, "the slow answer is heard", 5)
