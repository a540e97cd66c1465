"""`python -m shipway.delivery serve|prepare|cluster`: what the supervisor starts, and what a pod runs."""

import argparse
import sys
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.delivery.process import prepare, serve

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs one of the verbs; returns 1 for a refusal, with one line that says why."""
    parser = argparse.ArgumentParser(prog="python -m shipway.delivery", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, meaning in (
        ("serve", "own the route weights of a local stack until SIGTERM"),
        ("prepare", "write the gateway's files where they are missing, then become the command after --"),
    ):
        verb = verbs.add_parser(name, help=meaning, description=meaning)
        verb.add_argument("--root", type=Path, required=True, help="the project's folder")
        verb.add_argument("--env", required=True, help="the environment, such as local")
        if name == "prepare":
            verb.add_argument("command", nargs="+", help="the gateway's command line, after --")
    meaning = "own the route weights of an environment on a cluster until SIGTERM"
    verb = verbs.add_parser("cluster", help=meaning, description=meaning)
    verb.add_argument("--config", type=Path, required=True, help="the file that Pulumi wrote")
    verb.add_argument("--metrics-port", type=int, required=True, help="where Prometheus and the probes ask")
    verb.add_argument("--kubeconfig", type=Path, help="the way to the cluster; by default that of the pod it runs in")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.verb == "serve":
            serve(chosen.root.resolve(), chosen.env)
        elif chosen.verb == "cluster":
            from shipway.delivery.cluster.process import serve_cluster  # a laptop's stack has no use for it

            serve_cluster(chosen.config, chosen.metrics_port, chosen.kubeconfig)
        else:
            prepare(chosen.root.resolve(), chosen.env, chosen.command)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
