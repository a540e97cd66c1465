"""`python -m shipway.features apply|check --service FOLDER --features FOLDER`, for the program that deploys."""

import argparse
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.features.repository import apply, check

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when the service's features are (now) in place, 1 when not, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m shipway.features", description=main.__doc__)
    parser.add_argument("action", choices=("apply", "check"))
    parser.add_argument("--service", type=Path, required=True, help="the service's folder")
    parser.add_argument("--features", type=Path, required=True, help="the feature repository's folder")
    options = parser.parse_args(arguments)
    try:
        if options.action == "apply":
            print("applied " + ", ".join(apply(options.service.resolve(), options.features.resolve())))
            return 0
        problems = check(options.service.resolve(), options.features.resolve())
    except (ShipwayError, OSError) as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
