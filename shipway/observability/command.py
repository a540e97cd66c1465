"""The one verb of a worker that runs on a laptop and on a cluster: `python -m shipway.<package> serve`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["add_place", "misplaced", "run_worker_command"]

_HERE = ("root", "env")


def add_place(verb: argparse.ArgumentParser, *, has_metrics: bool = True) -> None:
    """Adds the options that say where a worker is: on a laptop, or on a cluster, there with or without metrics."""
    verb.add_argument("--root", type=Path, help="of a local stack: the project's folder")
    verb.add_argument("--env", help="of a local stack: the environment, such as local")
    verb.add_argument("--config", type=Path, help="on a cluster: the file that Pulumi wrote")
    if has_metrics:
        verb.add_argument("--metrics-port", type=int, help="on a cluster: where Prometheus and the probes ask")
    verb.add_argument("--output", type=Path, help="on a cluster: the folder for what it writes while it runs")


def misplaced(chosen: argparse.Namespace) -> str:
    """Returns what is wrong with the options of `add_place`; empty when they are all those of one place alone."""
    there = tuple(name for name in ("config", "metrics_port", "output") if name in chosen)
    given = {name for name in (*_HERE, *there) if vars(chosen)[name] is not None}
    if given in (set(_HERE), set(there)):
        return ""
    *most, last = (f"--{name.replace('_', '-')}" for name in there)
    return f"expected --root and --env, or {', '.join(most)} and {last}"


def run_worker_command(
    package: str,
    meaning: str,
    arguments: list[str],
    serve: Callable[[Path, str], None],
    serve_cluster: Callable[[Path, int, Path], None],
) -> int:
    """Runs the verb, and returns 0 when it was told to stop, 1 for a refusal, with one line that says why.

    Args:
        package: below `shipway`.
        meaning: what the verb does.
        arguments: of the command line.
        serve: takes the project and the environment of a local stack.
        serve_cluster: takes the file of its settings, the port of its metrics and the folder for what it writes.
    """
    parser = argparse.ArgumentParser(prog=f"python -m shipway.{package}", description=meaning)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("serve", help=meaning, description=meaning)
    add_place(verb)
    chosen = parser.parse_args(arguments)
    if refused := misplaced(chosen):
        parser.error(refused)
    try:
        if chosen.config is None:
            serve(chosen.root.resolve(), chosen.env)
        else:
            serve_cluster(chosen.config, chosen.metrics_port, chosen.output)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
