"""The year: its checkout, its clock, and how it is told."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shipway.bundle.source import import_from
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.contract.model import load_model
from shipway.contract.retraining import ReleaseRule
from shipway.retraining.outcome import Outcome, Status, outcome_path, save_outcome
from tools.year import checkout
from tools.year.__main__ import require_own
from tools.year.checkout import MODEL, SERVICE, make_checkout
from tools.year.draw import draw
from tools.year.journal import Clock, Happened, drift_days, happened
from tools.year.months import Month
from tools.year.report import events_table, facts, months_table, verdicts_table

ROOT = Path(__file__).resolve().parents[2]
DAY = datetime(2013, 2, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The year's checkout of this one."""
    folder = tmp_path_factory.mktemp("year")
    make_checkout(ROOT, folder, 9700)
    return folder


def test_the_checkout_is_this_project_with_one_model_and_ports_of_its_own(made: Path) -> None:
    """Its documents are read by the same code as everybody's."""
    assert [path.name for path in (made / "services").iterdir() if path.is_dir()] == [SERVICE]
    ports = load_environment(made, "local").ports
    assert ports is not None
    assert ports.base == 9700
    spec = load_model(made / "services" / SERVICE / "model.yaml")
    assert (spec.name, spec.retraining.release) == (MODEL, ReleaseRule.AUTO)
    assert spec.features == load_model(ROOT / "services" / SERVICE / "model.yaml").features


def test_it_is_trained_on_january_alone(made: Path) -> None:
    """Before the blizzard of 8 February; the replay begins when that is over, and no frozen row is of a later month."""
    text = (made / "services" / SERVICE / "train.py").read_text()
    assert 'validate_until: str = "2013-02-01"' in text
    assert 'START = "2013-02-01T00:00:00+00:00"' in (made / "services" / SERVICE / "traffic.py").read_text()
    window: Any = import_from(ROOT / "services", SERVICE, "train").window
    assert not (made / "services" / SERVICE / "tests" / "regression").exists()
    assert window(datetime(2013, 6, 15, 13, tzinfo=UTC)) == {
        "train_from": "2013-03-03",
        "validate_from": "2013-06-01",
        "validate_until": "2013-06-15",
    }


def test_a_file_that_has_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The year does not run on settings that it could not make."""
    monkeypatch.setattr(checkout, "_TEXTS", {"Makefile": (("no such line", ""),)})
    with pytest.raises(ShipwayError, match=r"found 'no.*such.*line' 0 times, expected once"):
        make_checkout(ROOT, tmp_path, 9700)


def test_the_clock_stands_still_between_its_notes(tmp_path: Path) -> None:
    """What happened while a model was trained happened at one event time; notes survive the file."""
    clock = Clock()
    for seconds, days in ((100, 0), (101, 1), (160, 1), (161, 2)):
        clock.note(seconds, DAY + timedelta(days=days))
    clock.save(tmp_path / "clock")
    again = Clock.load(tmp_path / "clock")
    at = [again.at(datetime.fromtimestamp(seconds, UTC)) for seconds in (99, 100, 130, 161, 999)]
    assert at == [None, *(DAY + timedelta(days=days) for days in (0, 1, 2, 2))]
    assert Clock.load(tmp_path / "none").at(DAY) is None


def month(name: str, auc: float) -> Month:
    metrics = {"auc": auc, "log_loss": 0.5, "calibration_error": 0.02, "accuracy": 0.7}
    return Month(name, 9000, 0.23, metrics, metrics | {"auc": 0.6}, {"aaa": 8000, "bbb": 1000})


def verdict(day: int, feature: str = "wind", kind: str = "input", status: str = "drifted") -> dict[str, Any]:
    end = DAY + timedelta(days=day)
    window = {"name": "day", "start": DAY.isoformat(), "end": end.isoformat()}
    return {
        "window": window,
        "kind": kind,
        "feature": feature,
        "status": status,
        "score": 0.4,
        "threshold": 0.1,
        "time": end.isoformat(),
    }


def test_what_happened_is_told_by_event_time(tmp_path: Path) -> None:
    """A retraining by its moment, a drop by its window; a verdict counts where it says drifted."""
    layout = LocalLayout(tmp_path, "local")
    outcome = Outcome(
        run="r",
        model=MODEL,
        environment="local",
        status=Status.RELEASED,
        reason="drift in wind",
        as_of=DAY.isoformat(),
        started=DAY.isoformat(),
        finished=DAY.isoformat(),
        sentence="it waits for evidence",
        digest="sha256:" + "a" * 64,
    )
    save_outcome(outcome_path(layout, MODEL, "r"), outcome)
    path = layout.state / "drift" / MODEL / "verdicts.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(one)}\n" for one in (verdict(1), verdict(2, status="stable"))))
    [one] = happened(layout, MODEL, Clock())
    assert one == Happened(DAY, "retraining", "a" * 12, "released because of drift in wind: it waits for evidence")
    assert len(drift_days(layout, MODEL)) == 1


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    """The workers go on while the year is told: half a verdict ends no report."""
    layout = LocalLayout(tmp_path, "local")
    path = layout.drift / MODEL / "verdicts.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"status": "drifted"}\n{"status": "dri')
    assert drift_days(layout, MODEL) == [{"status": "drifted"}]


@pytest.mark.parametrize("there", [(), (".git", "Pulumi.yaml"), ("thesis.tex",)])
def test_a_folder_that_no_year_has_made_is_not_removed(tmp_path: Path, there: tuple[str, ...]) -> None:
    """Somebody's own checkout, or anything else that --folder may name."""
    for name in there:
        (tmp_path / name).touch()
    with pytest.raises(ShipwayError, match="expected no such folder or one that `make year` made"):
        require_own(tmp_path)


def test_the_year_before_is_made_anew(made: Path) -> None:
    """Its own checkout is git's commit, without git."""
    require_own(made)


def test_the_tables_hold_what_was_measured(tmp_path: Path) -> None:
    """Months, events and weeks; and one document with all of it."""
    months, events = [month("2013-02", 0.61), month("2013-03", 0.72)], [Happened(DAY, "promoted", "abc", "earned it")]
    verdicts = [verdict(0), verdict(1, "label", "label"), verdict(9)]
    assert "| 2013-03 | 9000 | 0.230 | 0.720 | 0.600 |" in months_table(months)
    assert "| 2013-02-09 00:00 | promoted | abc | earned it |" in events_table(events)
    weeks = verdicts_table(verdicts)
    assert "| 2013-02-04 | 2 | input 1, label 1 | wind (4.0 x), label (4.0 x) |" in weeks
    assert "| 2013-02-18 | 1 | input 1 | wind (4.0 x) |" in weeks
    document = facts({"sent": 3}, months, events, verdicts)
    assert (document["drifted_verdicts"], document["months"][1]["served"]["auc"]) == (3, 0.72)


def test_the_picture_is_the_same_for_the_same_year(tmp_path: Path) -> None:
    """An SVG that names what it shows."""
    months, events = [month("2013-02", 0.61), month("2013-03", 0.72)], [Happened(DAY, "retraining", "abc", "why")]
    for name in ("a.svg", "b.svg"):
        draw(tmp_path / name, months, events, [verdict(0), verdict(1, kind="label")])
    content = (tmp_path / "a.svg").read_bytes()
    assert content == (tmp_path / "b.svg").read_bytes()
    assert content.startswith(b"<?xml")
