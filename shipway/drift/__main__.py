"""`python -m shipway.drift serve`: what the supervisor and a pod start."""

import sys

from shipway.drift.process import serve, serve_cluster
from shipway.observability.command import run_worker_command

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs the one verb; returns 1 for a refusal, with one line that says why."""
    meaning = "count and judge the logs of every model until SIGTERM"
    return run_worker_command("drift", meaning, arguments, serve, serve_cluster)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
