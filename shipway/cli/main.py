"""The `shipway` command: puts the verb groups together and turns a refusal into one line and an exit code."""

import sys

import typer

from shipway.cli import new, release, replay, status, train
from shipway.contract.errors import ShipwayError, SpecError

__all__ = ["app", "main"]

app = typer.Typer(
    name="shipway",
    help="Put a model on the road: train, release, promote, roll back, watch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (new, train, release, status, replay):
    group.register(app)


def main() -> None:
    """Runs the command; exit code 1 for a refusal, 2 for wrong input, 130 for Ctrl-C."""
    try:
        app()
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
