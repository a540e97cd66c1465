"""What monitoring costs: `python -m benchmarks.monitoring [--turns 200]`.

Fifty features a row, fifty quantile bins a feature beside two tails and null. Counting a row is compared with
prometheus_client's counters, their children looked up once and kept (one `bisect` and one `inc` a feature); the page
is compared with what prometheus_client writes of the same counts. Each figure is the least of several turns, for
whatever else the machine does only adds.
"""

import argparse
import gzip
import sys
import time
from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry, Counter, generate_latest

from shipway.contract.metrics import FEATURE_BIN_TOTAL
from shipway.drift.bins import Bins, FieldBins
from shipway.drift.counters import Counters
from shipway.drift.exposition import Exposition
from shipway.training.drift_reference import histogram

__all__ = ["main"]

FEATURES, BINS, ROWS, TURNS = 50, 50, 1024, 7
AT_MOST_MICROSECONDS = 1.0
AT_LEAST_FASTER_RATIO = 8.0
WHO = {"model": "flight-delay", "version": "0123456789ab", "slot": "blue"}
Row = tuple[float, ...]


def least_seconds(work: Callable[[], object], turns: int = TURNS) -> float:
    """Returns the least time that `work` took."""
    found: list[float] = []
    for _ in range(turns):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def make() -> Bins:
    """Returns the bins of fifty normal features."""
    generator = np.random.default_rng(0)
    names = [f"weather_v1:feature_{number:02}" for number in range(FEATURES)]
    return Bins([FieldBins.of(name, histogram(generator.normal(size=20_000), BINS)) for name in names])


def cached(bins: Bins, registry: CollectorRegistry) -> Callable[[list[Row]], None]:
    """Returns what counts rows with prometheus_client, its children made before."""
    name = FEATURE_BIN_TOTAL.removesuffix("_total")
    counter = Counter(name, "Values by bin.", (*WHO, "feature", "bin"), registry=registry)
    children = [
        (one.edges.tolist(), [counter.labels(*WHO.values(), one.name, label) for label in one.labels])
        for one in bins.fields
    ]

    def count(rows: list[Row]) -> None:
        for row in rows:
            for value, (edges, places) in zip(row, children, strict=True):
                places[bisect_right(edges, value)].inc()

    return count


def ours(bins: Bins, rows: list[Row]) -> Counters:
    """Returns the counters after all rows, none waiting."""
    counters = Counters(bins)
    for row in rows:
        counters.add(row)
    counters.flush()
    return counters


def measure(turns: int) -> bool:
    """Prints all figures and returns whether one misses its bound."""
    bins = make()
    # Few enough rows to stay in the processor's cache: a served row was parsed a moment ago.
    rows: list[Row] = [tuple(row) for row in np.random.default_rng(1).normal(size=(ROWS, FEATURES)).tolist()]
    registry = CollectorRegistry()
    peer = cached(bins, registry)
    row_us = least_seconds(lambda: ours(bins, rows), turns) / len(rows) * 1e6
    peer_us = least_seconds(lambda: peer(rows)) / len(rows) * 1e6
    counted, exposition = ours(bins, rows).read(), Exposition(bins, WHO)
    page_ms = least_seconds(lambda: exposition.page(counted)) * 1e3
    theirs_ms = least_seconds(lambda: generate_latest(registry)) * 1e3
    page, theirs = exposition.page(counted).encode(), generate_latest(registry)
    small, theirs_small = gzip.compress(page, 1), gzip.compress(theirs, 1)
    missed = row_us > AT_MOST_MICROSECONDS or theirs_ms / page_ms < AT_LEAST_FASTER_RATIO or len(page) >= len(theirs)
    print(f"a row of {FEATURES} counted        {row_us:8.2f} us   at most {AT_MOST_MICROSECONDS} us")
    print(f"  cached prometheus_client  {peer_us:8.2f} us   {peer_us / row_us:.0f} times as long")
    print(f"a page of {FEATURES} x {BINS} bins     {page_ms:8.2f} ms   {len(page) / 1000:.0f} kB")
    longer, larger = theirs_ms / page_ms, len(theirs) / len(page)
    print(
        f"  prometheus_client         {theirs_ms:8.2f} ms   {len(theirs) / 1000:.0f} kB: {longer:.0f} times as long "
        f"(at least {AT_LEAST_FASTER_RATIO:.0f}) and {larger:.2f} times as large"
    )
    sent_ms = least_seconds(lambda: gzip.compress(exposition.page(counted).encode(), 1)) * 1e3
    print(f"  as Prometheus takes it    {sent_ms:8.2f} ms   {len(small) / 1000:.1f} kB, compressed")
    print(
        f"  both compressed           {len(small) / 1000:.1f} kB and {len(theirs_small) / 1000:.1f} kB: "
        f"{len(theirs_small) / len(small):.2f} times as large"
    )
    if missed:
        print("MISSED")
    return missed


def main() -> int:
    """Runs the measurement; exit code 1 when a figure misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200, help=f"of {ROWS} rows each")
    return int(measure(parser.parse_args().turns))


if __name__ == "__main__":
    sys.exit(main())
