"""`python -m shipway.delivery.simulate`: the table of what becomes of good and bad versions, under each rule."""

import argparse
import json
import sys
import time
from collections.abc import Callable

from shipway.delivery.simulate.scenarios import SCENARIOS
from shipway.delivery.simulate.table import as_text, run

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs what the arguments ask for and prints the table, or its JSON as the last line of stdout."""
    parser = argparse.ArgumentParser(
        prog="python -m shipway.delivery.simulate",
        description="Simulate rollouts under the production decision and under the rules of other tools.",
        epilog='example: python -m shipway.delivery.simulate --rollouts 1000 --scenario "errors 1%% -> 2%%"',
    )
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--rollouts", type=_at_least_one, default=100, help="of each scenario (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed brings the same table (default: 1)")
    parser.add_argument("--scenario", action="append", choices=names, metavar="NAME", help="only this one; repeatable")
    parser.add_argument("--workers", type=_at_least_one, help="processes (default: one for each core)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--list", action="store_true", help="print the scenarios' names and end")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(names))
        return 0
    wanted = [scenario for scenario in SCENARIOS if not chosen.scenario or scenario.name in chosen.scenario]
    began = time.monotonic()
    rows = run(wanted, chosen.rollouts, chosen.seed, chosen.workers, _progress())
    seconds = time.monotonic() - began
    print(f"{chosen.rollouts * len(wanted):,} rollouts under each rule in {seconds:.1f} s", file=sys.stderr)
    print(json.dumps([row.as_json() for row in rows]) if chosen.json else as_text(rows))
    return 0


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: expected at least 1")
    return number


def _progress() -> Callable[[int, int], None]:
    """Returns what says how far the run is, once for each tenth of it."""
    told = 0

    def say(finished: int, total: int) -> None:
        nonlocal told
        if finished * 10 // total > told:
            told = finished * 10 // total
            print(f"{finished:,} of {total:,} rollouts", file=sys.stderr, flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
