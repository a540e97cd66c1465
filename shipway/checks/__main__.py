"""`python -m shipway.checks --question FILE`: the child process that serves a bundle and asks it."""

import argparse
import os
import sys
from pathlib import Path

from shipway.checks.question import Question, Said
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Writes a `question.Said` a line to standard output; returns 1 when the bundle cannot be served or read."""
    parser = argparse.ArgumentParser(prog="python -m shipway.checks", description=__doc__)
    parser.add_argument("--question", type=Path, required=True, help="a question.Question as JSON")
    options = parser.parse_args(arguments)
    # What the service's own code prints must not be taken for a finding.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(said: Said) -> None:
        print(said.model_dump_json(), file=told, flush=True)

    try:
        from shipway.checks.asking import answer

        answer(parse(Question, read_json(options.question), options.question), say)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
