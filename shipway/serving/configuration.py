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
_OPTIONAL = ("served_routes", "artifacts", "store", "described")


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
        served_routes: the routes that delivery wrote, which say what is live; None where there are none to read.
        artifacts: the artifact store with the live bundle; None likewise.
        store: the model's folder in the object store that its logs go to; None where they stay in `predictions`.
        described: what the logs are judged by, which is put beside them in the store; None where nobody asks there.
    """

    bundle: Path
    slot: Slot
    predictions: Path
    features: Path
    tier: Tier
    served_routes: Path | None = None
    artifacts: Path | None = None
    store: str | None = None
    described: Path | None = None

    @property
    def digest(self) -> str:
        """The bundle's digest, as its folder says; whether it is true was verified before the code was imported."""
        return f"sha256:{self.bundle.name}"

    def environment(self) -> dict[str, str]:
        """Returns the variables that `from_environment` reads."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {f"{_PREFIX}{name.upper()}": str(value) for name, value in values.items() if value is not None}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Returns the configuration of this process.

        Raises:
            SpecError: naming the first variable that is missing.
        """
        names = {field.name: f"{_PREFIX}{field.name.upper()}" for field in fields(cls)}
        for field, name in names.items():
            if field not in _OPTIONAL and not environment.get(name):
                raise SpecError("environment", name, "nothing", "a value; `python -m shipway.serving` sets it")
        values = {field: environment.get(name, "") for field, name in names.items()}
        return cls(
            bundle=Path(values["bundle"]),
            slot=Slot(values["slot"]),
            predictions=Path(values["predictions"]),
            features=Path(values["features"]),
            tier=Tier(values["tier"]),
            served_routes=Path(values["served_routes"]) if values["served_routes"] else None,
            artifacts=Path(values["artifacts"]) if values["artifacts"] else None,
            store=values["store"] or None,
            described=Path(values["described"]) if values["described"] else None,
        )
