"""The log never waits and never loses in silence."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipway.contract.schema import FieldKind, FieldSpec, Schema
from shipway.logs.sinks import FolderSink
from shipway.serving.features import FeatureStatus, ServedFeature
from shipway.serving.personal import hash_key
from shipway.serving.predictions import Logged, PredictionLog
from shipway.serving.segments import SegmentLog

SCHEMA = pa.schema([("event_time", pa.timestamp("us", tz="UTC")), ("number", pa.int64())])


def record(number: int, hour: int = 12) -> dict[str, Any]:
    return {"event_time": datetime(2013, 5, 1, hour, tzinfo=UTC), "number": number}


class Counted:
    written = dropped = 0

    def __call__(self, written: int, dropped: int) -> None:
        self.written += written
        self.dropped += dropped


def open_log(folder: Path, count: Callable[[int, int], None], **options: Any) -> SegmentLog:
    return SegmentLog(folder, SCHEMA, "one", count, **{"flush_seconds": 0.005, **options})


def read(folder: Path) -> dict[str, list[int]]:
    return {
        hour.name: sorted(
            number for file in hour.glob("*.parquet") for number in pq.read_table(file)["number"].to_pylist()
        )
        for hour in folder.iterdir()
    }


def test_every_record_is_on_disk_once_in_its_hour(tmp_path: Path) -> None:
    """Records come in any order of hours, over many flushes; closing writes the rest."""
    count = Counted()
    log = open_log(tmp_path, count)
    for number in range(300):
        assert log.append([record(number, hour=10 + number % 4)])
    log.close()
    assert read(tmp_path) == {f"2013-05-01T{10 + hour}": list(range(hour, 300, 4)) for hour in range(4)}
    assert (count.written, count.dropped) == (300, 0)
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"] == []


def test_records_of_one_hour_share_a_segment(tmp_path: Path) -> None:
    """A slow stream makes one growing file, not one for each flush."""
    count = Counted()
    log = open_log(tmp_path, count)
    for number in range(20):
        log.append([record(number)])
        while count.written <= number:
            pass
    log.close()
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_a_full_queue_drops_whole_batches_and_counts_them(tmp_path: Path) -> None:
    """Serving is never held up by its log."""
    count = Counted()
    log = open_log(tmp_path, count, queue_records=10, flush_seconds=60)
    assert log.append([record(0)] * 8)
    assert not log.append([record(1)] * 3)
    assert log.append([record(2)] * 2)
    log.close()
    assert not log.append([record(3)])
    assert (count.written, count.dropped) == (10, 3)


def test_a_disk_that_refuses_is_counted_and_later_records_are_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of the disk costs the records of that time only."""
    count = Counted()
    (tmp_path / "2013-05-01T12").write_text("in the way")
    log = open_log(tmp_path, count)
    log.append([record(1)])
    while not count.dropped:
        pass
    (tmp_path / "2013-05-01T12").unlink()
    log.append([record(2)])
    log.close()
    assert (count.written, count.dropped) == (1, 1)
    assert read(tmp_path) == {"2013-05-01T12": [2]}
    assert "1 records lost" in caplog.text


def test_what_a_sink_took_and_did_not_confirm_is_never_written_over(tmp_path: Path) -> None:
    """A reader goes on by the number of records it has read: other records of that name and number it would skip."""
    count = Counted()

    class Unconfirmed(FolderSink):
        failing = False

        def write(self, hour: str, name: str, table: pa.Table) -> None:
            super().write(hour, name, table)
            if self.failing:
                raise TimeoutError("no answer in time")

    sink = Unconfirmed(tmp_path)
    log = SegmentLog(sink, SCHEMA, "one", count, flush_seconds=0.005)
    for number, failing in ((1, False), (2, True), (3, False)):
        sink.failing = failing
        log.append([record(number)])
        while count.written + count.dropped < number:
            time.sleep(0.001)
    log.close()
    segments = [pq.read_table(path)["number"].to_pylist() for path in sorted(tmp_path.glob("*/*.parquet"))]
    assert segments == [[1, 2], [3]]
    assert (count.written, count.dropped) == (2, 1)


def test_a_prediction_record_holds_what_replay_and_parity_need(tmp_path: Path) -> None:
    """Features keep their age and status; whatever repeats a personal value is hashed with the folder's secret."""
    schema = Schema(
        fields=(
            FieldSpec(name="amount", kind=FieldKind.NUMBER),
            FieldSpec(name="tail_number", kind=FieldKind.TEXT, personal=True, nullable=True),
        )
    )
    count = Counted()
    log = PredictionLog(tmp_path, schema, "abababababab", "green", 1, count)
    at = datetime(2013, 5, 1, 12, tzinfo=UTC)
    feature = ServedFeature("weather_v1:wind", 3.5, FeatureStatus.FRESH, at, 60.0)
    entities = {"tail_number": "N14228", "origin": "EWR"}
    log.append(
        at, "N14228", "model", [Logged("id", {"amount": 1, "tail_number": "N14228"}, entities, [feature], 0.5)], 7
    )
    log.append(at, "unit", "constant", [Logged("id2", {"amount": 1, "tail_number": None}, entities, [], 0.25)], 0)
    log.close()
    (segment,) = (tmp_path / "predictions").rglob("*.parquet")
    assert b"N14228" not in segment.read_bytes().split(b"id2")[0]
    first, second = pq.read_table(segment).to_pylist()
    hashed = first["unit_id"]
    assert hashed.startswith("blake2:")
    assert first["entities"] == f'{{"origin": "EWR", "tail_number": "{hashed}"}}'
    assert first["fields"] == f'{{"amount": 1, "tail_number": "{hashed}"}}'
    assert first["features"] == [
        {"name": "weather_v1:wind", "value": 3.5, "status": "fresh", "timestamp": at, "age_seconds": 60.0}
    ]
    assert (first["version"], first["slot"], first["served_by"]) == ("abababababab", "green", "model")
    assert (second["unit_id"], second["prediction"]) == ("unit", 0.25)
    assert (first["rollout"], second["rollout"]) == (7, 0)


def test_two_slots_hash_with_one_secret(tmp_path: Path) -> None:
    """The same person is the same hash in blue and green, and nobody else can read the key."""
    assert hash_key(tmp_path) == hash_key(tmp_path)
    assert (tmp_path / ".hash-key").stat().st_mode & 0o777 == 0o600
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_queue_is_written_before_its_time(tmp_path: Path) -> None:
    """A fast slot loses nothing: past half of the queue the writer does not wait for the next flush."""
    written = threading.Event()
    log = open_log(tmp_path, lambda count, _: written.set() if count else None, queue_records=100, flush_seconds=600)
    for number in range(51):
        assert log.append([record(number)])
    assert written.wait(10)
    log.close()
    assert sorted(number for numbers in read(tmp_path).values() for number in numbers) == list(range(51))
