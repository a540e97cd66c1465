"""The external programs of a local stack, found on PATH."""

import shutil
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["ALERTMANAGER", "AMTOOL", "ENVOY", "PROMETHEUS", "PROMTOOL", "program"]

ALERTMANAGER, AMTOOL, ENVOY, PROMETHEUS, PROMTOOL = "alertmanager", "amtool", "envoy", "prometheus", "promtool"


def program(name: str) -> str:
    """Returns the absolute path of an external program.

    The link is followed to the versioned file, so that another version restarts what runs the old one.

    Raises:
        ShipwayError: when it is not on PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ShipwayError(f"{name}: not found on PATH, expected it there; run `make setup` and `source .shipway/env`")
    return str(Path(found).resolve())
