"""Reading a stretch of event time."""
# pyright: reportMissingTypeStubs=false

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.logs.reading import batches, records
from shipway.logs.schemas import PREDICTION_SCHEMA
from shipway.logs.sources import LocalSource
from shipway.serving.segments import SegmentLog
from tests.shipway.labels.logs import Logs

START = datetime(2013, 5, 1, tzinfo=UTC)
MINUTES = st.integers(0, 6 * 60)


def write(folder: Path, minutes: list[int]) -> None:
    """Writes a prediction for each of `minutes` after the start, as a slot does; its id is its place."""
    log = SegmentLog(folder / "predictions", PREDICTION_SCHEMA, "writer", lambda *_: None)
    stamps = [START + timedelta(minutes=minute) for minute in minutes]
    empty = dict.fromkeys(PREDICTION_SCHEMA.names)
    assert log.append([empty | {"prediction_id": str(n), "event_time": at} for n, at in enumerate(stamps)])
    log.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(MINUTES, max_size=12), start=MINUTES, end=MINUTES)
def test_exactly_the_records_of_the_stretch(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], start: int, end: int
) -> None:
    """The start is in, the end is not, whatever the hours; another offset of the same moments changes nothing."""
    folder = tmp_path_factory.mktemp("log")
    write(folder, minutes)
    east = timezone(timedelta(hours=5, minutes=45))
    moments = [(START + timedelta(minutes=minute)).astimezone(east) for minute in (start, end)]
    found = records(LocalSource(folder), "predictions", moments[0], moments[1], ["prediction_id"])
    expected = sorted(str(n) for n, minute in enumerate(minutes) if start <= minute < end)
    assert sorted(found.column("prediction_id").to_pylist()) == expected
    assert found.column_names == ["prediction_id"]


def test_an_empty_stretch_has_the_columns(tmp_path: Path) -> None:
    """A model that was never asked has no records, and the table still has the columns with their types."""
    found = records(LocalSource(tmp_path), "labels", START, START + timedelta(days=1), ["label", "event_time"])
    assert found.schema == pa.schema([("label", pa.float64()), ("event_time", pa.timestamp("us", tz="UTC"))])
    assert found.num_rows == 0


def test_a_torn_or_foreign_file_is_told_and_the_rest_is_read(logs: Logs) -> None:
    """As the tail does it: one sentence a file, and nothing else is lost."""
    whole = logs.label([("p", 1.0)])
    whole.with_name("torn.parquet").write_bytes(whole.read_bytes()[:100])
    logs.write("labels", "other", [{"x": 1}], pa.schema([("x", pa.int64())]))
    said: list[str] = []
    day = datetime(2013, 5, 1, tzinfo=UTC)
    found = records(LocalSource(logs.folder, said.append), "labels", day, day + timedelta(days=2), ["label"])
    assert found.column("label").to_pylist() == [1.0]
    assert [Path(sentence.partition(": ")[0]).name for sentence in said] == ["other.parquet", "torn.parquet"]
    assert f"{whole.with_name('other.parquet')}: no column label, event_time, expected a segment of labels" in said


def test_a_column_that_came_later_has_its_default(logs: Logs) -> None:
    """Segments from before rollouts were numbered are read as predictions outside of one."""
    logs.predict([("old", 0.5, "v", 2)], name="c", numbered=False)
    source, end = LocalSource(logs.folder), START + timedelta(days=1)
    assert records(source, "predictions", START, end, ["rollout"]).column("rollout").to_pylist() == [0]


def test_a_long_file_is_read_in_pieces(logs: Logs) -> None:
    """No more than a segment's records are in memory at once."""
    logs.predict([(f"p{n}", 0.5, "v", 0) for n in range(12_000)])
    found = batches(LocalSource(logs.folder), "predictions", START, START + timedelta(days=1), ["prediction_id"])
    assert [table.num_rows for table in found] == [5000, 5000, 2000]


def test_a_segment_that_retention_took_meanwhile_is_no_error(logs: Logs) -> None:
    """It was there when the hour was listed; nothing is said of it."""
    first = logs.predict([("p", 0.5, "v", 0)], name="a")
    second = logs.predict([("q", 0.5, "v", 0)], name="b")
    said: list[str] = []
    reading = batches(
        LocalSource(logs.folder, said.append), "predictions", START, START + timedelta(days=1), ["prediction_id"]
    )
    assert next(reading).column("prediction_id").to_pylist() == ["p"]
    second.unlink()
    assert (list(reading), said, pq.ParquetFile(first).metadata.num_rows) == ([], [], 1)


def test_wrong_questions_are_refused(tmp_path: Path) -> None:
    """A time without an offset would mean another hour on each machine; a column no record has is a mistake."""
    source, bare = LocalSource(tmp_path), START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="start: 2013-05-01T00:00:00 has no offset, expected an aware time"):
        records(source, "labels", bare, START, ["label"])
    with pytest.raises(KeyError, match="prediction"):
        records(source, "labels", START, START, ["prediction"])
