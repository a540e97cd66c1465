"""Rounds over the logs of a project: what they write, show and say."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shipway.contract.drift import DriftStatus, WindowName
from shipway.contract.environment import Tier
from shipway.contract.metrics import DRIFT_SCORE, DRIFT_STATUS, HEARTBEAT_TIMESTAMP_SECONDS
from shipway.drift.__main__ import main
from shipway.drift.measures import Measures, Reading, Score, State
from shipway.drift.places import LocalKeeper, LocalPlace, Models
from shipway.drift.rounds import Rounds, event_clock
from tests.shipway.drift.test_detector import CALIBRATION, spec_of
from tests.shipway.drift.toy import NAME, START, Toy, record

DAY = timedelta(days=1)


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self, at: datetime) -> None:
        self.seconds = at.timestamp()

    def __call__(self) -> float:
        return self.seconds


Make = Callable[..., Rounds]


@pytest.fixture
def make(toy: Toy) -> Iterator[Make]:
    made: list[Rounds] = []

    def rounds(clock: Clock, said: list[str] | None = None, tier: Tier = Tier.LOCAL, **more: Any) -> Rounds:
        models = more.pop("models", lambda: {NAME: spec_of(toy, windows=(WindowName.DAY,))})
        say = (said if said is not None else []).append
        place = LocalPlace(toy.layout, say, clock)
        place.models = models
        made.append(Rounds(place, LocalKeeper(toy.layout.drift), tier, say, clock, CALIBRATION, **more))
        return made[-1]

    yield rounds
    for one in made:
        one.close()


def verdicts(toy: Toy) -> list[str]:
    kept = LocalKeeper(toy.layout.drift).verdicts(NAME)
    return [one.window.start[8:10] for one in kept if one.feature == "x"]


@pytest.mark.parametrize(
    ("tier", "newest", "expected"),
    [
        (Tier.LOCAL, START, START),
        (Tier.LOCAL, None, None),
        (Tier.PROD, START, START + DAY),
        (Tier.NONPROD, None, START + DAY),
    ],
)
def test_only_a_local_stack_lives_in_event_time(tier: Tier, newest: datetime | None, expected: datetime) -> None:
    """Elsewhere time goes on when nobody asks: a window without rows ends, and is SILENT."""
    assert event_clock(tier, newest, START + DAY) == expected


def test_a_window_closes_once_its_last_rows_are_surely_written(toy: Toy, make: Make) -> None:
    """Slots write two seconds late: event time must have been past the end for five."""
    clock = Clock(START)
    rounds = make(clock, settle_seconds=5.0)
    toy.day(0)
    toy.day(1)
    rounds.round()
    clock.seconds += 4
    rounds.round()
    assert verdicts(toy) == []
    clock.seconds += 1
    rounds.round()
    assert verdicts(toy) == ["06"] * 3


def present(toy: Toy, before: timedelta, name: str) -> None:
    """Writes one record as a slot writes it for a request without a time of its own, so long ago."""
    at = datetime.now(UTC) - before
    path = toy.write("predictions", at, [record(name, at, 0.0, "blue", 5.0, 0.5, toy.version)], name)
    os.utime(path, (at.timestamp(), at.timestamp()))


@pytest.mark.parametrize("restarted", [False, True])
def test_a_request_of_the_present_makes_no_replay_late(toy: Toy, make: Make, restarted: bool) -> None:
    """Neither before the past is replayed, also where days of the present were judged, nor in the midst of it."""
    toy.go_live()
    clock = Clock(START)
    rounds = make(clock, settle_seconds=5.0)

    def looked(seconds: float) -> Rounds:
        clock.seconds += seconds
        again = rounds
        if restarted:
            rounds.close()
            again = make(clock, settle_seconds=5.0)
            again.round()
            clock.seconds += 6
        again.round()
        return again

    for days in (4, 1):
        present(toy, days * DAY, f"curl{days}")
        rounds = looked(60)
        rounds = looked(60)
    judged = verdicts(toy)
    assert judged
    toy.day(0)
    present(toy, 0 * DAY, "curl")
    rounds = looked(60)
    toy.day(1)
    rounds = looked(60)
    toy.day(2)
    rounds = looked(60)
    rounds = looked(60)
    assert verdicts(toy) == [*judged, *["06"] * 3, *["07"] * 3]


def test_verdicts_are_shown_as_they_were_given(toy: Toy, make: Make) -> None:
    """The last window that closed under its name, the one that runs beside it without a status."""
    clock = Clock(START)
    rounds = make(clock, settle_seconds=0.0)
    for number in range(4):
        toy.day(number, shift=0.6)
    reading = rounds.round()
    states = {one.feature: one.status for one in reading.states}
    assert states["x"] == states["prediction"] == DriftStatus.DRIFTED
    assert states["colour"] == DriftStatus.STABLE
    assert {one.window for one in reading.states} == {"day"}
    assert {one.window for one in reading.scores} == {"day", "day_running"}
    shifts = {one.feature: one.value for one in reading.scores if one[2::2] == ("day", "mean_shift")}
    assert shifts["x"] == pytest.approx(0.6, abs=0.12)
    assert shifts["view:f"] < 0.12
    assert "colour" not in shifts
    assert reading.counted == {(NAME, "predictions"): 4 * 480, (NAME, "labels"): 4 * 480}


def test_a_version_that_is_not_live_is_shown_until_a_window_closes_without_it(toy: Toy, make: Make) -> None:
    """What it was long ago alarms nobody for ever; `shipway drift` still reads its verdicts."""
    clock = Clock(START + 4 * DAY - timedelta(seconds=1))
    windows = (WindowName.DAY, WindowName.WEEK)
    models = {NAME: spec_of(toy, windows=windows)}
    rounds = make(clock, tier=Tier.PROD, settle_seconds=5.0, models=lambda: models)
    for number in range(4):
        toy.day(number, shift=0.6)

    def told(at: datetime) -> tuple[set[str], set[str]]:
        clock.seconds = at.timestamp()
        reading = rounds.round()
        closed = {one.window for one in reading.scores if not one.window.endswith("_running")}
        return {one.window for one in reading.states}, closed

    assert told(START + 4 * DAY - timedelta(seconds=1)) == ({"day"}, {"day"})
    # The next day has ended and is not judged yet: what is shown until then is the newest that there is.
    assert told(START + 5 * DAY + timedelta(seconds=4)) == ({"day"}, {"day"})
    assert told(START + 5 * DAY + timedelta(seconds=65)) == (set(), set())
    # The week that held its rows is the newest that closed, for a week.
    assert told(START + 7 * DAY + timedelta(minutes=2)) == ({"week"}, {"week"})
    assert told(START + 14 * DAY + timedelta(minutes=2)) == (set(), set())
    assert verdicts(toy)


def test_a_version_that_is_live_is_shown_however_old_its_last_window_is(toy: Toy, make: Make) -> None:
    """Of what serves it must be known that nothing is known."""
    toy.go_live()
    clock = Clock(START + 2 * DAY)
    rounds = make(clock, tier=Tier.PROD, settle_seconds=0.0)
    toy.day(0)
    toy.day(1)
    rounds.round()
    clock.seconds += 60 * 86_400
    assert {one.status for one in rounds.round().states} >= {DriftStatus.SILENT}


def test_what_runs_is_looked_at_once_a_minute(toy: Toy, make: Make) -> None:
    """A round without anything that closed shows what the last look saw."""
    clock = Clock(START)
    rounds = make(clock, settle_seconds=0.0)
    toy.day(0, rows=60)

    def asked(reading: Reading) -> int:
        return len([one for one in reading.scores if one.window == "day_running"])

    assert asked(rounds.round()) == 0
    toy.day(0, rows=420)
    clock.seconds += 59
    assert asked(rounds.round()) == 0
    clock.seconds += 1
    assert asked(rounds.round()) > 0


def test_a_live_version_that_nobody_asks_is_silent_within_a_day(toy: Toy, make: Make) -> None:
    """By the wall clock, also in the middle of a calendar day and before any window has closed."""
    toy.go_live()
    clock = Clock(START + DAY / 2)
    rounds = make(clock, tier=Tier.PROD, settle_seconds=0.0)
    assert rounds.round().states == []
    clock.seconds += 86_399
    assert {one.status for one in rounds.round().states} <= {DriftStatus.TOO_FEW}
    clock.seconds += 61
    assert {(one.feature, one.status) for one in rounds.round().states} >= {("prediction", DriftStatus.SILENT)}
    # Its rows end the silence; the day that closed stays what it was.
    clock.seconds = (START + 2 * DAY).timestamp()
    toy.day(1, rows=480)
    assert DriftStatus.SILENT not in {one.status for one in rounds.round().states}


def test_another_process_says_the_same(toy: Toy, make: Make) -> None:
    """Counts, verdicts and gauges come from the files."""
    clock = Clock(START)
    for number in range(3):
        toy.day(number, shift=0.6)
    first = make(clock, settle_seconds=0.0)
    reading = first.round()
    first.close()
    again = make(clock, settle_seconds=0.0).round()
    assert (again.scores, again.states) == (reading.scores, reading.states)
    assert again.counted == {(NAME, "predictions"): 0, (NAME, "labels"): 0}
    assert verdicts(toy) == ["06"] * 3 + ["07"] * 3


def test_verdicts_go_on_after_lost_counts(toy: Toy, make: Make) -> None:
    """Their numbers follow those that are there: else the next ones would pass for written already."""
    clock = Clock(START)
    for number in range(3):
        toy.day(number)
    first = make(clock, settle_seconds=0.0)
    first.round()
    first.close()
    LocalKeeper(toy.layout.drift).counts(NAME).unlink()
    toy.day(3)
    make(clock, settle_seconds=0.0).round()
    assert verdicts(toy) == [day for days in (("06", "07"), ("06", "07", "08")) for day in days for _ in range(3)]


def test_one_models_trouble_stops_the_heartbeat_and_not_the_others(toy: Toy, make: Make) -> None:
    """It is said once, and mended without a restart."""
    said: list[str] = []
    clock = Clock(START)
    other = spec_of(toy).model_copy(update={"name": "another"})
    models = {NAME: spec_of(toy, windows=(WindowName.DAY,)), "another": other}
    rounds = make(clock, said, models=lambda: models, settle_seconds=0.0)
    blocked = toy.layout.drift / "another"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    toy.day(0)
    toy.day(1)
    assert rounds.round().worked_seconds is None
    assert rounds.round().worked_seconds is None
    assert [line.partition(" (")[0] for line in said] == ["another: its drift cannot be judged"]
    assert verdicts(toy) == ["06"] * 3
    blocked.unlink()
    assert rounds.round().worked_seconds == clock.seconds


def test_a_round_that_knows_that_there_is_nothing_has_worked(make: Make) -> None:
    """No log yet: that is looked at and known, so the heart beats; no field is called anything."""
    reading = make(Clock(START)).round()
    assert (reading.worked_seconds, reading.states, reading.scores) == (START.timestamp(), [], [])


def test_the_page_shows_a_round(toy: Toy) -> None:
    """Before the first one there is nothing; a round that did not work shows no heartbeat."""
    measures = Measures()
    assert generate_latest(measures.registry) == b""
    score, state = Score("m", "v", "day", "x", "psi", 0.25), State("m", "v", "day", "x", DriftStatus.SILENT)
    measures.show(Reading(None, [score], [state], {("m", "labels"): 3}, {"m": 1}, {"m": 2}))
    assert sample(measures.registry, HEARTBEAT_TIMESTAMP_SECONDS, job="drift") is None
    labels = {"model": "m", "version": "v", "window": "day", "feature": "x"}
    assert sample(measures.registry, DRIFT_SCORE, **labels, statistic="psi") == 0.25
    assert sample(measures.registry, DRIFT_STATUS, **labels) == 3
    assert sample(measures.registry, "shipway_drift_counted_total", model="m", log="labels") == 3
    measures.show(Reading(12.5))
    assert sample(measures.registry, HEARTBEAT_TIMESTAMP_SECONDS, job="drift") == 12.5


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_broken_model_yaml_leaves_what_it_said_before(toy: Toy) -> None:
    """It is said once for each change; a service that is gone is watched no more."""
    said: list[str] = []
    models = Models(toy.root, said.append)
    assert set(models.refresh()) == {NAME}
    path = toy.root / "services" / "toy_drift" / "model.yaml"
    text = path.read_text()
    path.write_text("name: [")
    assert (set(models.refresh()), set(models.refresh()), len(said)) == ({NAME}, {NAME}, 1)
    path.write_text(text + "\n")
    assert set(models.refresh()) == {NAME}
    path.unlink()
    assert models.refresh() == {}


def test_without_a_stack_there_is_no_process(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    """One line about the file that is missing, and exit code 1."""
    assert main(["serve", "--root", str(toy.root), "--env", "local"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
