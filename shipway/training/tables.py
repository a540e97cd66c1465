"""The registry's tables, made whole or not at all: `python -m shipway.training.tables create|check FILE`.

MLflow makes them in place by dozens of migrations. One that was interrupted half-way cannot be continued, and two at
once break each other; so they are made beside the file, by one process at a time, and moved in when they are complete.
"""

import argparse
import logging
import os
import shutil
import sqlite3
import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from shipway.contract.errors import ShipwayError
from shipway.contract.telemetry import MLFLOW_SILENT

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["create_tables", "has_tables", "main", "open_client"]


def has_tables(path: Path) -> bool:
    """Returns whether the SQLite file `path` is a registry."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            return bool(database.execute("select version_num from alembic_version").fetchone())
    except sqlite3.Error:
        return False


def create_tables(path: Path) -> None:
    """Makes the registry `path` with all its tables; does nothing where it is there.

    Raises:
        ShipwayError: when MLflow cannot make them, or the file is something else, which stays as it is.
    """
    from filelock import FileLock

    if has_tables(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if has_tables(path):
            return
        if path.exists():
            raise ShipwayError(f"{path}: found a file without MLflow's tables, expected a registry or no file; move it")
        scratch = path.parent / ".new"
        # What a killed run left there is of no use.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        try:
            _make(scratch / path.name)
            (scratch / path.name).rename(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def open_client(path: Path) -> "MlflowClient":
    """Returns a client of the registry in the SQLite file `path`, made first where there is none.

    The first call takes the seconds that MLflow needs to import.

    Raises:
        ShipwayError: as `create_tables`.
    """
    create_tables(path)
    return _client(path)


def _forbid_telemetry() -> None:
    """Sees to it that nothing about a training leaves the machine: MLflow asks when it is first imported."""
    os.environ.update(MLFLOW_SILENT)


def _client(path: Path) -> "MlflowClient":
    _forbid_telemetry()
    from mlflow import MlflowClient

    # Its progress on creating tables is not the person's concern.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # MLflow uses parts of SQLAlchemy that are on their way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        client = MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}")
        # The first question opens the registry's own part of the store.
        client.search_registered_models(max_results=1)
    return client


def _make(path: Path) -> None:
    """Has MLflow make its tables in the new file `path`: opening it does."""
    _forbid_telemetry()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _client(path)
    except (MlflowException, SQLAlchemyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ShipwayError(f"{path}: MLflow cannot make its tables: {reason}") from None


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 when the registry is (now) there with its tables, 1 when not, with the reason on standard error."""
    parser = argparse.ArgumentParser(prog="python -m shipway.training.tables", description=main.__doc__)
    parser.add_argument("action", choices=("create", "check"))
    parser.add_argument("path", type=Path, help="the registry's SQLite file")
    options = parser.parse_args(arguments)
    try:
        if options.action == "create":
            create_tables(options.path)
            return 0
        problem = "" if has_tables(options.path) else f"{options.path}: no registry"
    except (ShipwayError, OSError) as error:
        problem = str(error)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
