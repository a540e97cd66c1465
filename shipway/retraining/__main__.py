"""`python -m shipway.retraining serve|run|train`: the scheduler, one run, and the process in which it trains."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs one of the verbs; returns 1 for a refusal, with one line that says why."""
    chosen = _parser().parse_args(arguments)
    root = chosen.root.resolve()
    try:
        # Each is imported where it runs: the scheduler stays small, and what trains loads within its limits.
        if chosen.verb == "serve":
            from shipway.retraining.process import serve

            serve(root, chosen.env)
            return 0
        if chosen.verb == "run":
            from shipway.retraining.run import Retraining, retrain

            job = Retraining(root, chosen.env, chosen.model, chosen.reason, run=chosen.run)
            return 1 if retrain(job, _say, lambda: datetime.now(UTC)).failed else 0
        from shipway.retraining.trainer import Order, train_here
        from shipway.training.settings import parse_overrides

        order = Order(
            LocalLayout(root, chosen.env),
            root / "services" / chosen.service,
            datetime.fromisoformat(chosen.as_of),
            chosen.reason,
            chosen.live,
            parse_overrides(chosen.set or []),
            chosen.rehearse,
        )
        return train_here(order, chosen.result, chosen.memory_mib, chosen.parent)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shipway.retraining", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve = verbs.add_parser("serve", help="start retrainings by schedule and on verdicts until SIGTERM")
    run = verbs.add_parser("run", help="carry out one run of the scheduler")
    train = verbs.add_parser("train", help="train within limits; only a run starts it")
    for verb in (serve, run, train):
        verb.add_argument("--root", type=Path, required=True, help="the project's folder")
        verb.add_argument("--env", required=True, help="the environment, such as local")
    for verb in (run, train):
        verb.add_argument("--reason", required=True, help="why")
    run.add_argument("--model", required=True, help="the model's name")
    run.add_argument("--run", required=True, help="the run's number")
    for name, says in (("--service", "its folder"), ("--as-of", "the newest moment"), ("--live", "the champion")):
        train.add_argument(name, required=True, help=says)
    train.add_argument("--result", type=Path, required=True, help="the file to write")
    train.add_argument("--memory-mib", type=int, required=True, help="how much memory it may hold")
    train.add_argument("--parent", type=int, required=True, help="the process without which it ends")
    train.add_argument("--set", action="append", metavar="KEY=VALUE", help="a setting of the plan")
    train.add_argument("--rehearse", action="store_true", help="register nothing")
    return parser


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
