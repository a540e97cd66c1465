"""Real slots under load and faults, and whether they grow: `python -m benchmarks.soak --minutes 30`.

Two models, each under both runtimes: `flight-delay` with its features, and `echo`, whose model raises for one number.
Callers ask at random times; at random they send what is no request, ask for the failing number, or leave: in the
middle of a request, or before its answer. At random the feature store's tables are gone for a second or two.

Memory (USS: what ends with the process) and descriptors are read once a second. The first third is warm-up; of the
rest, the median of each of thirty spans of time enters a Theil-Sen regression (the median of all slopes between two
spans), which no single pause or flush can bend. A slope is a share of the median in an hour, at most 1 %, with its
95 % interval: the run misses when the interval lies wholly above 1 %, and says "too short to tell" when 1 % is inside.
"""
# scipy ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import argparse
import asyncio
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
from scipy import stats

from benchmarks.load import request
from benchmarks.served import ECHO, FLIGHT_DELAY, Served, processes, requests, trained

__all__ = ["main"]

SERVICES = {"echo": ECHO, "flight-delay": FLIGHT_DELAY}
AT_MOST_RATIO_PER_HOUR = 0.01
SPANS = 30
CALLERS = 4
LONGEST_PAUSE_SECONDS = 0.04
FAILING = request(b'{"rows": [{"x": 999}]}')
BAD = [
    request(body)
    for body in (b"{", b"[]", b'{"rows": []}', b'{"rows": [{"x": NaN}]}', b"\xff", b'{"rows": [{"x": "1", "y": {}}]}')
]


@dataclass
class Watched:
    """One slot and what was seen of it.

    Args:
        served: the process.
        asked: valid requests.
        fails: whether its model has a number that it fails for.
        answers: how often each status came; 0 is a caller that left.
        readings: seconds, bytes of memory and descriptors, once a second.
    """

    served: Served
    asked: list[bytes]
    fails: bool
    answers: Counter[int] = field(default_factory=Counter[int])
    readings: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])


async def caller(slot: Watched, chance: random.Random, until: float) -> None:
    """Asks one slot until the time is over; whatever the connection does, the next one is a new one."""
    while time.monotonic() < until:
        try:
            await _connected(slot, chance, until)
        except (OSError, asyncio.IncompleteReadError):
            slot.answers[0] += 1


