"""What every look saw, one line each: what `shipway explain` reads; nothing is decided from it."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from shipway.contract.rollout import Look, Move
from shipway.delivery.failpoints import reach

__all__ = ["KEPT_ROLLOUTS", "History", "Thinning", "first_looks", "parse_looks", "read_history"]

# A quiet step brings little news: after its first minutes a line every ten seconds is enough.
_DENSE_SECONDS, _DENSE_EVERY_SECONDS, _SPARSE_EVERY_SECONDS = 300.0, 1.0, 10.0
# Looks of so many rollouts are kept of each model, a megabyte or two each; what the ledger says of older ones stays.
KEPT_ROLLOUTS = 50


class Thinning:
    """Which looks are kept: each that moved something, and otherwise about one a second."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def keeps(self, look: Look, now_seconds: float) -> bool:
        """Returns whether `look` is to be kept; the time is on a clock that only grows."""
        dense = look.step_elapsed_seconds < _DENSE_SECONDS
        every = _DENSE_EVERY_SECONDS if dense else _SPARSE_EVERY_SECONDS
        if look.move is Move.HOLD and now_seconds - self._last.get(look.model, -every) < every:
            return False
        self._last[look.model] = now_seconds
        return True


class History:
    """Files `<model>/<rollout>.jsonl` below `folder`; a line that cannot be written is lost, and the caller told."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._thinning = folder, Thinning()

    def add(self, look: Look, now_seconds: float) -> None:
        """Writes a look, if it is one that is kept.

        Args:
            look: what to write.
            now_seconds: on a clock that only grows.

        Raises:
            OSError: when the disk is full or the folder cannot be written.
        """
        if not self._thinning.keeps(look, now_seconds):
            return
        path = self._folder / look.model / f"{look.rollout:06d}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            for old in sorted(path.parent.glob("*.jsonl"))[: 1 - KEPT_ROLLOUTS]:
                old.unlink(missing_ok=True)
        reach("history_before_write")
        # One write of a whole line: readers and a crash see all of it or a last line without its end.
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, look.model_dump_json().encode() + b"\n")
        finally:
            os.close(handle)
        reach("history_after_write")


def first_looks(folder: Path) -> Iterator[Look]:
    """Yields the first look of every rollout that is kept, of all models."""
    for path in sorted(folder.glob("*/*.jsonl")):
        if path.stem.isdigit():
            yield from islice(read_history(folder, path.parent.name, int(path.stem)), 1)


def read_history(folder: Path, model: str, rollout: int) -> Iterator[Look]:
    """Yields the looks of one rollout in order; a line that a crash cut off is passed over."""
    path = folder / model / f"{rollout:06d}.jsonl"
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        yield from parse_looks(lines)


def parse_looks(lines: Iterable[str]) -> Iterator[Look]:
    """Yields the looks that `lines` hold; one that is no look is passed over."""
    for line in lines:
        try:
            yield Look.model_validate_json(line)
        except ValidationError:
            continue
