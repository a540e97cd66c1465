"""The `shipway` command's entry: turns a refusal into one line and an exit code."""

import sys

from shipway.contract.errors import ShipwayError, SpecError

__all__ = ["main"]


def main() -> None:
    """Runs the command; exit code 1 for a refusal, 2 for wrong input, 130 for Ctrl-C."""
    try:
        from shipway.cli.app import app  # inside, so that Ctrl-C while it loads is caught as well

        app()
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted before it began", file=sys.stderr)
        sys.exit(130)
