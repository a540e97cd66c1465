"""Verdicts are read as they are appended."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shipway.retraining.memory import Place
from shipway.retraining.verdicts import Verdict, read_added, read_new


def line(status: str = "drifted", end: str = "2013-02-10T00:00:00+00:00", **more: object) -> bytes:
    document = {"window": {"name": "day", "start": "2013-02-09T00:00:00+00:00", "end": end}, "status": status, **more}
    return json.dumps(document).encode() + b"\n"


def read(path: Path, place: Place, said: list[str] | None = None) -> tuple[list[Verdict], Place]:
    return read_new(path, place, accuracy=False, say=(said if said is not None else []).append)


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    """A line is read once; a file that is not there says nothing."""
    path = tmp_path / "verdicts.jsonl"
    assert read(path, Place()) == ([], Place())
    path.write_bytes(line())
    first, place = read(path, Place())
    assert [one.alarming for one in first] == [True]
    assert read(path, place) == ([], place)
    with path.open("ab") as file:
        file.write(line("stable"))
    again, _ = read(path, place)
    assert [one.alarming for one in again] == [False]


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    """Half a line is no verdict yet, and none is lost."""
    path, whole = tmp_path / "verdicts.jsonl", line()
    path.write_bytes(whole + whole[:20])
    found, place = read(path, Place())
    assert (len(found), place.offset) == (1, len(whole))
    path.write_bytes(whole * 2)
    assert len(read(path, place)[0]) == 1


def test_a_file_that_was_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    """By its inode, or because it is shorter than what was read."""
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(line() * 3)
    _, place = read(path, Place())
    path.write_bytes(line())
    assert len(read(path, place)[0]) == 1
    (tmp_path / "new").write_bytes(line() * 5)
    (tmp_path / "new").rename(path)
    assert len(read(path, place)[0]) == 5


def test_a_line_that_is_no_verdict_is_told_and_passed_over(tmp_path: Path) -> None:
    """The next one counts."""
    path, said = tmp_path / "verdicts.jsonl", list[str]()
    path.write_bytes(b"[1]\nnot json\n{}\n" + line())
    assert len(read(path, Place(), said)[0]) == 1
    assert len(said) == 3
    assert said[2] == f"{path}: a line is no verdict (KeyError: 'window'), expected window.end and status"


def test_a_verdict_says_what_it_found(tmp_path: Path) -> None:
    """Kind, feature, score and window are the reason that the run, the registry and the ledger carry."""
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(line(kind="input", feature="origin_weather_v1:wind_speed_mph", statistic="psi", score=0.51234))
    [found], _ = read(path, Place())
    expected = "input drift in origin_weather_v1:wind_speed_mph (psi 0.5123), day to 2013-02-10T00:00:00+00:00"
    assert found.reason == expected


@given(st.lists(st.integers(0, 200), max_size=10))
def test_any_chopping_reads_every_line_once(cuts: list[int]) -> None:
    """However much of the file is there at each look."""
    content = b"".join(line(end=f"2013-02-{day:02}T00:00:00+00:00") for day in range(1, 9))
    with tempfile.TemporaryDirectory() as folder:
        path, place, found, end = Path(folder) / "v", Place(), list[Verdict](), 0
        for cut in (*cuts, len(content)):
            end = min(len(content), end + cut)
            with path.open("ab") as file:
                file.write(content[path.stat().st_size : end])
            new, place = read(path, place)
            found += new
    assert [one.until.day for one in found] == list(range(1, 9))


def added(content: bytes, place: Place, said: list[str] | None = None) -> tuple[list[Verdict], Place]:
    return read_added(content, "s3://b/v", place, accuracy=False, say=(said if said is not None else []).append)


@given(st.lists(st.integers(0, 8), max_size=10), st.integers(0, 4))
def test_an_object_that_is_written_anew_is_read_once(sizes: list[int], dropped: int) -> None:
    """However much of it is there at each look, and when its older part has gone."""
    lines = [line(end=f"2013-02-{day:02}T00:00:00+00:00") for day in range(1, 9)]
    place, found = Place(), list[Verdict]()
    for size in [*sorted(sizes), 8]:
        # The last line that was read is never among those that go: its writer keeps the newer half.
        kept = min(dropped, max(len(found) - 1, 0))
        new, place = added(b"".join(lines[kept:size]), place)
        found += new
    assert [one.until.day for one in found] == list(range(1, 9))


def test_an_object_that_was_lost_is_read_from_its_beginning() -> None:
    """The last line that was read is not in it; without an object nothing is forgotten."""
    _, place = added(line() + line(end="2013-02-11T00:00:00+00:00"), Place())
    assert added(b"", place) == ([], place)
    assert len(added(line(end="2013-02-12T00:00:00+00:00"), place)[0]) == 1


def test_a_line_of_an_object_that_is_no_verdict_is_told() -> None:
    """With the object's address; the next one counts."""
    said: list[str] = []
    found, _ = added(b"{}\n" + line(), Place(), said)
    assert (len(found), said) == (
        1,
        ["s3://b/v: a line is no verdict (KeyError: 'window'), expected window.end and status"],
    )
