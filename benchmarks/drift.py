"""Drift beside Evidently and NannyML, and how often it is wrong: `python -m benchmarks.drift [--only PART] [--json]`.

Every way measures the same rows in a process of its own, one after the other; the peers have environments of their own
in the tool cache, as `tools/evidently` and `tools/nannyml` pin them. Evidently is asked for PSI alone, and for PSI, KS
and Wasserstein of raw rows; NannyML for KS, Jensen-Shannon and Wasserstein; Shipway measures these and chi-squared.
Then months without drift, shifts that must be found, and intervals against scipy.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.drift_months import false_alarms, found_within_two
from benchmarks.drift_peer import FIELDS
from tests.shipway.drift.test_statistics import holds, random_pair
from tools import pinned, programs, report

__all__ = ["PARTS", "main"]

ROOT = Path(__file__).resolve().parents[1]
_SEED = 20261127
LIVE_AT_MOST_SECONDS, LIVE_AT_LEAST_RATIO = 0.005, 5000.0
EVIDENTLY_AT_LEAST_RATIO, NANNYML_AT_LEAST_RATIO, MEMORY_AT_MOST_RATIO = 100.0, 10.0, 0.01
ALARMS_AT_MOST_PER_MONTH, FOUND_AT_LEAST_RATIO = 1.0, 0.95

Figures = dict[str, float]
PARTS = ("peers", "months", "power", "intervals")


def measured(way: str, rows: int) -> Figures:
    """Returns what one way says of itself; see `benchmarks.drift_peer`."""
    name = way.partition("_")[0]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    alone: list[str] = []
    if name in pinned.PEERS:
        env["PYTHONPATH"] = str(pinned.peer(ROOT, programs.cache_folder(os.environ), name))
        alone = ["-S"]
    with report.step(way, f"{rows:,} rows of {FIELDS} features"):
        words = [sys.executable, *alone, str(ROOT / "benchmarks" / "drift_peer.py"), way, str(rows)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"error: {way} ended with {done.returncode}, expected figures: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peers(rows: int) -> tuple[Figures, list[str]]:
    """Returns the ratios, and which are missed."""
    ours, psi = measured("shipway", rows), measured("evidently_psi", rows)
    evidently, nannyml = measured("evidently", rows), measured("nannyml", rows)
    figures = {
        "rows": float(rows),
        "live_seconds": ours["live_seconds"],
        "first_live_seconds": ours["first_live_seconds"],
        "evidently_psi_seconds": psi["seconds"],
        "live_ratio": psi["seconds"] / ours["live_seconds"],
        "raw_seconds": ours["seconds"],
        "raw_extra_mib": ours["extra_mib"],
        "evidently_seconds": evidently["seconds"],
        "evidently_extra_mib": evidently["extra_mib"],
        "evidently_ratio": evidently["seconds"] / ours["seconds"],
        "memory_ratio": ours["extra_mib"] / evidently["extra_mib"],
        "nannyml_seconds": nannyml["seconds"],
        "nannyml_ratio": nannyml["seconds"] / ours["seconds"],
    }
    bounds = {
        "live_seconds": figures["live_seconds"] <= LIVE_AT_MOST_SECONDS,
        "live_ratio": figures["live_ratio"] >= LIVE_AT_LEAST_RATIO,
        "evidently_ratio": figures["evidently_ratio"] >= EVIDENTLY_AT_LEAST_RATIO,
        "nannyml_ratio": figures["nannyml_ratio"] >= NANNYML_AT_LEAST_RATIO,
        "memory_ratio": figures["memory_ratio"] <= MEMORY_AT_MOST_RATIO,
    }
    return figures, [name for name, kept in bounds.items() if not kept]


def months(count: int) -> tuple[Figures, list[str]]:
    """Returns how often hourly windows without drift alarm, a month."""
    services = max(1, min(8, count // 50))
    found = false_alarms(np.random.default_rng(_SEED), services, count, lambda said: report.say("months", said))
    per_month = found.alarms / found.months
    figures = {
        "months": float(found.months),
        "alarms_per_month": per_month,
        "judged_ratio": found.judged_ratio,
        "found_ratio": found.found_ratio,
        "fields_judged": float(found.fields_judged),
    }
    return figures, [] if per_month <= ALARMS_AT_MOST_PER_MONTH else ["alarms_per_month"]


def power(seeds: int) -> tuple[Figures, list[str]]:
    """Returns how often a shift of 0.2 standard deviations is a verdict after two windows of 2,000 rows."""
    with report.step("power", f"{seeds} seeds"):
        found, others = found_within_two(np.random.default_rng(_SEED), seeds)
    figures = {"seeds": float(seeds), "found_within_two_ratio": found, "others_each": others}
    return figures, [] if found >= FOUND_AT_LEAST_RATIO else ["found_within_two_ratio"]


def intervals(cases: int) -> tuple[Figures, list[str]]:
    """Returns in how many random cases scipy's statistic of the values lies outside of its certified interval."""
    chance = np.random.default_rng(_SEED)
    with report.step("intervals", f"{cases:,} cases"):
        outside = sum(bool(holds(random_pair(chance))) for _ in range(cases))
    return {"cases": float(cases), "outside": float(outside)}, ["outside"] if outside else []


def main(arguments: list[str]) -> int:
    """Prints every figure; returns 1 when one misses its bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows that every way measures")
    parser.add_argument("--months", type=int, default=1000, help="simulated months without drift")
    parser.add_argument("--seeds", type=int, default=500, help="shifts that must be found")
    parser.add_argument("--cases", type=int, default=10_000, help="pairs of samples whose intervals must hold")
    parser.add_argument("--only", choices=PARTS, help="run one part")
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON")
    chosen = parser.parse_args(arguments)
    parts = {
        "peers": lambda: peers(chosen.rows),
        "months": lambda: months(chosen.months),
        "power": lambda: power(chosen.seeds),
        "intervals": lambda: intervals(chosen.cases),
    }
    figures, missed = Figures(), list[str]()
    for name in PARTS:
        if chosen.only in (None, name):
            found, below = parts[name]()
            figures, missed = figures | found, missed + below
    if chosen.json:
        print(json.dumps(figures | {"missed": missed}))
    else:
        for name, value in figures.items():
            print(f"{name:<26}{value:>16,.6g}{'  MISSED' if name in missed else ''}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
