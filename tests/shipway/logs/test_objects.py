"""Logs in an object store: what a slot writes there is what is read, and an outage costs records, never requests."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from shipway.logs.objects import ObjectSource
from shipway.logs.reading import records
from shipway.logs.schemas import LABEL_SCHEMA
from shipway.logs.sinks import ObjectSink
from shipway.logs.tail import Tail
from shipway.objects.storage import ObjectStorage
from shipway.serving.segments import SegmentLog
from tests.standins.object_store import ObjectStore

URL = "s3://bucket/logs/digits"
AT = datetime(2026, 5, 1, 3, tzinfo=UTC)
NOW = (AT + timedelta(hours=1)).timestamp()


def label(name: str, at: datetime = AT) -> dict[str, Any]:
    return {"prediction_id": name, "label": 1.0, "event_time": at, "received_at": at}


class Written:
    """What a log has counted, and when it counted last."""

    def __init__(self) -> None:
        self.written = self.dropped = 0
        self.flushed = threading.Event()

    def __call__(self, written: int, dropped: int) -> None:
        self.written, self.dropped = self.written + written, self.dropped + dropped
        if written or dropped:
            self.flushed.set()


def open_log(written: Written, flush_seconds: float = 0.01) -> SegmentLog:
    sink = ObjectSink(ObjectStorage(URL), "labels", pause=lambda _: None)
    return SegmentLog(sink, LABEL_SCHEMA, "writer", written, flush_seconds=flush_seconds)


def source(said: list[str], now: float = NOW) -> ObjectSource:
    return ObjectSource(ObjectStorage(URL), said.append, lambda: now)


def names(tail: Tail) -> list[str]:
    return [name for piece in tail.poll() for name in piece.table.column("prediction_id").to_pylist()]


def test_a_growing_segment_is_read_once(store: ObjectStore) -> None:
    """Each record comes once, as its object is written again and again; a stretch of time finds all of them."""
    written, said = Written(), list[str]()
    log, tail = open_log(written), Tail(source(said), {"labels": ["prediction_id"]})
    assert names(tail) == []
    for number in range(3):
        written.flushed.clear()
        log.append([label(f"p{number}")])
        assert written.flushed.wait(10)
        assert names(tail) == [f"p{number}"]
    log.append([label("later", AT + timedelta(hours=2))])
    log.close()
    assert list(store.objects) == [
        "logs/digits/labels/2026-05-01T03/writer-000001.parquet",
        "logs/digits/labels/2026-05-01T05/writer-000002.parquet",
    ]
    found = records(source(said), "labels", AT, AT + timedelta(hours=1), ["prediction_id"])
    assert found.column("prediction_id").to_pylist() == ["p0", "p1", "p2"]
    assert (written.written, written.dropped, said) == (4, 0, [])


def test_an_outage_drops_and_counts_and_never_blocks(store: ObjectStore) -> None:
    """While the store refuses, appending takes no time; what was tried three times is counted, what follows arrives."""
    written = Written()
    log = open_log(written)
    store.answers = False
    log.append([label("lost")])
    assert written.flushed.wait(10)
    assert (written.written, written.dropped) == (0, 1)
    store.answers = True
    log.append([label("kept")])
    log.close()
    assert (written.written, written.dropped) == (1, 1)
    assert names(Tail(source([]), {"labels": ["prediction_id"]})) == ["kept"]


def test_a_moments_refusal_loses_nothing(store: ObjectStore) -> None:
    """The second attempt of a flush that was refused brings it."""
    written = Written()
    sink = ObjectSink(ObjectStorage(URL), "labels", pause=lambda _: setattr(store, "answers", True))
    log = SegmentLog(sink, LABEL_SCHEMA, "writer", written, flush_seconds=60)
    store.answers = False
    log.append([label("p")])
    log.close()
    assert (written.written, written.dropped) == (1, 0)


def test_a_full_queue_is_counted_while_the_store_is_slow(store: ObjectStore) -> None:
    """A store that takes its time holds up the log's own thread alone, and the queue stays as long as it may be."""
    written = Written()
    sink = ObjectSink(ObjectStorage(URL), "labels")
    log = SegmentLog(sink, LABEL_SCHEMA, "writer", written, queue_records=10, flush_seconds=60)
    assert log.append([label("p")] * 8)
    assert not log.append([label("q")] * 3)
    log.close()
    assert (written.written, written.dropped) == (8, 3)


def test_a_store_that_does_not_answer_leaves_the_last_list(store: ObjectStore) -> None:
    """It is told with the folder, nothing is forgotten, and nothing is read twice afterwards."""
    written, said = Written(), list[str]()
    log = open_log(written)
    log.append([label("p")])
    log.close()
    tail = Tail(source(said), {"labels": ["prediction_id"]})
    assert names(tail) == ["p"]
    store.answers = False
    assert names(tail) == []
    assert said == [
        f"{URL}/{kind}: the object store answered SlowDown, expected a list of objects"
        for kind in ("predictions", "labels")
    ]
    store.answers = True
    assert names(tail) == []


def test_an_object_that_could_not_be_had_is_asked_for_again(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that falls silent between its list and the read costs a sentence, and no record."""
    log, said = open_log(Written()), list[str]()
    log.append([label("p")])
    log.close()
    tail, original = Tail(source(said), {"labels": ["prediction_id"]}), ObjectStorage.read

    def silent(self: ObjectStorage, name: str) -> bytes:
        store.answers = False
        try:
            return original(self, name)
        finally:
            store.answers = True

    monkeypatch.setattr(ObjectStorage, "read", silent)
    assert names(tail) == []
    assert said == [f"{URL}/labels/2026-05-01T03/writer-000001.parquet: the object store answered SlowDown"]
    monkeypatch.setattr(ObjectStorage, "read", original)
    assert names(tail) == ["p"]


def test_a_torn_or_foreign_object_is_told_and_passed_over(store: ObjectStore) -> None:
    """As on a disk: one sentence, until it changes; what is no segment by its name is none."""
    written, said = Written(), list[str]()
    log = open_log(written)
    log.append([label("p")])
    log.close()
    store.objects["logs/digits/labels/2026-05-01T03/torn.parquet"] = b"PAR1"
    store.objects["logs/digits/labels/notes.txt"] = b"hello"
    tail = Tail(source(said), {"labels": ["prediction_id"]})
    assert (names(tail), names(tail)) == (["p"], [])
    assert len(said) == 1
    assert said[0].startswith(f"{URL}/labels/2026-05-01T03/torn.parquet: ")
    assert said[0].endswith(", expected a segment of labels")


@pytest.mark.parametrize(("days", "seen"), [(39, ["p"]), (41, [])])
def test_old_hours_are_not_listed(store: ObjectStore, days: int, seen: list[str]) -> None:
    """A bucket of years costs no more to look at than one of forty days."""
    log = open_log(Written())
    log.append([label("p")])
    log.close()
    later = source([], NOW + days * 86_400)
    assert names(Tail(later, {"labels": ["prediction_id"]})) == seen


def test_what_is_read_has_the_types_of_the_log(store: ObjectStore) -> None:
    """A reader of either place gets the same table."""
    log = open_log(Written())
    log.append([label("p")])
    log.close()
    found = records(source([]), "labels", AT, AT + timedelta(hours=1), LABEL_SCHEMA.names)
    assert found.schema == pa.schema(list(LABEL_SCHEMA))
