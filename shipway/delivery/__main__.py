"""`python -m shipway.delivery serve|prepare`: what the supervisor starts."""

import argparse
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.delivery.process import prepare, serve

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs one of the two verbs; returns 1 for a refusal, with one line that says why."""
    parser = argparse.ArgumentParser(prog="python -m shipway.delivery", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, meaning in (
        ("serve", "own the route weights of a local stack until SIGTERM"),
        ("prepare", "write the gateway's files where they are missing, then become the command after --"),
    ):
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.add_argument("--root", type=Path, required=True, help="the project's folder")
        verb.add_argument("--env", required=True, help="the environment, such as local")
        if name == "prepare":
            verb.add_argument("command", nargs="+", help="the gateway's command line, after --")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "serve":
            serve(chosen.root.resolve(), chosen.env)
        else:
            prepare(chosen.root.resolve(), chosen.env, chosen.command)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
