"""Target files: which addresses of a model Prometheus scrapes; it sees a changed one by itself."""

import json
from collections.abc import Mapping

from shipway.contract.metrics import Slot

__all__ = ["model_targets"]


def model_targets(model: str, environment: str, addresses: Mapping[Slot, str]) -> str:
    """Returns the target file of one model.

    Args:
        model: its name.
        environment: the environment's name.
        addresses: slot -> host:port, of the filled slots alone: an empty one is no failing target.
    """
    groups = [
        {"targets": [address], "labels": {"env": environment, "model": model, "slot": str(slot)}}
        for slot, address in addresses.items()
    ]
    return json.dumps(groups, indent=2) + "\n"
