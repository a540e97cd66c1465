"""`python -m shipway.drift serve`: what the supervisor starts."""

import argparse
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.drift.process import serve

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs the one verb; returns 1 for a refusal, with one line that says why."""
    parser = argparse.ArgumentParser(prog="python -m shipway.drift", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    meaning = "count and judge the logs of every model until SIGTERM"
    verb = verbs.add_parser("serve", help=meaning, description=meaning)
    verb.add_argument("--root", type=Path, required=True, help="the project's folder")
    verb.add_argument("--env", required=True, help="the environment, such as local")
    chosen = parser.parse_args(arguments)
    try:
        serve(chosen.root.resolve(), chosen.env)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
