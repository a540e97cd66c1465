"""What a person is shown of a model's drift."""

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shipway.contract.drift import DriftSpec, WindowName
from shipway.contract.environment import Tier
from shipway.contract.errors import ShipwayError, SpecError
from shipway.drift.against import LABEL_REST, LABEL_SHIFT, Shape
from shipway.drift.places import LocalKeeper, LocalPlace
from shipway.drift.plot import draw
from shipway.drift.report import Asked, Report, examine, held, sentence
from shipway.drift.result import DriftResult, Status
from shipway.drift.rounds import Rounds
from shipway.drift.shown import HEAD, cells, dated, heading, summary
from tests.shipway.drift.test_detector import CALIBRATION, spec_of
from tests.shipway.drift.toy import NAME, START, Toy

DAY = timedelta(days=1)
Look = Callable[..., Report]


@pytest.fixture
def look(toy: Toy) -> Look:
    """Returns what examines the toy."""

    def examined(segment: str = "", since: datetime | None = None, window: WindowName = WindowName.DAY) -> Report:
        asked = Asked(window, segment, since)
        place, keeper = LocalPlace(toy.layout, lambda _: None), LocalKeeper(toy.layout.drift)
        return examine(place, keeper, Tier.LOCAL, spec_of(toy), asked, START, CALIBRATION)

    return examined


def test_nothing_logged_is_nothing_to_judge(look: Look) -> None:
    """Not stable: refused, with the place where the log would be."""
    with pytest.raises(ShipwayError, match=r"no prediction of toy-drift was logged yet, so there is nothing to judge"):
        look()


def test_a_look_counts_what_the_worker_has_not_and_changes_nothing(toy: Toy, look: Look) -> None:
    """With and without a worker's counts the same is shown, and the file of counts stays byte for byte."""
    for number in range(3):
        toy.day(number, shift=0.6)
    alone = look()
    assert not LocalKeeper(toy.layout.drift).counts(NAME).exists()
    place, keeper = LocalPlace(toy.layout, lambda _: None), LocalKeeper(toy.layout.drift)
    rounds = Rounds(place, keeper, Tier.LOCAL, lambda _: None, lambda: 0.0, CALIBRATION, settle_seconds=0)
    rounds.round()
    rounds.close()
    kept = LocalKeeper(toy.layout.drift).counts(NAME).read_bytes()
    assert look().document() == alone.document()
    assert LocalKeeper(toy.layout.drift).counts(NAME).read_bytes() == kept
    toy.day(3, shift=0.6)
    assert look().now > alone.now


def test_the_window_that_runs_is_shown_once_it_can_be_judged(toy: Toy, look: Look) -> None:
    """Before, the newest that closed; rows are in the order of what matters."""
    for number in range(2):
        toy.day(number, shift=0.6)
    toy.day(2, rows=60, shift=0.6)
    closed = look()
    assert (closed.closed, closed.span.start) == (True, START + DAY)
    assert [row.result.feature for row in closed.rows][:2] == ["prediction", "x"]
    assert (closed.drifted, closed.judged) == (True, True)
    toy.day(3, shift=0.6)
    running = look()
    assert (running.closed, running.span.start) == (False, START + 3 * DAY)


def test_only_what_was_asked_for_is_listed(toy: Toy, look: Look) -> None:
    """Verdicts of the window's kind and of the segment, from a date on; an unknown segment is refused by name."""
    for number in range(3):
        toy.day(number, shift=0.6)
    found = look(segment="colour=red", since=START + DAY)
    assert {(one.segment, one.window.name, one.window.start[:10]) for one in found.verdicts} == {
        ("colour=red", WindowName.DAY, "2013-05-07")
    }
    assert len({one.sequence for one in found.verdicts}) == len(found.verdicts)
    with pytest.raises(ShipwayError, match=r"no segment 'colour=mauve'; known: colour=blue, colour=red"):
        look(segment="colour=mauve")


def test_the_text_says_how_it_stands(toy: Toy, look: Look) -> None:
    """A heading with dates, a line a field with a bar, a line a window, and the outcome in one sentence."""
    for number in range(4):
        toy.day(number, shift=0.6 if number else 0.0)
    report = look()
    assert heading(report) == (
        f"toy-drift {toy.version}: day 2013-05-09 to 2013-05-10 (running, counted until 2013-05-09 20:00 UTC) "
        "against its reference"
    )
    shown = {row[0]: dict(zip(HEAD, row, strict=True)) for row in map(cells, report.rows)}
    assert shown["x"]["STATUS"] == "DRIFTED"
    assert shown["x"]["IMPORTANCE"] == "70.0%"
    assert shown["x"]["TIMES THRESHOLD"].startswith("█")
    assert shown["x"]["SAYS"].startswith("mean 0.")
    assert "standard deviations (limit 0.15)" in shown["x"]["SAYS"]
    assert shown["label"]["SCORE"] == shown["label"]["THRESHOLD"] == "-" or shown["label"]["STATUS"] != "too few"
    lines = dated(report.verdicts, every=False)
    assert [line.split("  ")[1].strip() for line in lines] == ["stable", "stable", "DRIFTED"]
    assert "prediction 0.6" in lines[-1]
    assert summary(report).startswith("DRIFTED: ")
    assert "prediction, x" in summary(report)


