"""Labels from files: what is accepted, what is refused and how, and that nothing is written by halves or twice."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shipway.contract.errors import SpecError
from shipway.labels import importing
from shipway.labels.importing import Imported, import_labels
from shipway.logs.reading import records
from shipway.logs.sources import LocalSource
from tests.shipway.labels.logs import Logs, new_id

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SERVED = datetime(2013, 5, 1, 3, tzinfo=UTC)
ONE, TWO = (uuid.UUID(int=number).hex for number in (1, 2))


def put(logs: Logs, path: Path, *, binary: bool = True, also: Callable[[str], str] = str) -> Imported:
    return import_labels(path, logs.folder, binary=binary, now=NOW, progress=lambda _: None, also_known_as=also)


def kept(logs: Logs) -> list[tuple[str, float, datetime]]:
    """Returns every label that a reader of the log sees."""
    found = records(
        LocalSource(logs.folder),
        "labels",
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2100, 1, 1, tzinfo=UTC),
        ["prediction_id", "label", "event_time"],
    )
    return sorted(zip(*(column.to_pylist() for column in found.columns), strict=True))


def files(logs: Logs) -> list[Path]:
    return sorted(path for path in logs.folder.rglob("*") if path.is_file())


def as_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n")
    return path.with_suffix(".csv")


def as_json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.with_suffix(".jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path.with_suffix(".jsonl")


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


FORMATS = [as_csv, as_json_lines, as_parquet]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_says_the_same(logs: Logs, tmp_path: Path, write: Callable[..., Path]) -> None:
    """CSV, JSON lines and Parquet of the same labels put the same records into the log."""
    stamp = "2013-05-02T12:00:00+02:00"
    path = write(
        tmp_path / "labels",
        [
            {"prediction_id": ONE, "label": 1, "event_time": stamp},
            {"prediction_id": TWO, "label": 0, "event_time": stamp},
        ],
    )
    assert put(logs, path) == Imported(rows=2, written=2, known=0, unmatched=0)
    at = datetime(2013, 5, 2, 10, tzinfo=UTC)
    assert kept(logs) == [(ONE, 1.0, at), (TWO, 0.0, at)]


def test_a_file_may_be_imported_again_at_any_time(logs: Logs, tmp_path: Path) -> None:
    """The second import finds everything there, an hour later too; a label without a time is of the import's own."""
    path = as_csv(tmp_path / "labels", [{"prediction_id": ONE, "label": 1}])
    put(logs, path)
    assert kept(logs) == [(ONE, 1.0, NOW)]
    before = files(logs)
    again = import_labels(
        path, logs.folder, binary=True, now=NOW + timedelta(hours=5), progress=lambda _: None, also_known_as=str
    )
    assert (again, files(logs)) == (Imported(rows=1, written=0, known=1, unmatched=0), before)


