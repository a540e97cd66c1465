"""Reading what is new in the segments, from real Parquet files."""

import math
import os
import time
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from shipway.labels import records
from shipway.labels.join import Label, Prediction
from shipway.logs.schemas import HOUR_FORMAT, Kind
from shipway.logs.sources import LocalSource
from shipway.logs.tail import Tail
from shipway.serving.predictions import LABEL_SCHEMA
from shipway.serving.segments import SegmentLog
from tests.shipway.labels.logs import HOUR, Logs, settle


class Reader:
    """A tail and what it said."""

    def __init__(self, logs: Logs) -> None:
        self.said: list[str] = []
        self.source = LocalSource(logs.folder, self.said.append, time.time_ns)
        self.tail = Tail(self.source, records.columns(()))

    def read(self) -> list[Prediction | Label]:
        return [record for piece in self.tail.poll() for record in records.batch(piece)]


@pytest.fixture
def reader(logs: Logs) -> Reader:
    return Reader(logs)


def test_each_record_is_read_once_as_its_segment_grows(logs: Logs, reader: Reader) -> None:
    """A segment that is rewritten with more records yields the new ones alone; predictions come before labels."""
    assert reader.read() == []
    logs.label([("p0", 1.0)])
    logs.predict([("p0", 0.5, "v", 7)])
    assert reader.read() == [Prediction("p0", 0.5, "v", 7), Label("p0", 1.0)]
    logs.predict([("p0", 0.5, "v", 7), ("p1", 0.25, "w", 7)])
    logs.label([("p2", 0.0)], name="b")
    assert reader.read() == [Prediction("p1", 0.25, "w", 7), Label("p2", 0.0)]
    assert (reader.read(), reader.said) == ([], [])


def test_only_a_models_own_predictions_in_a_rollout_are_read(logs: Logs, reader: Reader) -> None:
    """Those of a fallback, those outside a rollout, and those of a segment without the column are passed over."""
    logs.predict([("ordinary", 0.5, "v", 0), ("judged", 0.5, "v", 2)], name="a")
    logs.predict([("fallen back", 0.5, "v", 2)], name="b", served_by="constant")
    logs.predict([("old", 0.5, "v", 2)], name="c", numbered=False)
    logs.predict([("unnamed", 0.5, "v", 2)], name="d", prediction_id=None)
    logs.predict([("empty", 0.5, "v", 2)], name="e", prediction=None)
    first, second = reader.read()
    assert first == Prediction("judged", 0.5, "v", 2)
    assert isinstance(second, Prediction)
    assert (second.prediction_id, math.isnan(second.prediction)) == ("empty", True)
    assert reader.said == []


def test_what_a_slot_writes_is_what_is_read(logs: Logs, reader: Reader) -> None:
    """The writer of the slots and this reader agree on folders, names and columns."""
    log = SegmentLog(logs.folder / "labels", LABEL_SCHEMA, "writer", lambda *_: None)
    stamp = pa.scalar(0, pa.timestamp("us", tz="UTC")).as_py()
    assert log.append([{"prediction_id": "p", "label": 1.0, "event_time": stamp, "received_at": stamp}])
    log.close()
    assert reader.read() == [Label("p", 1.0)]


