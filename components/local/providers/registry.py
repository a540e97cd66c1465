"""RegistrySchema: MLflow's tables in a SQLite file."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pulumi

from components.local.providers.base import IN_PLACE, LocalProvider, LocalResource, Props
from shipway.contract.errors import ShipwayError

__all__ = ["RegistrySchema"]

# The first call of a client creates the schema; its own process, for MLflow and Pulumi want different threads and
# three seconds of imports belong to the first `up` alone.
_CREATE = "import sys, mlflow; mlflow.MlflowClient(sys.argv[1], sys.argv[1]).search_registered_models(max_results=1)"


def _has_schema(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            return bool(database.execute("select version_num from alembic_version").fetchone())
    except sqlite3.Error:
        return False


class RegistryProvider(LocalProvider):
    """CRUD of the tables; what is registered in them is never touched."""

    identity = ("path",)

    def key(self, props: Props) -> str:
        return str(props["path"])

    def put(self, props: Props, before: Props) -> Props:
        path = Path(props["path"])
        if _has_schema(path):
            return {}
        path.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", _CREATE, f"sqlite:///{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0 or not _has_schema(path):
            said = done.stderr.strip().splitlines()
            raise ShipwayError(f"{path}: MLflow does not create its tables: {said[-1] if said else 'it said nothing'}")
        return {}

    def look(self, props: Props) -> str:
        return IN_PLACE if _has_schema(Path(props["path"])) else "removed"

    def drop(self, props: Props) -> None:
        """Keeps the registry: it is the memory of what was trained on what."""


class RegistrySchema(LocalResource, module="shipway", name="RegistrySchema"):
    """The model registry at `path`, ready for a client."""

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions) -> None:
        super().__init__(RegistryProvider(), name, {"path": str(path)}, (), opts)