def result(feature: str, statistic: str, status: Status = Status.DRIFTED, score: float | None = 0.3) -> DriftResult:
    return DriftResult(feature, statistic, score, score, score, "1", 0.1, 0.001, True, status, 6000, 480)


NUMBERS = Shape(0.25, 0.5, 0.2, 0.4, 0.01, None, 0.0, 0.0)
NAMES = Shape(None, None, None, 0.0, 0.0, "UA", 0.21, 0.17)


@pytest.mark.parametrize(
    ("given", "shape", "moved", "expected"),
    [
        (result("x", "ks"), NUMBERS, 0.1, "mean 0.25 instead of 0.5"),
        (result("x", "psi"), NUMBERS, 0.4,
         "mean 0.25 instead of 0.5, values moved 0.40 standard deviations (limit 0.15)"),
        (result("x", "missingness"), NUMBERS, 0.4, "40.0% are null instead of 1.0%"),
        (result("c", "psi"), NAMES, None, "21.0% are UA instead of 17.0%"),
        (result("x", "psi"), None, None, "how surprising the shares of the bins are, both ways, less what chance adds"),
        (result("relation", LABEL_SHIFT), Shape(-0.3, 0.0, None, 0.0, 0.0, None, 0.0, 0.0), None,
         "after the same predictions labels lie 0.3 lower than in the reference"),
        (result("relation", LABEL_REST), None, None,
         "after some predictions labels lie higher, after others lower than in the reference"),
        (dataclasses.replace(result("relation", LABEL_REST), found=False), None, None,
         "after the same predictions the same labels follow as in the reference, but for chance"),
        (result("x", "psi", Status.SILENT, None), None, None,
         "not one row: nobody asks this version, or nothing is logged"),
        (result("x", "psi", Status.TOO_FEW, None), None, None,
         "too little to judge: 480 rows, or too few that differ from each other"),
    ],
)  # fmt: skip
def test_each_result_has_its_sentence(
    given: DriftResult, shape: Shape | None, moved: float | None, expected: str
) -> None:
    """Plain words with the numbers that changed."""
    assert sentence(given, shape, moved, 0.15) == expected


def test_a_verdict_that_the_windows_before_hold_says_so(toy: Toy, look: Look) -> None:
    """Else a score within its bound beside the word drifted is a riddle: two windows found it, this one did not."""
    for number in range(3):
        toy.day(number, shift=0.6 if number else 0.0)
    toy.day(3, shift=0.0)
    report = look()
    assert report.span.start == START + 3 * DAY
    shown = {row[0]: dict(zip(HEAD, row, strict=True)) for row in map(cells, report.rows)}
    (x,) = [row.result for row in report.rows if row.result.feature == "x"]
    assert (x.status, x.found) == (Status.DRIFTED, False)
    assert shown["x"]["STATUS"] == "DRIFTED, held"
    assert shown["x"]["SAYS"].endswith("; held: found in 2 of the last 3 windows, not in this one")
    toy.day(4, shift=0.0)
    assert dated(look().verdicts, every=False)[-1].startswith("2013-05-09 to 2013-05-10  DRIFTED")
    assert " x, held)" in dated(look().verdicts, every=False)[-1]
    assert held(result("x", "ks"), DriftSpec()) == ""


def test_the_picture_is_drawn(toy: Toy, look: Look, tmp_path: Path) -> None:
    """Both formats; the same report gives the same SVG, which names every field."""
    for number in range(3):
        toy.day(number, shift=0.6)
    report = look()
    for name in ("a.svg", "b.svg", "c.png"):
        draw(report, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(f">{name}</text>" in text for name in ("x", "prediction", "colour", "2013-05-06", "2013-05-07"))
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SpecError, match=r"a name that ends in \.svg or \.png"):
        draw(report, tmp_path / "d.pdf")


def test_without_a_window_there_is_no_picture(toy: Toy, look: Look, tmp_path: Path) -> None:
    """Nothing has closed yet: said, and no empty file."""
    toy.day(0, rows=240)
    with pytest.raises(ShipwayError, match="no day has been judged, so there is nothing to draw"):
        draw(look(), tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()
