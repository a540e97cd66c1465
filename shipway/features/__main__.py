"""`python -m shipway.features VERB`: what whoever deploys runs, a load test, and a slot's pod before it starts."""

import argparse
import json
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.features.keys import online_keys
from shipway.features.registration import register
from shipway.features.repository import apply, check

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when the features are (now) in place, 1 when not, with the reason on standard error."""
    options = _parser().parse_args(arguments)
    features = options.features.resolve()
    problems: list[str] = []
    try:
        if options.verb == "apply":
            print("applied " + ", ".join(apply(options.service.resolve(), features)))
        elif options.verb == "register":
            print("registered " + ", ".join(register(options.bundle.resolve(), features)))
        elif options.verb == "keys":
            print(json.dumps(online_keys(features, options.view)))
        else:
            problems = check(options.service.resolve(), features)
    except (ShipwayError, OSError) as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.features", description=main.__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, source, named, text in (
        ("apply", "--service", "the service's folder", "register what a checkout declares"),
        ("check", "--service", "the service's folder", "say what `apply` would have to do"),
        ("register", "--bundle", "the bundle's folder, named by its digest", "register what a bundle declares"),
    ):
        one = verbs.add_parser(verb, help=text, description=text)
        one.add_argument(source, type=Path, required=True, help=named)
        one.add_argument("--features", type=Path, required=True, help="the feature repository's folder")
    text = "print which keys have values online, as JSON"
    one = verbs.add_parser("keys", help=text, description=text)
    one.add_argument("--view", action="append", required=True, help="of which view; may be given again")
    one.add_argument("--features", type=Path, required=True, help="the feature repository's folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