def test_an_interrupted_import_goes_on(logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two segments it has lost nothing: the next run moves what is missing and nothing twice."""
    monkeypatch.setattr(importing, "_BATCH_ROWS", 10)
    path = as_csv(tmp_path / "labels", [{"prediction_id": new_id(), "label": 1} for _ in range(50)])
    moves, original = [0], Path.rename

    def dies(self: Path, target: Path) -> Path:
        moves[0] += 1
        if moves[0] == 3:
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        put(logs, path)
    assert len(kept(logs)) == 20
    assert put(logs, path) == Imported(rows=50, written=30, known=20, unmatched=0)
    assert len(kept(logs)) == 50
    assert [path.name for path in logs.folder.iterdir()] == ["labels"]


WRONG: list[tuple[str, str]] = [
    ("prediction_id,label\nxyz,1\n", "row 2: prediction_id: got 'xyz', expected an id from a prediction's answer: 32"),
    (f"prediction_id,label\n{ONE},1\n{TWO},maybe\n", "row 3: label: got 'maybe', expected 0 or 1, as this model is"),
    (f"prediction_id,label\n{ONE},0.5\n", "row 2: label: got '0.5', expected 0 or 1, as this model is evaluated"),
    (f"prediction_id,label\n{ONE},nan\n", "row 2: label: got 'nan', expected 0 or 1"),
    (f"prediction_id,label\n{ONE}\n", "row 2: label: got None, expected a value in every column, and no more values"),
    (f"prediction_id,label\n{ONE},1,2\n", "row 2: label: got '1', expected a value in every column, and no more"),
    (
        f"prediction_id,label,event_time\n{ONE},1,2013-05-01\n",
        "row 2: event_time: got '2013-05-01', expected an ISO 8601 time with an offset, such as 2013-05-01T12:00:00Z",
    ),
    (f"prediction_id,truth\n{ONE},1\n", "column truth: got 'truth', expected only the columns prediction_id, unit_id"),
    ("prediction_id\n", "columns: got 'prediction_id', expected a column label"),
    ("unit_id,label\n", "columns: got 'unit_id, label', expected either prediction_id, or unit_id and event_time"),
    ("unit_id,event_time,label\nu,,1\n", "row 2: event_time: got '', expected an ISO 8601 time with an offset"),
    ("", "columns: got '', expected a column label"),
    ("prediction_id,label\n", "got 'no rows', expected at least one label"),
    ('prediction_id,label\n"x\n', "row 2: got 'unexpected end of data', expected comma-separated values"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_wrong_is_named_and_nothing_is_written(logs: Logs, tmp_path: Path, text: str, said: str) -> None:
    """File, row, column, value and what was expected, in one sentence; the log is as it was."""
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        put(logs, path)
    assert str(caught.value).startswith(f"{path}: {said}")
    assert not logs.folder.exists() or files(logs) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("labels.jsonl", b"[1]\n", "row 1: got '[1]', expected a JSON object on each line"),
        ("labels.jsonl", b'{"prediction_id": 7, "label": 1}\n', "row 1: prediction_id: got 7, expected an id"),
        (
            "labels.jsonl",
            b'{"label": true}\n',
            "row 1: columns: got 'label', expected either prediction_id, or unit_id",
        ),
        ("labels.csv", b"\xff\xfe\x00", "row 1 or a little later: got 'invalid start byte', expected text in UTF-8"),
        ("labels.parquet", b"PAR1", "got "),
        ("labels.xlsx", b"", "got '.xlsx', expected a file that ends in .csv, .jsonl, .ndjson, .parquet"),
        ("labels", b"", "got 'no ending', expected a file that ends in .csv, .jsonl, .ndjson, .parquet"),
    ],
)
def test_a_file_that_is_none_is_refused(logs: Logs, tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """Another format, other bytes, or an ending nobody knows."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        put(logs, path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_a_file_that_is_not_there_is_refused(logs: Logs, tmp_path: Path) -> None:
    """Nothing, or a folder."""
    with pytest.raises(SpecError, match="got 'no such file', expected a file of labels"):
        put(logs, tmp_path / "labels.csv")
    with pytest.raises(SpecError, match="got 'a folder', expected a file of labels"):
        put(logs, tmp_path)


def test_a_mistake_in_the_last_row_leaves_nothing(logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when many segments were made before it was found."""
    monkeypatch.setattr(importing, "_BATCH_ROWS", 10)
    rows = [{"prediction_id": new_id(), "label": 1} for _ in range(50)]
    path = as_csv(tmp_path / "labels", [*rows, {"prediction_id": ONE, "label": 2}])
    with pytest.raises(SpecError, match="row 52: label: got '2', expected 0 or 1"):
        put(logs, path)
    assert files(logs) == []
    assert put(logs, path, binary=False).written == 51


def predict(logs: Logs, unit_id: str, prediction_id: str, name: str, at: datetime = SERVED) -> None:
    logs.predict([(prediction_id, 0.5, "v", 0)], name=name, unit_id=unit_id, event_time=at)


def test_a_unit_and_its_time_find_the_prediction(logs: Logs, tmp_path: Path) -> None:
    """By the log; what it does not know is counted and not written, and a later import brings it."""
    predict(logs, "UA 17", ONE, "a")
    predict(logs, "UA 17", new_id(), "b", SERVED + timedelta(minutes=1))
    row = {"event_time": SERVED.isoformat(), "label": 1}
    path = as_csv(tmp_path / "labels", [{"unit_id": "UA 17"} | row, {"unit_id": "DL 1"} | row])
    assert put(logs, path) == Imported(rows=2, written=1, known=0, unmatched=1)
    assert kept(logs) == [(ONE, 1.0, SERVED)]
    predict(logs, "DL 1", TWO, "c")
    assert put(logs, path).unmatched == 0
    assert {one for one, _, _ in kept(logs)} == {ONE, TWO}


def test_a_personal_unit_is_found_by_its_hash(logs: Logs, tmp_path: Path) -> None:
    """The log does not hold the id; who may import labels of it knows how it is called there."""
    predict(logs, "blake2:17", ONE, "a")
    path = as_csv(tmp_path / "labels", [{"unit_id": "N17", "event_time": SERVED.isoformat(), "label": 1}])
    assert put(logs, path, also=lambda unit: unit.replace("N", "blake2:")).written == 1


def test_two_predictions_of_a_unit_at_one_time_are_told_apart_by_id_alone(logs: Logs, tmp_path: Path) -> None:
    """A label that could be of either is of neither."""
    predict(logs, "u", ONE, "a")
    predict(logs, "u", TWO, "b")
    path = as_csv(tmp_path / "labels", [{"unit_id": "u", "event_time": SERVED.isoformat(), "label": 1}])
    said = r"row 2: unit_id: got 'u at 2013-05-01T03:00:00\+00:00', expected one prediction of the unit at this time"
    with pytest.raises(SpecError, match=said):
        put(logs, path)
