"""What a slot's process is told: which bundle, which slot, where to write. Handed over in the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

from shipway.contract.environment import Tier
from shipway.contract.errors import SpecError
from shipway.contract.metrics import Slot

__all__ = ["SlotConfiguration"]

_PREFIX = "SHIPWAY_SLOT_"


@dataclass(frozen=True)
class SlotConfiguration:
    """One slot's process.

    BentoML creates a service without arguments, in this process or in workers of its own, so the configuration
    travels in environment variables on every target.

    Args:
        bundle: the bundle's folder in the artifact store, named by its digest.
        slot: blue or green.
        predictions: the folder of the model's prediction log and labels.
        features: the folder of the feature store.
        tier: only `local` believes a request's `x-event-time`.
    """

    bundle: Path
    slot: Slot
    predictions: Path
    features: Path
    tier: Tier

    @property
    def digest(self) -> str:
        """The bundle's digest, as its folder says; whether it is true was verified before the code was imported."""
        return f"sha256:{self.bundle.name}"

    def environment(self) -> dict[str, str]:
        """Returns the variables that `from_environment` reads."""
        return {f"{_PREFIX}{field.name.upper()}": str(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Returns the configuration of this process.

        Raises:
            SpecError: naming the first variable that is missing.
        """
        names = {field.name: f"{_PREFIX}{field.name.upper()}" for field in fields(cls)}
        for name in names.values():
            if not environment.get(name):
                raise SpecError("environment", name, "nothing", "a value; `python -m shipway.serving` sets it")
        values = {field: environment[name] for field, name in names.items()}
        return cls(
            bundle=Path(values["bundle"]),
            slot=Slot(values["slot"]),
            predictions=Path(values["predictions"]),
            features=Path(values["features"]),
            tier=Tier(values["tier"]),
        )
