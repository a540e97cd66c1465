"""`python -m shipway.retraining serve|wake|run|train`: what starts a run, here or on a cluster, a run, its training."""

import argparse
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout

__all__ = ["main"]

_SERVES = "start retrainings by schedule and on verdicts, or on a cluster show what their jobs say, until SIGTERM"


def main(arguments: list[str]) -> int:
    """Runs one of the verbs; returns 1 for a refusal, with one line that says why."""
    # Each is imported where it runs: the scheduler stays small, and what trains loads within its limits.
    if arguments[:1] == ["serve"]:
        from shipway.observability.command import run_worker_command
        from shipway.retraining.process import serve
        from shipway.retraining.watching import serve_cluster

        return run_worker_command("retraining", _SERVES, arguments, serve, serve_cluster)
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.verb == "wake":
            from shipway.retraining.pod import Pod, wake

            identity = chosen.identity
            return wake(Pod(chosen.config, chosen.volume, chosen.repository_token, chosen.api_server, identity))
        root = chosen.root.resolve()
        if chosen.verb == "run":
            from shipway.retraining.run import Retraining, retrain

            # The scheduler ends a run by SIGTERM: what trains below it, and its temporary files, go with it.
            signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
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
    # Its arguments are those of every worker.
    verbs.add_parser("serve", help=_SERVES)
    wake = verbs.add_parser("wake", help="look once what is due of a cluster's model, and carry it out")
    for name, says in (
        ("--config", "the file that Pulumi wrote"),
        ("--volume", "the folder that outlives the pod"),
        ("--repository-token", "the file with the token that may push branches"),
        ("--identity", "the folder with the ServiceAccount's token and ca.crt"),
    ):
        wake.add_argument(name, type=Path, required=True, help=says)
    wake.add_argument("--api-server", required=True, help="where the API server answers")
    run = verbs.add_parser("run", help="carry out one run of the scheduler")
    train = verbs.add_parser("train", help="train within limits; only a run starts it")
    for verb in (run, train):
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
