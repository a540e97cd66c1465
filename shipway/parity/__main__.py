"""`python -m shipway.parity VERB`: what the supervisor starts, and the child processes of a comparison."""
# pyarrow ships no types.
# pyright: reportUnknownVariableType=false

import argparse
import os
import sys
import time
from pathlib import Path

from shipway.contract.documents import parse, read_json, write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout
from shipway.parity.process import EVERY_SECONDS, serve
from shipway.parity.running import Question

__all__ = ["main"]

# A comparison never takes the time of a slot that answers requests.
_NICE = 10


def main(arguments: list[str]) -> int:
    """Runs one verb; returns 1 for a refusal, with one line that says why."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.verb == "serve":
            serve(chosen.root.resolve(), chosen.env, chosen.every_seconds)
        elif chosen.verb == "look":
            os.nice(_NICE)
            from shipway.parity.looking import look
            from shipway.parity.running import compared

            layout = LocalLayout(chosen.root.resolve(), chosen.env)
            write_atomic(chosen.out, look(layout, compared, _say, time.time()).model_dump_json())
        else:
            os.nice(_NICE)
            question = parse(Question, read_json(chosen.question), chosen.question)
            if chosen.verb == "compare":
                from shipway.parity.comparing import answer

                write_atomic(chosen.out, answer(question).model_dump_json())
            else:
                from shipway.parity.recording import record

                print(record(question, chosen.out))
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.parity", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    meaning = "compare a sample of what is newly logged, until SIGTERM"
    served = verbs.add_parser("serve", help=meaning, description=meaning)
    meaning = "sample what is newly logged, compare what is due, and write what was found"
    look = verbs.add_parser("look", help=meaning, description=meaning)
    look.add_argument("--out", type=Path, required=True, help="the file to write")
    for verb in (served, look):
        verb.add_argument("--root", type=Path, required=True, help="the project's folder")
        verb.add_argument("--env", required=True, help="the environment, such as local")
    served.add_argument(
        "--every-seconds", type=float, default=EVERY_SECONDS, help=f"between two looks, {EVERY_SECONDS:g} by default"
    )
    for name, meaning in (
        ("compare", "compare one version's predictions and write the report"),
        ("record", "write one version's predictions with the offline rows they need"),
    ):
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.add_argument("--question", type=Path, required=True, help="a running.Question as JSON")
        verb.add_argument("--out", type=Path, required=True, help="the file to write")
    return parser


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
