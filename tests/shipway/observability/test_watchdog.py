"""The dead man's switch: silence is told once, and so is its end."""

from shipway.observability.watchdog import Watchdog


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_never_came_is_missed_after_the_objective() -> None:
    """The start counts as a sign of life, once."""
    clock = Clock()
    watchdog = Watchdog(10, clock, lambda: 5000.0)
    clock.seconds = 110
    assert watchdog.look() is None
    assert watchdog.last_seconds is None
    clock.seconds = 110.1
    assert [watchdog.look(), watchdog.look()] == ["firing", None]


def test_its_return_is_told_and_the_next_silence_too() -> None:
    """The heartbeat that Prometheus reads is the time of the last one that came."""
    clock = Clock()
    watchdog = Watchdog(10, clock, lambda: 5000.0 + clock.seconds)
    clock.seconds = 120
    assert watchdog.look() == "firing"
    watchdog.heard(firing=True)
    assert [watchdog.look(), watchdog.look()] == ["resolved", None]
    assert watchdog.last_seconds == 5120
    clock.seconds = 131
    assert watchdog.look() == "firing"


def test_a_watchdog_that_ended_is_silence_at_once() -> None:
    """Alertmanager says that it no longer hears Prometheus; nobody need wait for the objective."""
    clock = Clock()
    watchdog = Watchdog(10, clock, lambda: 5000.0)
    watchdog.heard(firing=True)
    watchdog.heard(firing=False)
    assert watchdog.look() == "firing"
    watchdog.heard(firing=True)
    assert watchdog.look() == "resolved"
