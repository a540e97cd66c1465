"""One Feast repository on disk: its configuration, and the registration of each service's objects."""

import hashlib
import json
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import yaml

from shipway.bundle.source import import_from
from shipway.contract.documents import read_json, write_atomic
from shipway.contract.errors import FeatureError

__all__ = [
    "PROJECT",
    "apply",
    "apply_objects",
    "check",
    "exclusive",
    "feature_store_yaml",
    "has_values",
    "open_store",
    "put_objects",
]

PROJECT = "shipway"
# How keys are written into the online store.
KEY_VERSION = 3


def feature_store_yaml() -> str:
    """Returns the text of feature_store.yaml; paths are relative to the folder it lies in."""
    return yaml.safe_dump(
        {
            "project": PROJECT,
            "provider": "local",
            # Never by the clock: a reader loads the registry again when the file has changed, and only then.
            "registry": {"registry_type": "file", "path": "registry.db", "cache_ttl_seconds": 0},
            "online_store": {"type": "sqlite", "path": "online.db"},
            "offline_store": {"type": "shipway.features.asof.AsofOfflineStore"},
            "entity_key_serialization_version": KEY_VERSION,
        },
        sort_keys=False,
    )


def open_store(folder: Path) -> Any:
    """Returns Feast's own store object for the repository in `folder`.

    Raises:
        FeatureError: when there is no repository.
    """
    if not (folder / "feature_store.yaml").is_file():
        raise FeatureError(
            f"{folder}: found no feature_store.yaml, expected a feature repository; `pulumi up` makes it"
        )
    from feast import FeatureStore

    return FeatureStore(repo_path=str(folder))


def apply(service: Path, folder: Path) -> list[str]:
    """Registers the objects of the service in `service` and returns the names of its feature views, sorted.

    Doing it again changes nothing. Values already published stay.

    Raises:
        FeatureError: when Feast refuses an object.
    """
    module = import_from(service.parent, service.name, "features")
    views = apply_objects(module.OBJECTS, folder)
    receipt = {"source_sha256": _source_hash(service), "views": views}
    write_atomic(_receipt_path(service, folder), json.dumps(receipt, sort_keys=True) + "\n")
    return views


def apply_objects(objects: Sequence[Any], folder: Path) -> list[str]:
    """Registers Feast objects in the repository in `folder` and returns the names of the feature views, sorted.

    Raises:
        FeatureError: when Feast refuses an object, or the online store is no database.
    """
    with exclusive(folder):
        # Asked first, because Feast would say it in the words of its database.
        _tables(folder / "online.db")
        views = put_objects(open_store(folder), objects, folder)
        # Readers must not wait for the writer: with a write-ahead log they see the state before it.
        with closing(sqlite3.connect(folder / "online.db")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    return views


def put_objects(store: Any, objects: Sequence[Any], folder: Path) -> list[str]:
    """Writes Feast objects to the registry of `store` and returns the names of the feature views, sorted.

    Raises:
        FeatureError: when Feast refuses an object.
    """
    from feast import FeatureView
    from feast.errors import FeastError

    try:
        store.apply(list(objects))
    except (FeastError, ValueError, OSError) as error:
        raise FeatureError(f"{folder}: Feast refused the objects, expected valid definitions ({error})") from error
    return sorted(view.name for view in objects if isinstance(view, FeatureView))


def check(service: Path, folder: Path) -> list[str]:
    """Returns one sentence for each thing that `apply` would have to do; empty when all is in place.

    It reads files only, without Feast, so that a preview stays quick.
    """
    receipt_path = _receipt_path(service, folder)
    if not receipt_path.exists():
        return [f"{receipt_path}: never applied"]
    receipt = read_json(receipt_path)
    problems: list[str] = []
    if receipt.get("source_sha256") != _source_hash(service):
        problems.append(f"{service / 'features.py'}: changed since it was applied")
    if not (folder / "registry.db").exists():
        problems.append(f"{folder / 'registry.db'}: missing")
    try:
        tables = _tables(folder / "online.db")
    except FeatureError as error:
        return [*problems, str(error)]
    for view in cast(list[str], receipt.get("views", [])):
        if f"{PROJECT}_{view}" not in tables:
            problems.append(f"{folder / 'online.db'}: no table of view {view}")
    return problems


def has_values(folder: Path, views: Iterable[str]) -> bool:
    """Returns whether every one of `views` has a value online; it reads the file only, without Feast.

    Raises:
        FeatureError: when the file is no database.
    """
    path = folder / "online.db"
    tables = {f"{PROJECT}_{view}" for view in views}
    if not tables <= _tables(path):
        return False
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return all(
            connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()  # noqa: S608 - a table that is there
            for table in tables
        )


def _tables(path: Path) -> set[str]:
    if not path.exists():
        return set()
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return {str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError as error:
        raise FeatureError(f"{path}: the online store cannot be read now: {error}") from None
    except sqlite3.DatabaseError as error:
        raise FeatureError(
            f"{path}: found no database that can be read ({error}), expected the online store; move it away and "
            "`pulumi up` makes it anew, without the values that were in it"
        ) from None


def _source_hash(service: Path) -> str:
    return hashlib.sha256((service / "features.py").read_bytes()).hexdigest()


def _receipt_path(service: Path, folder: Path) -> Path:
    return folder / "applied" / f"{service.name}.json"


@contextmanager
def exclusive(folder: Path) -> Generator[None, None, None]:
    """Holds the repository in `folder` for this process alone."""
    # Feast reads the whole registry file, changes it and writes it back: two at once would lose one.
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "registry.lock"):
        yield
