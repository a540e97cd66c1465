"""Dead letters are bounded, whole, in order, and hold nobody's name."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shipway.objects.storage import ObjectStorage
from shipway.serving.dead_letters import (
    FOLDER,
    DeadLetter,
    DeadLetterLog,
    read_dead_letters,
    read_stored_dead_letters,
)
from shipway.serving.letter_sinks import LetterFile, StoredLetters
from tests.shipway.serving.doubles import ROW, SCHEMA
from tests.standins.object_store import ObjectStore

NOW = datetime(2013, 5, 1, 12, tzinfo=UTC)


class Counted:
    def __init__(self) -> None:
        self.written = self.dropped = 0

    def __call__(self, written: int, dropped: int) -> None:
        self.written += written
        self.dropped += dropped


def letter(number: int, rows: int = 1, **changes: Any) -> DeadLetter:
    return DeadLetter(
        request_id=f"{number:032x}",
        time=NOW + timedelta(seconds=number),
        event_time=NOW,
        unit_id="unit",
        outcome="error",
        cause="the model raised KeyError",
        chain={},
        rows=[ROW | changes] * rows,
        features=[()] * rows,
    )


def open_log(folder: Path, count: Counted, slot: str = "blue", most_bytes: int = 1 << 20) -> DeadLetterLog:
    return DeadLetterLog(folder, SCHEMA, "abababababab", slot, most_bytes, count)


def test_the_newest_letters_stay_within_the_limit(tmp_path: Path) -> None:
    """Both files together are never larger than allowed, and what is in them is the end of what was written."""
    count = Counted()
    log = open_log(tmp_path, count, most_bytes=8_000)
    for number in range(200):
        log.append(letter(number))
    log.close()
    files = sorted((tmp_path / FOLDER).iterdir())
    assert [path.name for path in files] == ["blue.1.jsonl", "blue.jsonl"]
    assert sum(path.stat().st_size for path in files) <= 8_000
    letters, torn = read_dead_letters(tmp_path)
    numbers = [int(one["request_id"], 16) for one in letters]
    assert (numbers, torn) == (list(range(200 - len(numbers), 200)), 0)
    assert len(numbers) >= 5
    assert (count.written, count.dropped) == (200, 0)


def test_letters_of_both_slots_come_in_the_order_of_their_time(tmp_path: Path) -> None:
    """A slot that starts again goes on in the same file."""
    for slot, numbers in (("green", (3, 1)), ("blue", (2,)), ("green", (4,))):
        log = open_log(tmp_path, Counted(), slot)
        for number in numbers:
            log.append(letter(number))
        log.close()
    assert [int(one["request_id"], 16) for one in read_dead_letters(tmp_path)[0]] == [1, 2, 3, 4]


def test_a_torn_line_costs_itself_alone(tmp_path: Path) -> None:
    """What a killed process left is counted, and the next letter begins a line of its own."""
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "blue.jsonl").write_text('{"request_id": "00')
    log = open_log(tmp_path, Counted())
    log.append(letter(7))
    log.close()
    letters, torn = read_dead_letters(tmp_path)
    assert ([int(one["request_id"], 16) for one in letters], torn) == ([7], 1)


def test_a_letter_larger_than_the_file_leaves_its_rows_out(tmp_path: Path) -> None:
    """That there was a request, when and why, is kept all the same."""
    log = open_log(tmp_path, Counted(), most_bytes=4_000)
    log.append(letter(1, rows=100))
    log.close()
    ((one,), _) = read_dead_letters(tmp_path)
    assert (one["rows"], one["rows_left_out"]) == ([], 100)


def test_what_waits_is_bounded_and_the_rest_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs holds up no request."""
    go_on, count = threading.Event(), Counted()
    write = LetterFile.write

    def waits(self: LetterFile, lines: Sequence[bytes]) -> None:
        go_on.wait(10)
        write(self, lines)

    monkeypatch.setattr(LetterFile, "write", waits)
    log = open_log(tmp_path, count)
    for number in range(12):
        log.append(letter(number, rows=1000))
    assert count.dropped == 2
    go_on.set()
    log.close()
    log.append(letter(13))
    assert (count.written, count.dropped) == (10, 3)