def test_a_torn_or_foreign_file_is_skipped_and_said_once(logs: Logs, reader: Reader) -> None:
    """It is tried again when it has changed; all others are read meanwhile."""
    whole = logs.label([("p", 1.0)]).read_bytes()
    folder = logs.folder / "labels" / HOUR
    (folder / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.parquet").touch()
    (folder / "folder.parquet").mkdir()
    (folder / "gone.parquet").symlink_to(folder / "nowhere")
    (folder / ".a.parquet.tmp").write_bytes(b"half of it")
    (folder / "notes.txt").write_text("not a segment")
    logs.write("labels", "other", [{"x": 1}], pa.schema([("x", pa.int64())]))
    assert reader.read() == [Label("p", 1.0)]
    names = [Path(sentence.partition(": ")[0]).name for sentence in reader.said]
    assert names == ["empty.parquet", "folder.parquet", "other.parquet", "torn.parquet"]
    assert all(sentence.endswith(", expected a segment of labels") for sentence in reader.said)
    assert f"{folder / 'other.parquet'}: no column prediction_id, label, expected" in reader.said[2]
    reader.said.clear()
    assert (reader.read(), reader.said) == ([], [])
    (folder / "torn.parquet").write_bytes(whole)
    assert reader.read() == [Label("p", 1.0)]


def test_a_column_of_another_type_is_foreign(logs: Logs, reader: Reader) -> None:
    """Text where a number belongs is no segment, and no crash."""
    schema = pa.schema([("prediction_id", pa.string()), ("label", pa.string())])
    logs.write("labels", "text", [{"prediction_id": "p", "label": "yes"}], schema)
    assert reader.read() == []
    assert len(reader.said) == 1
    assert "text.parquet: " in reader.said[0]


def test_a_long_file_is_read_in_pieces(logs: Logs, reader: Reader) -> None:
    """Of a file that is longer than any segment no more than a segment's records are in memory at once."""
    rows = [(f"p{number}", 1.0) for number in range(12_000)]
    logs.label(rows[:7000])
    assert [piece.table.num_rows for piece in reader.tail.poll()] == [5000, 2000]
    logs.label(rows)
    assert reader.read() == [Label(*row) for row in rows[7000:]]


def test_nothing_is_opened_where_nothing_changed(logs: Logs, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder whose time has not moved is not even listed; one that changed is."""
    settle(logs.label([("p", 1.0)]))
    assert reader.read() == [Label("p", 1.0)]
    listed: list[Path] = []
    original = reader.source.segments

    def watched(kind: Kind, hour: str) -> Mapping[str, Hashable]:
        listed.append(Path(kind, hour))
        return original(kind, hour)

    monkeypatch.setattr(reader.source, "segments", watched)
    assert (reader.read(), listed) == ([], [])
    logs.label([("q", 0.0)], name="b")
    assert (reader.read(), listed) == ([Label("q", 0.0)], [Path("labels", HOUR)])


def test_a_change_within_one_tick_of_the_clock_is_seen(logs: Logs, reader: Reader) -> None:
    """A folder that looks as it did a moment ago is looked at again until it has been still for a while."""
    path = logs.label([("p", 1.0)])
    reader.read()
    stamp = path.parent.stat().st_mtime_ns
    logs.label([("q", 0.0)], name="b")
    os.utime(path.parent, ns=(stamp, stamp))
    assert reader.read() == [Label("q", 0.0)]


def test_removed_segments_and_hours_are_forgotten(logs: Logs, reader: Reader) -> None:
    """Retention takes them away; what is written there again is new."""
    path = logs.label([("p", 1.0)])
    reader.read()
    path.unlink()
    assert reader.read() == []
    path.parent.rmdir()
    assert reader.read() == []
    logs.label([("p", 1.0)])
    assert (reader.read(), reader.said) == ([Label("p", 1.0)], [])


def test_another_process_goes_on_where_one_stopped(logs: Logs) -> None:
    """A piece says how far its segment is read; given back, nothing of it is read again, and all that is new."""
    columns: dict[Kind, tuple[str, ...]] = {"predictions": ("prediction_id",)}
    rows = [(f"p{number}", 0.5, "v", 1) for number in range(5)]
    logs.predict(rows[:3])
    (piece,) = Tail(LocalSource(logs.folder), columns).poll()
    assert (piece.hour, piece.name, piece.records) == (HOUR, "a.parquet", 3)
    known = {(piece.kind, piece.hour, piece.name): piece.records}
    assert list(Tail(LocalSource(logs.folder), columns, known).poll()) == []
    logs.predict(rows)
    (more,) = Tail(LocalSource(logs.folder), columns, known).poll()
    assert (more.table.column("prediction_id").to_pylist(), more.records) == (["p3", "p4"], 5)


@pytest.mark.parametrize(("days", "replayed"), [(0, False), (6, False), (8, True)])
def test_a_piece_says_whether_it_was_replayed(logs: Logs, days: int, replayed: bool) -> None:
    """Its segment was written more than a week after its hour; a store's is never, and a foreign folder has no hour."""
    path = logs.predict([("p", 0.5, "v", 1)])
    written = datetime.strptime(HOUR, HOUR_FORMAT).replace(tzinfo=UTC).timestamp() + days * 86_400 + 1
    os.utime(path, (written, written))
    foreign = logs.folder / "predictions" / "notes"
    foreign.mkdir()
    (foreign / path.name).write_bytes(path.read_bytes())
    pieces = Tail(LocalSource(logs.folder), {"predictions": ("prediction_id",)}).poll()
    assert [(one.hour, one.replayed) for one in pieces] == [(HOUR, replayed), ("notes", False)]
