"""What the contract costs beside a bare BentoML service: `python -m benchmarks.serving [--rounds 5] [--models echo]`.

Three ways to serve the same model in one process each: a bare BentoML service (`benchmarks.bare`), a slot under
BentoML with everything on, and a slot under `direct`. Sixteen connections ask as fast as they are answered; the ways
take turns in blocks of a second and a half, so that whatever the machine does hits all. `echo` costs nothing, so what
is around a model decides; `flight-delay` is the reference service with its trees and eight features from the store.
Beside the answers stands the processor time of each, which depends less on what else the machine does.
"""

import argparse
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.load import Load, Told, load
from benchmarks.served import ECHO, FLIGHT_DELAY, Served, processes, requests, trained
from shipway.contract.metrics import PREDICTION_LOG_DROPPED_TOTAL

__all__ = ["main"]

SERVICES = {"echo": ECHO, "flight-delay": FLIGHT_DELAY}
WAYS = ("bare", "bentoml", "direct")
CONNECTIONS = 16
AT_LEAST_OF_BARE_RATIO = 0.95
AT_LEAST_DIRECT_RATIO = 8.0


@dataclass(frozen=True)
class Cost:
    """What one way did, the medians of its blocks.

    Args:
        per_second: answers.
        cpu_microseconds: of processor time for each.
    """

    per_second: float
    cpu_microseconds: float


def measure(model: str, rounds: int, ways: tuple[str, ...] = WAYS) -> dict[str, Cost]:
    """Prints what each way did with `model`, and returns it by way.

    Raises:
        RuntimeError: when an answer was none, or a slot lost a record of its log.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-serving-") as folder:
        scratch = Path(folder)
        print(f"{model}: training", flush=True)
        made, features = trained(SERVICES[model], scratch)
        asked = requests(made)
        told: dict[str, list[Told]] = {way: [] for way in ways}
        with processes(made, features, ways, scratch) as served:
            for one in served:
                _block(one, asked)
            for _ in range(rounds):
                for one in served:
                    told[one.name].append(_block(one, asked))
            _nothing_lost(served)
    found: dict[str, Cost] = {}
    for way, blocks in told.items():
        if failures := {status: count for block in blocks for status, count in block.failures.items()}:
            raise RuntimeError(f"{model} under {way} answered {failures}")
        found[way] = cost = Cost(
            statistics.median(block.per_second for block in blocks),
            statistics.median(block.cpu_microseconds for block in blocks),
        )
        rate, cpu = (
            f"{cost.per_second:8.0f} answers a second",
            f"{cost.cpu_microseconds:6.0f} us of processor time each",
        )
        print(f"{model:13} {way:8} {rate}   {cpu}", flush=True)
    return found


def _nothing_lost(served: Sequence[Served]) -> None:
    # A runtime that drops its records is fast.
    for one in served:
        page = httpx.get(f"http://127.0.0.1:{one.port}/metrics").text
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == PREDICTION_LOG_DROPPED_TOTAL and sample.value:
                    raise RuntimeError(f"{one.name} dropped {sample.value:.0f} records of its log")


def _block(one: Served, asked: list[bytes]) -> Told:
    return load(Load(one.port, one.process.pid, asked, CONNECTIONS))


def _judge(name: str, one: Cost, bare: Cost, at_least: float | None) -> bool:
    ratio, cpu = one.per_second / bare.per_second, bare.cpu_microseconds / one.cpu_microseconds
    missed = at_least is not None and ratio < at_least
    bound = f", at least {at_least}" if at_least is not None else ""
    print(
        f"{name:40} {ratio:6.2f} times the answers{bound}; {cpu:.2f} by processor time{'   MISSED' if missed else ''}"
    )
    return missed


def main() -> int:
    """Runs the measurement; exit code 1 when a ratio misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="blocks of each way")
    parser.add_argument("--models", nargs="+", choices=list(SERVICES), default=list(SERVICES))
    options = parser.parse_args()
    # Told to stop, it ends its processes first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    missed = False
    for model in options.models:
        cost = measure(model, options.rounds)
        direct = AT_LEAST_DIRECT_RATIO if model == "echo" else None
        missed |= _judge(f"{model}: everything on / bare", cost["bentoml"], cost["bare"], AT_LEAST_OF_BARE_RATIO)
        missed |= _judge(f"{model}: direct / bare BentoML", cost["direct"], cost["bare"], direct)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
