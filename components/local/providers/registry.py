"""RegistrySchema: MLflow's tables in a SQLite file."""

import subprocess
import sys
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from shipway.contract.errors import ShipwayError

__all__ = ["RegistrySchema"]


def _tables(action: str, props: Props) -> subprocess.CompletedProcess[str]:
    # Its own process: MLflow and Pulumi want different threads, and three seconds of imports belong to the first `up`
    # alone. Training makes the tables by the same call, so whichever comes first makes them for both.
    return subprocess.run(
        [sys.executable, "-m", "shipway.training.tables", action, props["path"]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class RegistryProvider(LocalProvider):
    """CRUD of the tables; what is registered in them is never touched."""

    identity = ("path",)

    def key(self, props: Props) -> str:
        return str(props["path"])

    def put(self, props: Props, before: Props) -> Props:
        done = _tables("create", props)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ShipwayError(f"the registry cannot be made: {reason}")
        return {}

    def look(self, props: Props) -> str:
        return IN_PLACE if _tables("check", props).returncode == 0 else "removed"

    def drop(self, props: Props) -> None:
        """Keeps the registry: it is the memory of what was trained on what."""


class RegistrySchema(LocalResource, module="shipway", name="RegistrySchema"):
    """The model registry at `path`, ready for a client."""

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions) -> None:
        super().__init__(RegistryProvider(), name, {"path": str(path)}, (), opts)
