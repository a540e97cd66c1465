"""No row is lost and none is counted twice, whoever dies while counting."""

import ctypes
import struct
import sys
import threading
import time
from types import FrameType
from typing import Any

import numpy as np
import pytest

from shipway.bundle.reference import Histogram
from shipway.drift.bins import Bins, FieldBins
from shipway.drift.counters import Counters

REFERENCE = Histogram(edges=(0.25, 0.5, 0.75), counts=(1, 1, 1, 1), minimum=0.0, maximum=1.0)
BINS = Bins([FieldBins.of(name, REFERENCE) for name in ("x", "y")])


class Ended(Exception):
    """Ends a thread at whatever it does."""


def end(thread: threading.Thread) -> None:
    """Raises `Ended` in `thread`, between two of its instructions."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Ended))


def test_counts_are_those_of_the_bins() -> None:
    """A batch is counted when it is full, the rest when it is read; the tails keep how far they reach."""
    rows = np.random.default_rng(0).uniform(-0.5, 1.5, (1000, 2))
    counters = Counters(BINS, 64)
    for row in rows:
        counters.add(tuple(row.tolist()))
    found, expected = counters.read(), BINS.count(rows)
    assert (found.counts == expected.counts).all()
    assert found.excess == pytest.approx(expected.excess, rel=1e-12)
    assert counters.read().counts.sum() == 2000


@pytest.mark.parametrize("row", [(1.0,), (1.0, "x"), (1.0, None), (1.0, 2.0, 3.0)])
def test_a_row_that_is_none_is_refused_alone(row: tuple[float, ...]) -> None:
    """It raises where it was added; the others count."""
    counters = Counters(BINS)
    counters.add((0.1, 0.2))
    with pytest.raises(struct.error):
        counters.add(row)
    assert counters.read().counts.sum() == 2


def test_eight_threads_lose_nothing() -> None:
    """8 threads add 20,000 rows each while a ninth reads: each row counts once, and no reading is below the last."""
    counters, seen = Counters(BINS, 100), [0]
    adding = [
        threading.Thread(target=lambda value=number / 8: [counters.add((value, -value)) for _ in range(20_000)])
        for number in range(8)
    ]
    for thread in adding:
        thread.start()
    while any(thread.is_alive() for thread in adding):
        seen.append(int(counters.read().counts.sum()))
    assert seen == sorted(seen)
    expected = BINS.count(np.array([(number / 8, -number / 8) for number in range(8)])).counts * 20_000
    assert (counters.read().counts == expected).all()


def flush_until(counters: Counters, line: int) -> bool:
    """Flushes, ended before the given line of what is executed; returns whether there was such a line.

    Leaving the `with` is traced as its line a second time; no thread can be ended there, before the lock is free.
    """
    seen: list[int] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is not Counters.flush.__code__:
            return None
        if event == "line" and frame.f_lineno not in seen:
            seen.append(frame.f_lineno)
            if len(seen) == line:
                raise Ended
        return trace

    sys.settrace(trace)
    try:
        counters.flush()
    except Ended:
        return True
    finally:
        sys.settrace(None)
    return False


def test_counting_that_ends_at_any_line_is_finished_by_the_next() -> None:
    """Ended before each line of a flush in turn, the row that waited is counted once."""
    line = 1
    while True:
        counters = Counters(BINS)
        counters.add((0.1, 0.2))
        if not flush_until(counters, line):
            break
        counters.add((0.3, 0.4))
        assert counters.read().counts.sum() == 4, f"ended before line {line}"
        line += 1
    assert line == 9


def test_a_thread_that_ends_while_counting_loses_nothing() -> None:
    """100 threads are ended in the middle of a flush; what 8 others add meanwhile is counted once all the same."""
    counters, turns, added, enough = Counters(BINS, 1_000_000), [0], [0] * 8, threading.Event()

    def count() -> None:
        try:
            while True:
                counters.flush()
                turns[0] += 1
        except Ended:
            pass

    def add(number: int) -> None:
        while not enough.is_set():
            counters.add((0.5, 0.5))
            added[number] += 1
            # Lets the thread that is to be ended have its turn.
            time.sleep(0.0001)

    adding = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in adding:
        thread.start()
    for _ in range(100):
        before, flushing = turns[0], threading.Thread(target=count)
        flushing.start()
        while turns[0] == before:
            time.sleep(0)
        end(flushing)
        flushing.join(10)
        assert not flushing.is_alive()
    enough.set()
    for thread in adding:
        thread.join(10)
    assert counters.read().counts.sum() == 2 * sum(added)


def test_a_thread_that_ends_while_adding_loses_at_most_its_own_row() -> None:
    """Each adding thread says what it began and what it did; the count lies between."""
    counters, begun, done = Counters(BINS, 10), [0], [0]

    def add() -> None:
        try:
            while True:
                begun[0] += 1
                counters.add((0.5, 0.5))
                done[0] += 1
        except Ended:
            pass

    for number in range(1, 101):
        aim, thread = done[0] + 7 * number, threading.Thread(target=add)
        thread.start()
        while done[0] < aim and thread.is_alive():
            time.sleep(0)
        end(thread)
        thread.join(10)
        assert not thread.is_alive()
    found = int(counters.read().counts.sum()) // 2
    assert done[0] <= found <= begun[0] <= done[0] + 100
