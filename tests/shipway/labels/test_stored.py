"""Labels of models whose logs lie in an object store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.environment import Tier
from shipway.contract.worker_settings import WorkerSettings
from shipway.labels.__main__ import main
from shipway.labels.join import Counts, Series
from shipway.labels.process import stored_rounds
from shipway.labels.rounds import Rounds
from tests.shipway.labels.logs import HOUR, MODEL, Logs, new_id
from tests.standins.object_store import ObjectStore

SETTINGS = WorkerSettings(
    environment="dev",
    tier=Tier.NONPROD,
    predictions="s3://bucket/logs",
    records="s3://bucket/records",
    features="s3://bucket/features",
    state="s3://bucket/workers",
)
VERDICTS, QUALITY = (f"workers/labels/toy-labels/{name}" for name in ("quality.jsonl", "quality.json"))
# Half an hour after the records of the tests were made.
NOW = 1_367_379_000.0


def uploaded(store: ObjectStore, logs: Logs, evaluations: dict[str, Any] | None = None) -> None:
    """Puts what lies on disk into the store, and what it is judged by beside it."""
    for path in logs.folder.rglob("*.parquet"):
        store.objects[f"logs/toy-labels/{path.relative_to(logs.folder)}"] = path.read_bytes()
    described = {"spec": MODEL, "evaluations": evaluations or {}}
    store.objects["logs/toy-labels/described.json"] = json.dumps(described).encode()


def rounds(output: Path, said: list[str], now: Callable[[], float] = lambda: NOW) -> Rounds:
    return stored_rounds(SETTINGS, output, said.append, now)


def test_counts_and_quality_are_those_of_a_laptop(store: ObjectStore, logs: Logs, tmp_path: Path) -> None:
    """The same records in the store are joined, counted and judged alike; the reference lies beside them."""
    ids = [new_id() for _ in range(400)]
    logs.predict([(one, 0.9, "v", 3) for one in ids])
    logs.label([(one, 1.0 if number % 4 else 0.0) for number, one in enumerate(ids)])
    uploaded(store, logs, {"v": {"accuracy": 0.9}})
    reading = rounds(tmp_path / "out", said := []).round()
    assert reading.counts == {Series("toy-labels", "v", 3): Counts(right=300, wrong=100)}
    assert reading.assessed["toy-labels"].drops()["v", "", "accuracy"] > 0.05
    line = json.loads(store.objects[VERDICTS].splitlines()[0])
    assert (line["status"], line["reference"], said) == ("dropped", 0.9, [])


def test_what_was_said_outlives_the_pod(store: ObjectStore, logs: Logs, tmp_path: Path) -> None:
    """The next one adds to it and says nothing twice; of two at once the second begins again after the first."""
    ids = [new_id() for _ in range(400)]
    logs.predict([(one, 0.9, "v", 3) for one in ids])
    logs.label([(one, 1.0 if number % 4 else 0.0) for number, one in enumerate(ids)])
    uploaded(store, logs, {"v": {"accuracy": 0.9}})
    clock = [NOW]
    late = rounds(tmp_path / "late", said := [], lambda: clock[0])
    late.round()
    before = store.objects[VERDICTS]
    assert json.loads(store.objects[QUALITY])["model"] == "toy-labels"
    more = [new_id() for _ in range(400)]
    logs.predict([(one, 0.9, "w", 4) for one in more], name="more")
    logs.label([(one, 0.0) for one in more], name="more")
    uploaded(store, logs, {"v": {"accuracy": 0.9}, "w": {"accuracy": 0.9}})
    rounds(tmp_path / "next", said).round()
    both = store.objects[VERDICTS]
    assert (both.startswith(before), len(both) > len(before), said) == (True, True, [])
    clock[0] += 60
    late.round()
    assert "another process keeps it too" in said[0]
    late.round()
    assert store.objects[VERDICTS] == both
    assert len(said) == 1


def test_a_store_that_is_down_at_the_start_is_waited_for(store: ObjectStore, logs: Logs, tmp_path: Path) -> None:
    """What was said before is not known yet, so nothing is judged; then it is."""
    logs.predict([("p", 0.9, "v", 3)])
    uploaded(store, logs)
    store.objects[VERDICTS] = b'{"version": "u"}\n'
    store.refused.add(VERDICTS)
    running = rounds(tmp_path / "out", said := [])
    assert running.round().counts == {}
    assert said[0].startswith("s3://bucket/workers/labels/toy-labels: cannot read what the labels said (")
    store.refused.clear()
    assert running.round().counts == {Series("toy-labels", "v", 3): Counts()}


def test_a_folder_that_nothing_describes_waits(store: ObjectStore, logs: Logs, tmp_path: Path) -> None:
    """It is said once; the model is taken as soon as its slot has put the description there."""
    logs.predict([("p", 0.9, "v", 3)])
    uploaded(store, logs)
    described = store.objects.pop("logs/toy-labels/described.json")
    running = rounds(tmp_path / "out", said := [])
    assert (running.round().counts, running.round().counts) == ({}, {})
    assert len(said) == 1
    assert said[0] == "s3://bucket/logs/toy-labels/described.json: no such object, so nothing is counted of its logs"
    store.objects["logs/toy-labels/described.json"] = described
    assert running.round().counts == {Series("toy-labels", "v", 3): Counts()}


def test_a_wrong_description_and_a_silent_store_keep_the_last_good_one(
    store: ObjectStore, logs: Logs, tmp_path: Path
) -> None:
    """What was known stays in force, and the sentence names object, key and value."""
    logs.predict([("p", 0.9, "v", 3)])
    logs.label([("p", 1.0)])
    uploaded(store, logs)
    running = rounds(tmp_path / "out", said := [])
    counts = running.round().counts
    store.objects["logs/toy-labels/described.json"] = json.dumps({"spec": MODEL | {"risk": "none"}}).encode()
    assert running.round().counts == counts
    assert said[0].startswith("s3://bucket/logs/toy-labels/described.json: spec.risk: got 'none', expected ")
    store.answers = False
    assert running.round().counts == counts
    assert len(counts) == 1


def test_a_silent_store_stops_the_heartbeat(store: ObjectStore, logs: Logs, tmp_path: Path) -> None:
    """Nothing new is known then, which is not the same as that there is nothing new; it beats again when it answers."""
    logs.predict([("p", 0.9, "v", 3)])
    uploaded(store, logs)
    clock = [NOW]
    running = rounds(tmp_path / "out", [], lambda: clock[0])
    beats: list[float | None] = []
    for answers in (True, False, True):
        store.answers = answers
        beats.append(running.round().worked_seconds)
        clock[0] += 15
    assert beats == [NOW, NOW, NOW + 30]


@pytest.mark.parametrize("what", ["segment", "verdicts", "description"])
def test_what_cannot_be_read_now_stops_the_heartbeat(store: ObjectStore, logs: Logs, tmp_path: Path, what: str) -> None:
    """Though the store lists the logs: labels that are not counted are not labels that have not come."""
    logs.predict([("p", 0.9, "v", 3)])
    uploaded(store, logs)
    store.objects[VERDICTS] = b""
    described = "logs/toy-labels/described.json"
    refused = {"segment": f"logs/toy-labels/predictions/{HOUR}/a.parquet", "verdicts": VERDICTS}.get(what, described)
    store.refused.add(refused)
    running = rounds(tmp_path / "out", said := [])
    assert running.round().worked_seconds is None
    assert "SlowDown" in said[0]
    store.refused.clear()
    assert running.round().worked_seconds == NOW


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["serve", "--root", "."],
        ["serve", "--config", "c", "--metrics-port", "1"],
        ["serve", "--root", ".", "--env", "e", "--config", "c", "--metrics-port", "1", "--output", "o"],
    ],
)
def test_the_command_is_of_one_place_or_the_other(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Half of what is needed, or both, is refused with what was expected."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "expected --root and --env, or --config, --metrics-port and --output" in said


def test_wrong_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the file and the key."""
    path = tmp_path / "worker.json"
    path.write_text('{"environment": "dev"}')
    assert main(["serve", "--config", str(path), "--metrics-port", "1", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: tier: got ")