def test_its_series_are_there_before_the_first_letter(tmp_path: Path) -> None:
    """One that began with the first loss would not have grown by it, and no alarm would see it."""
    told: list[tuple[int, int]] = []
    log = DeadLetterLog(tmp_path, SCHEMA, "ab" * 6, "blue", 1 << 20, lambda *counts: told.append(counts))
    log.close()
    assert told == [(0, 0)]


def test_a_disk_that_refuses_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says which file, not what was in the letter."""
    (tmp_path / FOLDER).write_text("in the way")
    count = Counted()
    log = open_log(tmp_path, count)
    log.append(letter(1))
    log.close()
    assert (count.written, count.dropped) == (0, 1)
    assert f"{tmp_path / FOLDER / 'blue.jsonl'}: a dead letter is lost" in caplog.text
    assert "N14228" not in caplog.text


def test_personal_values_are_hashed_wherever_they_stand(tmp_path: Path) -> None:
    """The unit's id may hold the value of any row."""
    log = open_log(tmp_path, Counted())
    one = letter(1, who="Ada Lovelace")
    log.append(DeadLetter(**{**vars(one), "unit_id": "user:Ada Lovelace:7"}))
    log.close()
    text = (tmp_path / FOLDER / "blue.jsonl").read_text()
    assert "Lovelace" not in text
    assert json.loads(text)["unit_id"] == f"user:{json.loads(text)['rows'][0]['who']}:7"


def test_a_pods_letters_go_to_the_object_store(store: ObjectStore, tmp_path: Path) -> None:
    """With nobody's name in them, and to its disk the secret alone; each pod has objects of its own."""
    storage, count = ObjectStorage("s3://bucket/logs/digits"), Counted()
    logs = [DeadLetterLog(tmp_path / pod, SCHEMA, "ab" * 6, "blue", 1 << 20, count, storage) for pod in ("one", "two")]
    for number in range(4):
        logs[number % 2].append(letter(number))
    for log in logs:
        log.close()
    letters, torn = read_stored_dead_letters(storage)
    assert ([int(one["request_id"], 16) for one in letters], torn) == ([0, 1, 2, 3], 0)
    assert (count.written, count.dropped) == (4, 0)
    assert len(store.objects) == 2
    assert not [name for name, content in store.objects.items() if b"N14228" in content]
    assert all(name.startswith("logs/digits/dead-letters/abababababab-blue-") for name in store.objects)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_what_one_process_keeps_in_the_store_is_bounded(store: ObjectStore) -> None:
    """The oldest object is written anew once sixteen are full; letters that were refused do not come back in pieces."""
    storage = ObjectStorage("s3://bucket/logs/digits")
    sink = StoredLetters(storage, "dead-letters/pod", 16 * 30, pause=lambda _: None)
    sink.write([b'{"time": %d}\n' % number for number in range(10, 60)])
    store.answers = False
    with pytest.raises(OSError, match="SlowDown"):
        sink.write([b'{"time": 60}\n'])
    store.answers = True
    sink.write([b'{"time": 61}\n'])
    assert (len(store.objects), max(len(content) for content in store.objects.values()) <= 30) == (16, True)
    letters, torn = read_stored_dead_letters(storage)
    numbers = [one["time"] for one in letters]
    assert (numbers[-3:], torn) == ([58, 59, 61], 0)
    assert numbers == sorted(set(numbers))


def test_a_store_that_refuses_costs_letters_that_are_counted(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Never a request; the log says where, not what was in the letter."""
    monkeypatch.setattr("shipway.logs.sinks._PAUSE_SECONDS", 0.01)
    store.answers, count = False, Counted()
    log = DeadLetterLog(tmp_path, SCHEMA, "ab" * 6, "blue", 1 << 20, count, ObjectStorage("s3://bucket/logs/digits"))
    log.append(letter(1))
    log.close()
    assert (count.written, count.dropped) == (0, 1)
    assert "s3://bucket/logs/digits/dead-letters/abababababab-blue-" in caplog.text
    assert "N14228" not in caplog.text
