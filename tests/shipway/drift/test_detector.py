"""Windows that close, each judged once and in order, on a toy whose drift is known."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.contract.drift import DriftKind, DriftStatus, DriftVerdict, WindowName
from shipway.contract.layout import services
from shipway.contract.model import ModelSpec, load_model
from shipway.drift.calibration import Calibration
from shipway.drift.detector import Detector, decisive, hour_of, moved_on, silent_since
from shipway.drift.intake import Intake
from shipway.drift.store import Store
from shipway.drift.watches import FolderReferences, Watches
from shipway.drift.windows import Span
from shipway.logs.sources import LocalSource
from tests.shipway.drift.toy import START, Toy

DAY = timedelta(days=1)
MOMENTS = st.datetimes(datetime(2013, 1, 1), datetime(2015, 1, 1), timezones=st.just(UTC))
# Drawing the nulls takes most of the time; they hold for all tests of one size.
CALIBRATION = Calibration(np.random.default_rng(0), resamples=500)


def spec_of(toy: Toy, **drift: object) -> ModelSpec:
    spec = load_model(services(toy.root)[0] / "model.yaml")
    return spec.model_copy(update={"drift": spec.drift.model_copy(update=drift)})


class Judged:
    """A detector on a store of its own, and the verdicts it has given."""

    def __init__(self, toy: Toy, path: Path, **drift: object) -> None:
        self.toy, self.store = toy, Store.open(path)
        watches = Watches(FolderReferences(toy.layout.artifacts), lambda _: None)
        self.intake = Intake(LocalSource(toy.logs, lambda _: None), self.store, watches.get)
        self.detector = Detector(spec_of(toy, **drift), self.store, watches.get, CALIBRATION)

    def close(self, days: float, live: bool = False, since: datetime = START) -> int:
        self.intake.take()
        return self.detector.close(START + days * DAY, {self.toy.version: since} if live else {})

    def verdicts(self) -> list[DriftVerdict]:
        return [DriftVerdict.model_validate_json(line) for _, line in self.store.verdicts(0)]

    def said(self, feature: str, segment: str = "", window: WindowName = WindowName.DAY) -> list[str]:
        return [
            f"{one.window.start[8:10]} {one.status}{' found' if one.found else ''}"
            for one in self.verdicts()
            if (one.feature, one.segment, one.window.name) == (feature, segment, window)
        ]


@pytest.fixture
def judged(toy: Toy, tmp_path: Path) -> Iterator[Judged]:
    one = Judged(toy, tmp_path / "counts.sqlite", windows=(WindowName.DAY,))
    yield one
    one.store.close()


def test_drift_is_told_when_it_stays(judged: Judged) -> None:
    """Two quiet days, then one field moves half a deviation: found the first day, a verdict the second."""
    for number in range(5):
        judged.toy.day(number, shift=0.5 if number >= 2 else 0.0)
    judged.close(5)
    assert judged.said("x") == ["06 stable", "07 stable", "08 stable found", "09 drifted found", "10 drifted found"]
    assert judged.said("prediction") == judged.said("x")
    # Once in a while one of them is found by chance: that is what a verdict takes two windows for.
    assert not [said for name in ("view:f", "colour") for said in judged.said(name) if "drifted" in said]
    assert judged.said("x", "colour=red")[2:] == ["08 stable found", "09 drifted found", "10 drifted found"]


def test_labels_wait_for_their_delay(judged: Judged) -> None:
    """A day's inputs are judged when it is over, its labels a day later, in the day in which was predicted."""
    judged.toy.day(0)
    judged.close(1)
    assert (judged.said("x"), judged.said("label")) == (["06 stable"], [])
    judged.close(2)
    assert (judged.said("label"), judged.said("relation")) == (["06 stable"], ["06 stable"])
    assert {one.n_current for one in judged.verdicts()} == {480, *(judged_rows(judged, one) for one in ("blue", "red"))}


def judged_rows(judged: Judged, colour: str) -> int:
    return next(one.n_current for one in judged.verdicts() if one.segment == f"colour={colour}")


