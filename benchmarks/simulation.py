"""How long one look takes to judge: `python -m benchmarks.simulation [--looks 2000] [--simulate 10000]`.

The looks are those of simulated rollouts, one second of 200 requests/s with every kind of event in both slots, so that
no e-process is spared. With `--simulate` that many rollouts, spread over all scenarios, run under every rule as well.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict

import numpy as np

from shipway.contract.evidence import Sample
from shipway.contract.model import RolloutSpec, SloSpec
from shipway.delivery.evidence import steps
from shipway.delivery.evidence.gate import Rules, sample_of
from shipway.delivery.simulate.scenarios import SCENARIOS
from shipway.delivery.simulate.table import run
from shipway.delivery.simulate.traffic import Traffic

__all__ = ["look_milliseconds", "main"]

LOOK_AT_MOST_MILLISECONDS = 0.2
SIMULATION_AT_MOST_SECONDS = 300.0
_SEED = 1
# 25 % of the traffic: both slots have some of every event at most looks.
_STEP_INDEX = 2


def look_milliseconds(looks: int) -> tuple[float, float]:
    """Returns the median time to decide one look, and to decide it and tell what every gate says."""
    rules, traffic, chance = Rules.of_route(RolloutSpec(), SloSpec()), Traffic(), np.random.default_rng(_SEED)
    begun = steps.begin(rules).changed(step_index=_STEP_INDEX)
    progress, decided, told = begun, list[float](), list[float]()
    for second in range(looks):
        candidate, live = traffic.draw(chance, None, float(second), 1.0, rules.rollout.steps_percent[_STEP_INDEX] / 100)
        sample = sample_of(asdict(candidate), asdict(live))
        assert isinstance(sample, Sample)
        start = time.perf_counter()
        decision = steps.advance(rules, progress, sample, 0.0)
        between = time.perf_counter()
        assert decision.verdicts
        end = time.perf_counter()
        decided.append(between - start)
        told.append(end - start)
        # Kept where it is: no look moves it, because no time passes.
        progress = decision.progress
    return statistics.median(decided) * 1e3, statistics.median(told) * 1e3


def main() -> int:
    """Prints the figures as JSON; exit code 1 when one misses its bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=2000, help="how many looks to time (default: 2000)")
    parser.add_argument("--simulate", type=int, default=0, help="how many rollouts to simulate (default: none)")
    chosen = parser.parse_args()
    decided, told = look_milliseconds(chosen.looks)
    figures = {"look_milliseconds": round(decided, 4), "look_with_verdicts_milliseconds": round(told, 4)}
    missed = decided > LOOK_AT_MOST_MILLISECONDS
    if chosen.simulate:
        each = -(-chosen.simulate // len(SCENARIOS))
        start = time.monotonic()
        run(SCENARIOS, each, _SEED)
        seconds = time.monotonic() - start
        figures |= {"rollouts": each * len(SCENARIOS), "simulation_seconds": round(seconds, 1)}
        missed = missed or seconds > SIMULATION_AT_MOST_SECONDS
    print(json.dumps(figures))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
