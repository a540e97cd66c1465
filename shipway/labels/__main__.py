"""`python -m shipway.labels serve`: what the supervisor starts."""

import argparse
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.labels.process import serve, serve_cluster

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs the one verb; returns 1 for a refusal, with one line that says why."""
    parser = argparse.ArgumentParser(prog="python -m shipway.labels", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    meaning = "join late labels to predictions and count them until SIGTERM"
    verb = verbs.add_parser("serve", help=meaning, description=meaning)
    verb.add_argument("--root", type=Path, help="of a local stack: the project's folder")
    verb.add_argument("--env", help="of a local stack: the environment, such as local")
    verb.add_argument("--config", type=Path, help="on a cluster: the file that Pulumi wrote")
    verb.add_argument("--metrics-port", type=int, help="on a cluster: where Prometheus and the probes ask")
    verb.add_argument("--output", type=Path, help="on a cluster: the folder for what is said of each model")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
