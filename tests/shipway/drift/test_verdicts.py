"""The file of verdicts: whole lines, in order, each once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.contract.drift import DriftKind, DriftSpan, DriftStatus, DriftVerdict, WindowName
from shipway.contract.errors import SpecError
from shipway.drift.store import Store
from shipway.drift.verdicts import VerdictFile


def line(sequence: int) -> str:
    return DriftVerdict(
        sequence=sequence,
        time="2013-05-07T00:00:00+00:00",
        model="toy",
        version="v",
        window=DriftSpan(name=WindowName.DAY, start="2013-05-06T00:00:00+00:00", end="2013-05-07T00:00:00+00:00"),
        kind=DriftKind.INPUT,
        segment="",
        feature="x",
        statistic="psi",
        score=0.5,
        low=0.5,
        high=None,
        threshold=0.1,
        p_value=0.001,
        found=True,
        status=DriftStatus.DRIFTED,
        importance=0.7,
        mean=1.0,
        reference_mean=0.0,
        n_reference=6000,
        n_current=480,
    ).model_dump_json()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "counts.sqlite")
    yield opened
    opened.close()


def judge(store: Store, many: int, start: int = 0) -> None:
    with store.change():
        store.judge(("v", "asked", "day", ""), start, "{}", lambda first: [line(first + one) for one in range(many)])


def numbers(file: VerdictFile) -> list[int]:
    return [one.sequence for one in file.read()]


def test_each_verdict_is_written_once_and_in_order(store: Store, tmp_path: Path) -> None:
    """The numbers go on in the next process, though the store forgets what the file holds."""
    file = VerdictFile(tmp_path / "drift" / "verdicts.jsonl")
    assert (file.follow(store), numbers(file)) == (0, [])
    judge(store, 3)
    assert (file.follow(store), file.follow(store), numbers(file)) == (3, 0, [1, 2, 3])
    assert [number for number, _ in store.verdicts(0)] == [3]
    judge(store, 2, start=24)
    assert VerdictFile(tmp_path / "drift" / "verdicts.jsonl").follow(store) == 2
    assert numbers(file) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kept", [0, 1, 40, 300])
def test_a_line_that_was_torn_is_written_again_whole(store: Store, tmp_path: Path, kept: int) -> None:
    """Wherever the process died while it wrote, a reader finds whole lines, and the next process the rest."""
    path = tmp_path / "verdicts.jsonl"
    judge(store, 1)
    VerdictFile(path).follow(store)
    judge(store, 2, start=24)
    with path.open("ab") as stream:
        stream.write(f"{line(2)}\n{line(3)}"[: len(line(2)) + 1 + kept].encode())
    assert numbers(VerdictFile(path)) == [1, 2]
    assert VerdictFile(path).follow(store) == 1
    assert numbers(VerdictFile(path)) == [1, 2, 3]


def test_the_file_is_bounded(store: Store, tmp_path: Path) -> None:
    """The older half goes when it is too large; what is left are whole lines, the newest among them."""
    file = VerdictFile(tmp_path / "verdicts.jsonl", largest_bytes=10_000)
    for hour in range(200):
        judge(store, 1, start=hour)
        file.follow(store)
    found = numbers(file)
    assert found == list(range(found[0], 201))
    assert (tmp_path / "verdicts.jsonl").stat().st_size <= 10_000
    assert len(found) > 5


def test_a_line_of_somebody_else_is_said(tmp_path: Path) -> None:
    """The file has one writer; what is no verdict is refused with the place and what was expected."""
    path = tmp_path / "verdicts.jsonl"
    path.write_text('{"sequence": "one"}\n')
    with pytest.raises(SpecError, match=r"verdicts\.jsonl") as refused:
        numbers(VerdictFile(path))
    assert refused.value.path == str(path) or refused.value.path == path
