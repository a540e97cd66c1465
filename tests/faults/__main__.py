"""`python -m tests.faults F4 7`: one fault with one seed on real processes; the result is one line of JSON."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.faults.registry import FAULTS
from tests.faults.run import carry_out

# The logs of a run that failed, from their ends.
LOG_BYTES = 2000


def main() -> int:
    """Carries out one run and prints its result; `--list` prints the faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("fault", nargs="?", choices=sorted(FAULTS))
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--list", action="store_true", help="print each fault's number and title")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the run's files")
    chosen = parser.parse_args()
    if chosen.list:
        print(json.dumps({name: fault.title for name, fault in FAULTS.items()}))
        return 0
    if chosen.fault is None or chosen.seed is None:
        parser.error("expected a fault and a seed, or --list")
    with tempfile.TemporaryDirectory(prefix="shipway-fault-") as scratch:
        root = (chosen.keep or Path(scratch)) / f"{chosen.fault}-{chosen.seed}"
        problems, notes = carry_out(FAULTS[chosen.fault], root, chosen.seed)
        logs = {path.name: path.read_bytes()[-LOG_BYTES:].decode(errors="replace") for path in root.glob("*.log")}
    print(json.dumps({"problems": problems, "notes": notes, "logs": logs if problems else {}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
