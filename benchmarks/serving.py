"""What the contract costs beside a bare BentoML service: `python -m benchmarks.serving [--rounds 5] [--models echo]`.

Three ways to serve the same model in one process each: a bare BentoML service (`benchmarks.bare`), a slot under
BentoML with everything on, and a slot under `direct`. Sixteen connections ask as fast as they are answered; the ways
take turns in blocks of a second and a half, so that whatever the machine does hits all. `echo` costs nothing, so what
is around a model decides; `flight-delay` is the reference service with its trees and eight features from the store.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.load import Load, Told, load
from benchmarks.served import ECHO, FLIGHT_DELAY, Served, processes, requests, trained

__all__ = ["main"]

SERVICES = {"echo": ECHO, "flight-delay": FLIGHT_DELAY}
WAYS = ("bare", "bentoml", "direct")
CONNECTIONS = 16
AT_LEAST_OF_BARE_RATIO = 0.95
AT_LEAST_DIRECT_RATIO = 8.0


def measure(model: str, rounds: int, ways: tuple[str, ...] = WAYS) -> dict[str, float]:
    """Prints what each way did with `model`, and returns answers a second by way, the median of `rounds`."""
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
    for way, blocks in told.items():
        if failures := {status: count for block in blocks for status, count in block.failures.items()}:
            raise RuntimeError(f"{model} under {way} answered {failures}")
        rate = statistics.median(block.per_second for block in blocks)
        cpu = statistics.median(block.cpu_microseconds for block in blocks)
        print(f"{model:13} {way:8} {rate:8.0f} answers a second   {cpu:6.0f} us of processor time each", flush=True)
    return {way: statistics.median(block.per_second for block in blocks) for way, blocks in told.items()}


def _block(one: Served, asked: list[bytes]) -> Told:
    return load(Load(one.port, one.process.pid, asked, CONNECTIONS))


def _judge(name: str, ratio: float, at_least: float | None) -> bool:
    missed = at_least is not None and ratio < at_least
    bound = f"   at least {at_least}" if at_least is not None else ""
    print(f"{name:44} {ratio:6.2f}{bound}{'   MISSED' if missed else ''}")
    return missed


def main() -> int:
    """Runs the measurement; exit code 1 when a ratio misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="blocks of each way")
    parser.add_argument("--models", nargs="+", choices=list(SERVICES), default=list(SERVICES))
    options = parser.parse_args()
    missed = False
    for model in options.models:
        rate = measure(model, options.rounds)
        missed |= _judge(f"{model}: everything on / bare", rate["bentoml"] / rate["bare"], AT_LEAST_OF_BARE_RATIO)
        trivial = model == "echo"
        missed |= _judge(
            f"{model}: direct / bare BentoML", rate["direct"] / rate["bare"], AT_LEAST_DIRECT_RATIO if trivial else None
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
