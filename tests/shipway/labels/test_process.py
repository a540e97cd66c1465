"""Rounds over the logs of a project, and the page they end on."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shipway.contract.metrics import HEARTBEAT_TIMESTAMP_SECONDS, LABELLED_TOTAL
from shipway.labels.__main__ import main
from shipway.labels.join import Counts, Series
from shipway.labels.measures import Measures, Reading
from shipway.labels.process import rounds_of
from shipway.labels.rounds import Rounds
from tests.shipway.labels.logs import Logs, new_id


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