def test_concept_drift_is_not_a_change_of_what_is_asked(judged: Judged) -> None:
    """When more is asked of one kind, inputs, predictions and labels drift and their relation does not; and else."""
    for number in range(4):
        judged.toy.day(number, shift=0.8 if number < 2 else 0.0, flip=0.0 if number < 2 else 0.4)
    judged.close(5)
    assert judged.said("relation") == ["06 stable", "07 stable", "08 stable found", "09 drifted found"]
    assert judged.said("label")[:2] == ["06 stable found", "07 drifted found"]
    assert judged.said("prediction")[2:] == ["08 drifted", "09 stable"]
    (last,) = [one for one in judged.verdicts() if one.feature == "relation" and one.segment == ""][-1:]
    assert (last.kind, last.statistic) == (DriftKind.CONCEPT, "label_shift")
    # Two fifths of the labels became 1 whatever they were: half of these were 0.
    assert last.mean is not None
    assert 0.12 < last.mean < 0.28


def test_a_window_is_judged_once(judged: Judged, tmp_path: Path) -> None:
    """Not again in the next round, and not by another process; what came late is counted and changes no verdict."""
    judged.toy.day(0)
    assert judged.close(1) == 3
    before = judged.store.verdicts(0)
    judged.toy.day(0, rows=24, shift=3)
    assert judged.close(1) == 0
    judged.store.close()
    again = Judged(judged.toy, tmp_path / "counts.sqlite", windows=(WindowName.DAY,))
    assert again.close(1) == 0
    assert again.store.verdicts(0) == before
    judged.toy.day(1, shift=0.5)
    again.close(2)
    assert again.said("x") == ["06 stable", "07 stable found"]
    again.store.close()


def test_verdicts_are_numbered_without_a_gap(judged: Judged) -> None:
    """Who reads the file knows what he has read by its number; each line has all that the contract names."""
    judged.toy.day(0)
    judged.toy.day(1)
    judged.close(3)
    assert [one.sequence for one in judged.verdicts()] == list(range(1, len(judged.verdicts()) + 1))
    one = judged.verdicts()[0]
    assert (one.model, one.version, one.time) == ("toy-drift", judged.toy.version, (START + 3 * DAY).isoformat())
    assert {(one.feature, one.importance) for one in judged.verdicts()} == {
        *(("x", 0.7), ("view:f", 0.2), ("colour", 0.1)),
        *((name, None) for name in ("prediction", "label", "relation")),
    }


def test_a_live_version_without_rows_is_silent(judged: Judged) -> None:
    """Each field of each day in which it was live all the time; a version that is not live owes nobody any rows."""
    judged.toy.day(0)
    judged.toy.day(3)
    judged.close(4)
    assert judged.said("x") == ["06 stable", "09 stable"]
    silent = Judged(judged.toy, judged.toy.root / "live.sqlite", windows=(WindowName.DAY,))
    silent.close(4, live=True, since=START + 1.5 * DAY)
    assert silent.said("x") == ["06 stable", "08 silent", "09 stable"]
    assert {one.status for one in silent.verdicts() if one.window.start.startswith("2013-05-08")} == {
        DriftStatus.SILENT
    }
    silent.store.close()


def test_years_of_silence_are_told_in_eight_windows(judged: Judged) -> None:
    """A stack that replayed the past and is asked in the present has nothing to say of what lies between."""
    judged.toy.day(0)
    judged.close(900, live=True)
    assert len(judged.said("x")) == 1 + 8
    assert judged.said("x")[-1] == "22 silent"


def test_too_few_rows_are_no_verdict(judged: Judged) -> None:
    """Neither stable nor drifted, however far they lie; nor are they remembered."""
    judged.toy.day(0, rows=48, shift=4)
    judged.toy.day(1, shift=4)
    judged.close(2)
    assert judged.said("x") == ["06 too_few", "07 stable found"]
    few = [one for one in judged.verdicts() if one.status is DriftStatus.TOO_FEW]
    assert {(one.score, one.threshold, one.p_value) for one in few} == {(None, None, None)}


