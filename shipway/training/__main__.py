"""`python -m shipway.training follow|aliases`: the registry's aliases follow the ledger."""

import argparse
import sys
from pathlib import Path

from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs one of the two verbs; returns 1 for a refusal, with one line that says why."""
    parser = argparse.ArgumentParser(prog="python -m shipway.training", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, meaning in (
        ("follow", "bring the aliases up to date after each new entry of the ledger, until SIGTERM"),
        ("aliases", "bring the aliases of every model up to date, once"),
    ):
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.add_argument("--root", type=Path, required=True, help="the project's folder")
        verb.add_argument("--env", required=True, help="the environment, such as local")
    chosen = parser.parse_args(arguments)
    root = chosen.root.resolve()
    try:
        load_environment(root, chosen.env)
        if chosen.verb == "follow":
            # The one that stays is small: it imports neither the other nor what that needs.
            from shipway.training.follow import follow

            follow(root, chosen.env)
        else:
            from shipway.training.aliases import bring_up_to_date

            bring_up_to_date(LocalLayout(root, chosen.env), print)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
