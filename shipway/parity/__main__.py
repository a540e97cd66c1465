"""`python -m shipway.parity VERB`: what the supervisor and a pod start, and the child processes of a comparison."""
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
from shipway.observability.command import add_place, misplaced
from shipway.parity.process import EVERY_SECONDS, serve, serve_cluster
from shipway.parity.running import UNANSWERED, Question, Unanswered

__all__ = ["main"]

# A comparison never takes the time of a slot that answers requests.
_NICE = 10


def main(arguments: list[str]) -> int:
    """Runs one verb; returns 1 for a refusal, with one line that says why, and 75 where it may be asked again."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.verb in ("serve", "look") and (refused := misplaced(chosen)):
        parser.error(refused)
    try:
        if chosen.verb == "serve" and chosen.config:
            serve_cluster(chosen.config, chosen.metrics_port, chosen.output, chosen.every_seconds)
        elif chosen.verb == "serve":
            serve(chosen.root.resolve(), chosen.env, chosen.every_seconds)
        elif chosen.verb == "look":
            os.nice(_NICE)
            _look(chosen)
        else:
            os.nice(_NICE)
            question = parse(Question, read_json(chosen.question), chosen.question)
            if chosen.verb == "compare":
                from shipway.parity.comparing import answer

                write_atomic(chosen.out, answer(question).model_dump_json())
            else:
                from shipway.parity.recording import record

                print(record(question, chosen.out))
    except Unanswered as error:
        print(f"error: {error.strerror}", file=sys.stderr)
        return UNANSWERED
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _look(chosen: argparse.Namespace) -> None:
    from shipway.parity.looking import look
    from shipway.parity.running import compared

    now_seconds = time.time()
    if chosen.config:
        from shipway.contract.worker_settings import read_worker_settings
        from shipway.parity.stored import StoredStack

        stack = StoredStack(read_worker_settings(chosen.config), chosen.output, _say, now_seconds)
    else:
        from shipway.parity.stacks import LocalStack

        stack = LocalStack(LocalLayout(chosen.root.resolve(), chosen.env), _say, now_seconds)
    write_atomic(chosen.out, look(stack, compared, _say, now_seconds).model_dump_json())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.parity", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    meaning = "compare a sample of what is newly logged, until SIGTERM"
    served = verbs.add_parser("serve", help=meaning, description=meaning)
    meaning = "sample what is newly logged, compare what is due, and write what was found"
    look = verbs.add_parser("look", help=meaning, description=meaning)
    look.add_argument("--out", type=Path, required=True, help="the file to write")
    add_place(served)
    add_place(look, has_metrics=False)
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
