"""`make preview`: what the next deployment would change; with JSON=1 the engine's JSON is all of standard output."""

import argparse
from pathlib import Path

from shipway.contract.environment import load_environment
from tools import environment, report
from tools.engine import Stack

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Runs the verb."""
    parser = argparse.ArgumentParser(prog="make preview", description=__doc__)
    parser.add_argument("--env", default="local")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--policies", action="store_true", help="under the policy pack of this repository")
    options = parser.parse_args()
    # Before the engine makes a file and a stack for a name that was mistyped.
    load_environment(ROOT, options.env)
    stack = Stack(ROOT, options.env, environment.load(ROOT))
    stack.ensure()
    return stack.preview(as_json=options.json, policies=options.policies)


if __name__ == "__main__":
    report.fail_clearly(main)