async def _connected(slot: Watched, chance: random.Random, until: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", slot.served.port)
    try:
        while time.monotonic() < until:
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
            drawn, asked = chance.random(), chance.choice(slot.asked)
            if drawn < 0.05:
                asked = chance.choice(BAD)
            elif drawn < 0.10 and slot.fails:
                asked = FAILING
            if drawn > 0.98:
                writer.write(asked[: chance.randrange(1, len(asked))] if drawn < 0.99 else asked)
                slot.answers[0] += 1
                return
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r", 1)[0]
            await reader.readexactly(int(length))
            slot.answers[int(head[9:12])] += 1
    finally:
        writer.transport.abort()


async def break_store(folder: Path, chance: random.Random, until: float) -> None:
    """Takes the feature store's tables away for a moment, and gives them back."""
    while time.monotonic() < until - 5:
        await asyncio.sleep(chance.uniform(2, 8))
        _rename(folder, "gone_")
        try:
            await asyncio.sleep(chance.uniform(0.5, 2))
        finally:
            _rename(folder, "")


def _rename(folder: Path, prefix: str) -> None:
    with closing(sqlite3.connect(folder / "online.db", timeout=10)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            to = f"{prefix}{name.removeprefix('gone_')}"
            if to != name:
                connection.execute(f'ALTER TABLE "{name}" RENAME TO "{to}"')


async def watch(slot: Watched, until: float) -> None:
    """Reads memory and descriptors once a second."""
    process = psutil.Process(slot.served.process.pid)
    while time.monotonic() < until:
        memory = cast(Any, process.memory_full_info()).uss
        slot.readings.append((time.monotonic(), int(memory), process.num_fds()))
        await asyncio.sleep(1)


def slope(readings: Sequence[tuple[float, int, int]], column: int) -> tuple[float, float, float]:
    """Returns the growth in an hour as a share of the median, and its 95 % interval.

    >>> readings = [(float(second), 1000 + second, 7) for second in range(3600)]
    >>> round(slope(readings, 1)[0], 3), slope(readings, 2)[0]
    (1.059, 0.0)
    """
    values = np.array(readings, dtype=np.float64)
    spans = np.array_split(values[len(values) // 3 :], SPANS)
    seconds = np.array([np.median(span[:, 0]) for span in spans])
    levels = np.array([np.median(span[:, column]) for span in spans])
    found = cast(Any, stats.theilslopes(levels, seconds))
    hourly = 3600 / float(np.median(levels))
    return float(found.slope * hourly), float(found.low_slope * hourly), float(found.high_slope * hourly)


def judge(slot: Watched, model: str) -> bool:
    """Prints what was seen of one slot, and returns whether it grew for certain."""
    name, missed = f"{model} under {slot.served.name}", False
    answered = ", ".join(f"{count} x {status or 'left'}" for status, count in sorted(slot.answers.items()))
    print(f"{name:24} {answered}")
    for column, what, unit in ((1, "memory", 1 << 20), (2, "descriptors", 1)):
        ratio, low, high = slope(slot.readings, column)
        level = np.median([reading[column] for reading in slot.readings]) / unit
        word = "" if high <= AT_MOST_RATIO_PER_HOUR else "   too short to tell"
        if low > AT_MOST_RATIO_PER_HOUR:
            word, missed = "   MISSED", True
        print(f"  {what:12} {level:7.1f}   {ratio:+8.2%} an hour, from {low:+.2%} to {high:+.2%}{word}", flush=True)
    return missed


async def run(slots: Sequence[Watched], stores: Sequence[Path], minutes: float, seed: int) -> None:
    """Loads and watches all slots for some minutes."""
    until = time.monotonic() + minutes * 60
    chance = random.Random(seed)  # noqa: S311 (no secret)
    work = [caller(slot, random.Random(chance.random()), until) for slot in slots for _ in range(CALLERS)]  # noqa: S311
    work += [watch(slot, until) for slot in slots] + [break_store(store, chance, until) for store in stores]
    work.append(_progress(until))
    await asyncio.gather(*work)


async def _progress(until: float) -> None:
    while (left := until - time.monotonic()) > 0:
        print(f"{left / 60:.0f} minutes left", file=sys.stderr, flush=True)
        await asyncio.sleep(min(60, left))


def soak(models: Sequence[str], minutes: float, seed: int) -> bool:
    """Prints what was seen of each slot, and returns whether one grew for certain, or ended."""
    with tempfile.TemporaryDirectory(prefix="shipway-soak-") as folder, ExitStack() as stack:
        slots, names, stores = list[Watched](), list[str](), list[Path]()
        for model in models:
            scratch = Path(folder) / model
            scratch.mkdir()
            print(f"{model}: training", file=sys.stderr, flush=True)
            made, features = trained(SERVICES[model], scratch)
            for served in stack.enter_context(processes(made, features, ("bentoml", "direct"), scratch)):
                slots.append(Watched(served, requests(made), fails=model == "echo"))
                names.append(model)
            if made.spec.features.reads:
                stores.append(features)
        asyncio.run(run(slots, stores, minutes, seed))
        ended = [slot.served.name for slot in slots if slot.served.process.poll() is not None]
    missed = [judge(slot, name) for slot, name in zip(slots, names, strict=True)]
    if ended:
        print(f"ended: {', '.join(ended)}   MISSED")
    return any(missed) or bool(ended)


def main() -> int:
    """Runs the soak; exit code 1 when a slot grew for certain, or ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--models", nargs="+", choices=list(SERVICES), default=list(SERVICES))
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    options = parser.parse_args()
    # Told to stop, it ends its slots first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return int(soak(options.models, options.minutes, options.seed))


if __name__ == "__main__":
    sys.exit(main())
