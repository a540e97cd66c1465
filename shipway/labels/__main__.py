"""`python -m shipway.labels serve`: what the supervisor and a pod start."""

import sys

from shipway.labels.process import serve, serve_cluster
from shipway.observability.command import run_worker_command

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Runs the one verb; returns 1 for a refusal, with one line that says why."""
    meaning = "join late labels to predictions and count them until SIGTERM"
    return run_worker_command("labels", meaning, arguments, serve, serve_cluster)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