def test_a_monitor_that_is_off_says_nothing(toy: Toy, tmp_path: Path) -> None:
    """model.yaml may turn it off; policy ML030 has its own opinion on that."""
    toy.day(0, shift=4)
    off = Judged(toy, tmp_path / "off.sqlite", enabled=False)
    assert (off.close(40), off.verdicts()) == (0, [])
    off.store.close()


def test_week_and_month_are_judged_of_the_same_counts(toy: Toy, tmp_path: Path) -> None:
    """A week from Monday on; a month that is not over is not judged."""
    both = Judged(toy, tmp_path / "both.sqlite", windows=(WindowName.WEEK, WindowName.MONTH))
    for number in range(8):
        toy.day(number, rows=240)
    both.close(8)
    assert both.said("x", window=WindowName.WEEK) == ["06 stable"]
    assert both.said("x", window=WindowName.MONTH) == []
    both.close(27)
    assert both.said("x", window=WindowName.MONTH) == ["01 stable"]
    assert [one.n_current for one in both.verdicts() if one.feature == "x" and not one.segment] == [1680, 240, 1920]
    both.store.close()


def test_what_runs_is_looked_at_without_a_verdict(judged: Judged) -> None:
    """The window under way is judged with those before it; nothing is kept; what closed looks as it did."""
    for number in range(3):
        judged.toy.day(number, shift=0.5 if number else 0.0)
    judged.close(2)
    kept = judged.store.verdicts(0)
    (asked, labelled) = judged.detector.look(judged.toy.version, WindowName.DAY, START + 2.9 * DAY)
    statuses = {one.feature: (one.status.value, one.found) for one in decisive(asked.results)}
    assert statuses["x"] == statuses["prediction"] == ("drifted", True)
    assert labelled.span == asked.span
    (closed, _) = judged.detector.look(judged.toy.version, WindowName.DAY, START + 1 * DAY)
    assert {one.feature: (one.status.value, one.found) for one in decisive(closed.results)}["x"] == ("stable", True)
    assert judged.store.verdicts(0) == kept
    assert judged.detector.judged(judged.toy.version, WindowName.DAY) == START + DAY


@given(MOMENTS, st.integers(0, 2000), st.sampled_from(WindowName))
def test_windows_follow_each_other_and_have_ended(start: datetime, hours: int, window: WindowName) -> None:
    """The first holds the start, each begins where the one before ends, and the next one would not have ended."""
    until = start + timedelta(hours=hours)
    found = list(moved_on(window, start, until))
    assert all(one.end == two.start for one, two in pairwise(found))
    assert all(one.end <= until for one in found)
    if found:
        assert found[0].start <= start < found[0].end
        assert next(moved_on(window, found[-1].end, until), None) is None


@pytest.mark.parametrize(
    ("newest", "live_since", "silent"),
    [(None, 0, True), (None, 1.5, False), (0.5, 0, True), (1.5, 0, False), (0.5, 1.5, False), (1, 0, True)],
)
def test_silence_is_a_window_without_a_row(newest: float | None, live_since: float, silent: bool) -> None:
    """From the newest row on, or from when the version went live; calendar days do not matter."""
    last = None if newest is None else START + newest * DAY
    window = Span(START + 2 * DAY, START + 3 * DAY)
    assert silent_since(last, START + live_since * DAY, START + 2 * DAY, window) is silent


def test_hours_are_those_since_the_epoch() -> None:
    """As `tally` counts them."""
    assert hour_of(datetime(1970, 1, 2, 3, 59, tzinfo=UTC)) == 27


def test_lines_are_json_that_a_stranger_can_read(judged: Judged) -> None:
    """No NaN and no infinity, whatever the counts give no bound for."""
    judged.toy.day(0, shift=30)
    judged.close(1)
    for _, line in judged.store.verdicts(0):
        json.loads(line, parse_constant=lambda name: pytest.fail(name))
