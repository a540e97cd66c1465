"""The history of looks: every move, a line a second in between, and no reader is stopped by a torn line."""

from pathlib import Path

from shipway.contract.metrics import Slot
from shipway.contract.rollout import Look, Move
from shipway.delivery.history import KEPT_ROLLOUTS, History, read_history

A, B = ("sha256:" + letter * 64 for letter in "ab")


def look(move: Move = Move.HOLD, elapsed_seconds: float = 1.0, sentence: str = "waits") -> Look:
    """Returns one look at a step of digits."""
    return Look(
        time="2026-01-01T00:00:00+00:00",
        model="digits",
        rollout=3,
        phase="stepping",
        candidate=Slot.GREEN,
        candidate_digest=B,
        live_digest=A,
        step_index=0,
        weight_percent=1,
        step_elapsed_seconds=elapsed_seconds,
        move=move,
        sentence=sentence,
    )


def test_every_move_and_one_look_a_second(tmp_path: Path) -> None:
    """Looks that hold are thinned to one a second, then to one in ten; a move is never left out."""
    history = History(tmp_path)
    for tenth in range(31):
        history.add(look(), 100 + tenth / 10)
    assert len(list(read_history(tmp_path, "digits", 3))) == 4
    history.add(look(Move.ADVANCE), 103.01)
    assert [one.move for one in read_history(tmp_path, "digits", 3)][-1] is Move.ADVANCE
    for second in range(20):
        history.add(look(elapsed_seconds=400), 200 + second)
    assert len(list(read_history(tmp_path, "digits", 3))) == 7


def test_a_line_without_its_end_is_passed_over(tmp_path: Path) -> None:
    """What a crash cut off is no look; the others are read."""
    History(tmp_path).add(look(sentence="whole"), 1)
    path = tmp_path / "digits" / "000003.jsonl"
    path.write_text(path.read_text() + path.read_text()[:40])
    assert [one.sentence for one in read_history(tmp_path, "digits", 3)] == ["whole"]


def test_a_rollout_without_a_history_has_no_looks(tmp_path: Path) -> None:
    """No file is an empty history."""
    assert list(read_history(tmp_path, "digits", 1)) == []


def test_the_newest_rollouts_of_each_model_are_kept(tmp_path: Path) -> None:
    """The first look of a new rollout removes the oldest file beyond the limit, of its own model only."""
    history = History(tmp_path)
    history.add(look().model_copy(update={"model": "other"}), 0.0)
    for number in range(KEPT_ROLLOUTS + 2):
        for second in range(2):
            history.add(look().model_copy(update={"rollout": number}), 100.0 * number + 2 * second)
    kept = [int(path.stem) for path in sorted((tmp_path / "digits").iterdir())]
    assert kept == list(range(2, KEPT_ROLLOUTS + 2))
    assert len(list(read_history(tmp_path, "digits", kept[0]))) == 2
    assert len(list(read_history(tmp_path, "other", 3))) == 1
