"""`python -m shipway.serving`: one slot's process, as the supervisor starts it."""

import sys

from shipway.contract.errors import ShipwayError
from shipway.serving.launch import main

if __name__ == "__main__":
    try:
        main()
    except (ShipwayError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
