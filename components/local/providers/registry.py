"""RegistrySchema: MLflow's tables in a SQLite file."""

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, suppress
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
        # Made beside and moved in whole: a migration that was interrupted half-way cannot be continued.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
            made = Path(folder) / path.name
            done = subprocess.run(
                [sys.executable, "-c", _CREATE, f"sqlite:///{made}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if done.returncode != 0 or not _has_schema(made):
                said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
                raise ShipwayError(f"{path}: MLflow does not create its tables: {said}")
            # A training run may have been faster: its registry stays.
            with suppress(FileExistsError):
                path.hardlink_to(made)
        if not _has_schema(path):
            raise ShipwayError(f"{path}: found a file without MLflow's tables, expected a registry or no file; move it")
        return {}

    def look(self, props: Props) -> str:
        return IN_PLACE if _has_schema(Path(props["path"])) else "removed"

    def drop(self, props: Props) -> None:
        """Keeps the registry: it is the memory of what was trained on what."""


class RegistrySchema(LocalResource, module="shipway", name="RegistrySchema"):
    """The model registry at `path`, ready for a client."""

    def __init__(self, name: str, path: Path, opts: pulumi.ResourceOptions) -> None:
        super().__init__(RegistryProvider(), name, {"path": str(path)}, (), opts)
