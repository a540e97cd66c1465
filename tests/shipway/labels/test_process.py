"""Rounds over the logs of a project, and the page they end on."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shipway.contract.metrics import HEARTBEAT_TIMESTAMP_SECONDS, LABELLED_TOTAL
from shipway.labels.__main__ import main
from shipway.labels.join import Counts, Join, Series
from shipway.labels.measures import Measures, Reading
from shipway.labels.process import rounds_of
from shipway.labels.rounds import Rounds
from shipway.logs.schemas import HOUR_FORMAT
from tests.shipway.labels.logs import MODEL, Logs, new_id

LATE = MODEL["labels"] | {"delay_seconds": 10 * 86_400}


def rounds(logs: Logs, said: list[str] | None = None, now: Callable[[], float] = lambda: 5.0) -> Rounds:
    return rounds_of(logs.layout, (said if said is not None else []).append, now)


def sample(registry: CollectorRegistry, outcome: str, version: str = "v") -> float | None:
    labels = {"model": "toy-labels", "version": version, "rollout": "3", "outcome": outcome}
    return registry.get_sample_value(LABELLED_TOTAL, labels)


def test_rounds_join_what_comes_in_any_order(logs: Logs) -> None:
    """A label before its prediction, one after it, and one that is repeated: each prediction counts once."""
    running, ids = rounds(logs), [new_id() for _ in range(3)]
    logs.label([(ids[0], 1.0)])
    assert running.round().counts == {}
    logs.predict([(ids[0], 0.9, "v", 3), (ids[1], 0.9, "w", 3), (ids[2], 0.9, "v", 3)])
    v, w = Series("toy-labels", "v", 3), Series("toy-labels", "w", 3)
    assert running.round().counts == {v: Counts(right=1), w: Counts()}
    logs.label([(ids[0], 1.0), (ids[0], 1.0), (ids[1], 0.0), (ids[2], 0.5)])
    assert running.round().counts == {v: Counts(right=1, wrong=1), w: Counts(wrong=1)}


def test_a_restart_counts_the_same(logs: Logs) -> None:
    """The first round of a new process ends where the last one of the old process stood."""
    clock = itertools.count(0.0, 100.0)
    running, ids = rounds(logs, now=lambda: next(clock)), [new_id() for _ in range(200)]
    reading = running.round()
    for count in range(0, 201, 50):
        logs.predict(
            [(one, number % 3 / 2, "vw"[number % 2], 1 + number % 5) for number, one in enumerate(ids[:count])]
        )
        logs.label([(one, 1.0) for one in reversed(ids[: max(0, count - 25)])], name=f"b{count}")
        reading = running.round()
    assert sum(counts.right + counts.wrong for counts in reading.counts.values()) == 105
    assert replace(rounds(logs).round(), worked_seconds=reading.worked_seconds) == reading


@pytest.mark.parametrize("changed", ["segments", "labels", "gone"])
def test_what_is_read_again_is_counted_once(logs: Logs, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """Other segments, a longer delay, a model that comes back: the join has forgotten the ids, and counts none anew."""
    monkeypatch.setattr("shipway.labels.rounds.Join", lambda: Join(4))
    running, ids = rounds(logs), [new_id() for _ in range(40)]
    for start in range(0, 40, 4):
        logs.predict([(one, 0.9, "v", 3) for one in ids[start : start + 4]], name=f"p{start}", fields='{"o": "JFK"}')
        logs.label([(one, 1.0) for one in ids[start : start + 4]], name=f"l{start}")
        running.round()
    counted = {Series("toy-labels", "v", 3): Counts(right=40)}
    assert running.round().counts == counted
    if changed == "gone":
        (logs.service / "model.yaml").unlink()
        running.round()
    logs.describe(**{"segments": {"segments": ["o"]}, "labels": {"labels": LATE}}.get(changed, {}))
    assert (running.round().counts, running.round().counts) == (counted, counted)
    logs.predict([(one, 0.9, "v", 3) for one in (*ids[36:], "more")], name="p36")
    logs.label([(one, 1.0) for one in (*ids[36:], "more")], name="l36")
    assert running.round().counts == {Series("toy-labels", "v", 3): Counts(right=41)}


def test_a_longer_delay_brings_the_days_back_that_it_needs(logs: Logs) -> None:
    """Days that nobody waited for are read again when labels are said to take longer."""
    running = rounds(logs, now=itertools.count(0.0, 100.0).__next__)
    logs.predict([("old", 0.9, "v", 0)])
    logs.predict([("new", 0.9, "w", 0)], name="b", event_time=datetime(2013, 5, 13, tzinfo=UTC))
    assert list(running.round().assessed["toy-labels"].coverage) == []
    logs.describe(labels=LATE)
    assert list(running.round().assessed["toy-labels"].coverage) == ["v"]


@pytest.mark.parametrize("first", [True, False])
def test_a_request_of_the_present_makes_no_replay_late(logs: Logs, first: bool) -> None:
    """Quality is measured on what is replayed, whatever the log has of the present, before it or in the midst of it."""
    running, ids = rounds(logs, now=itertools.count(0.0, 100.0).__next__), [new_id() for _ in range(600)]
    now = datetime.now(UTC)
    present = logs.folder / "predictions" / now.strftime(HOUR_FORMAT) / "a.parquet"
    present.parent.mkdir(parents=True)
    if first:
        logs.predict([("curl", 0.9, "v", 0)], event_time=now).rename(present)
        logs.label([(one, 1.0) for one in ids[:300]], name="early")
        assert running.round().assessed["toy-labels"].newest_seconds == now.timestamp()
    for part in (ids[:300], ids[300:]):
        logs.predict([(one, 0.9, "v", 0) for one in part], name=part[0])
        logs.label([(one, 1.0) for one in part], name=part[0])
        running.round()
        logs.predict([("curl", 0.9, "v", 0)], event_time=now).rename(present)
    for found in (running.round(), rounds(logs).round()):
        (week,) = {one.labelled for one in found.assessed["toy-labels"].quality if one.window.name == "week"}
        assert week == 600


def test_a_model_without_a_service_waits_for_one(logs: Logs) -> None:
    """Without a threshold nothing is judged; it is said once, and the records are taken when there is a service."""
    said: list[str] = []
    running, text = rounds(logs, said), (logs.service / "model.yaml").read_text()
    (logs.service / "model.yaml").unlink()
    logs.predict([("p", 0.9, "v", 3)])
    logs.label([("p", 1.0)])
    assert (running.round().counts, running.round().counts) == ({}, {})
    assert said == [f"{logs.folder}: no service has a model of this name, its labels are not counted"]
    (logs.service / "model.yaml").write_text(text)
    assert running.round().counts == {Series("toy-labels", "v", 3): Counts(right=1)}


def test_a_skipped_file_is_counted(logs: Logs) -> None:
    """A file that is no segment is one line and one count, however many rounds follow."""
    said: list[str] = []
    running = rounds(logs, said)
    logs.label([]).write_bytes(b"torn")
    assert [running.round().skipped_files, running.round().skipped_files, len(said)] == [1, 1, 1]


def test_the_page_shows_a_finished_round() -> None:
    """Before the first round there is nothing, never a zero; then both outcomes of each series, and the heartbeat."""
    measures = Measures()
    assert generate_latest(measures.registry) == b""
    counts = {Series("toy-labels", "v", 3): Counts(right=2), Series("toy-labels", "w", 3): Counts(wrong=1)}
    measures.show(Reading(12.5, counts, predictions_forgotten=1, labels_forgotten=2, unusable=3, skipped_files=4))
    found = [sample(measures.registry, outcome, version) for version in "vw" for outcome in ("right", "wrong")]
    assert found == [2, 0, 0, 1]
    assert measures.registry.get_sample_value(HEARTBEAT_TIMESTAMP_SECONDS, {"job": "labels"}) == 12.5
    for name, labels, value in (
        ("shipway_labels_forgotten_total", {"log": "predictions"}, 1),
        ("shipway_labels_forgotten_total", {"log": "labels"}, 2),
        ("shipway_labels_unusable_total", {}, 3),
        ("shipway_labels_skipped_files_total", {}, 4),
    ):
        assert measures.registry.get_sample_value(name, labels) == value


def test_a_series_goes_with_its_rollout() -> None:
    """What a later round no longer knows is no longer on the page."""
    measures = Measures()
    measures.show(Reading(1.0, {Series("toy-labels", "v", 3): Counts()}))
    measures.show(Reading(2.0, {Series("toy-labels", "v", 4): Counts()}))
    assert sample(measures.registry, "right") is None


def test_an_unknown_environment_is_one_line(logs: Logs, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with 1 and names the environments there are."""
    logs.stack(20_000)
    assert main(["serve", "--root", str(logs.layout.root), "--env", "lokal"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
