"""Counts of what a slot sees, in the bins of its version: a row is kept in a list, and counted with many others."""

import struct
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.drift.bins import Bins, Counted

__all__ = ["BATCH_ROWS", "Counters"]

# Rows that wait to be counted together. A row of 50 numbers costs about half a microsecond in such a batch, and the
# thread that fills it stands still for a third of a millisecond.
BATCH_ROWS = 512


class Counters:
    """Counts rows in bins; any number of threads add, no row is lost or counted twice.

    What waits and what is counted each change by one step that the interpreter does not divide: a thread that is
    ended in the middle of counting leaves the batch to the next one. That next one sees from the two numbers of rows
    (removed from the front of the list, and counted) what is left to do.

    Args:
        bins: where each column counts.
        batch_rows: how many rows are counted together.
    """

    def __init__(self, bins: Bins, batch_rows: int = BATCH_ROWS) -> None:
        self.bins = bins
        self._batch_rows = batch_rows
        self._pack = struct.Struct(f"{len(bins.fields)}d").pack
        # The first item is how many rows were removed from the front since the start; the rows follow, as bytes.
        self._waiting: list[bytes | int] = [0]
        self._counted: tuple[int, Counted] = (0, bins.zero)
        self._lock = Lock()

    def add(self, row: Sequence[float]) -> None:
        """Counts one row: a value for each field of the bins, by `FieldBins.code`.

        Raises:
            struct.error: when the row has another number of values, or one that is no number; it is not counted.
        """
        self._waiting.append(self._pack(*row))
        if len(self._waiting) > self._batch_rows:
            self.flush()

    def flush(self) -> None:
        """Counts every row that waits."""
        with self._lock:
            waiting = self._waiting[:]
            removed, (known, counted) = waiting[0], self._counted
            assert isinstance(removed, int)
            rows = waiting[1 + known - removed :]
            if rows:
                self._counted = (known + len(rows), counted + self.bins.count(self._matrix(rows)))
            self._waiting[: len(waiting)] = [removed + len(waiting) - 1]

    def read(self) -> Counted:
        """Returns what was counted of every row so far."""
        self.flush()
        return self._counted[1]

    def _matrix(self, rows: list[Any]) -> NDArray[np.float64]:
        return np.frombuffer(b"".join(rows), dtype=np.float64).reshape(len(rows), len(self.bins.fields))
