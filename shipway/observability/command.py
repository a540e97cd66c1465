"""The one verb of a worker that runs on a laptop and on a cluster: `python -m shipway.<package> serve`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["run_worker_command"]


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
    verb.add_argument("--root", type=Path, help="of a local stack: the project's folder")
    verb.add_argument("--env", help="of a local stack: the environment, such as local")
    verb.add_argument("--config", type=Path, help="on a cluster: the file that Pulumi wrote")
    verb.add_argument("--metrics-port", type=int, help="on a cluster: where Prometheus and the probes ask")
    verb.add_argument("--output", type=Path, help="on a cluster: the folder for what it writes while it runs")
    chosen = parser.parse_args(arguments)
    here, there = (chosen.root, chosen.env), (chosen.config, chosen.metrics_port, chosen.output)
    if (None in here) == (None in there) or not {*here, *there} & {None}:
        parser.error("expected --root and --env, or --config, --metrics-port and --output")
    try:
        if None in there:
            serve(chosen.root.resolve(), chosen.env)
        else:
            serve_cluster(*there)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
