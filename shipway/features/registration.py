"""What a pod does before its slot starts: the feature views of its bundle are made known to the registry all share."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from shipway.bundle.source import import_from
from shipway.bundle.store import verify_bundle
from shipway.contract.documents import read_yaml
from shipway.contract.errors import FeatureError
from shipway.features.repository import exclusive, open_store, put_objects

__all__ = ["register"]

# Of nothing else in the database: whoever registers holds it, from before the registry's tables are there.
_LOCK_KEY = 0x5348_4950_5741_5901
# A registration takes seconds; one that hangs must not keep the others for ever.
_LOCK_SECONDS = 60


def register(bundle: Path, folder: Path) -> list[str]:
    """Registers the feature views of a bundle with the repository in `folder` and returns their names, sorted.

    Doing it again changes nothing, others may do it at the same time, and nothing is ever removed: other models and
    versions read what they registered. `folder` is only read where the registry is a database on a server.

    Args:
        bundle: the bundle's folder, named by its digest; nothing of it runs before every byte was checked.
        folder: the feature repository, with its feature_store.yaml.

    Raises:
        ArtifactError: when the bundle is not what its digest says.
        FeatureError: when the registry cannot be reached, or holds an object of this name with another meaning.
    """
    manifest = verify_bundle(bundle)
    package = manifest.service.partition(":")[0].partition(".")[0]
    objects: list[Any] = list(import_from(bundle / "files" / "src", package, "features").OBJECTS)

    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _alone(folder):
            store = open_store(folder)
            _refuse_another_meaning(store, objects, folder)
            _place_files(objects, store.config.offline_store)
            return put_objects(store, objects, folder)
    except (SQLAlchemyError, ImportError) as error:
        # The driver's own words on one line, without what SQLAlchemy puts around them; or which driver there is not.
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise FeatureError(f"{folder}: the registry cannot be written: {reason}") from error


@contextmanager
def _alone(folder: Path) -> Generator[None, None, None]:
    # Feast makes its tables and its rows with a look first and a write after: of two at once, one would fail.
    url = _database(folder)
    if not url.startswith("postgresql"):
        with exclusive(folder):
            yield
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    # The lock is the connection's: it ends with it, whatever becomes of this process.
    with create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{_LOCK_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
        yield


def _database(folder: Path) -> str:
    """Returns the address of the registry's database, empty when it is a file."""
    registry: object = read_yaml(folder / "feature_store.yaml").get("registry")
    if not isinstance(registry, dict):
        return ""
    found = cast(dict[str, object], registry)
    return str(found.get("path")) if found.get("registry_type") == "sql" else ""


def _place_files(objects: Sequence[Any], config: Any) -> None:
    """Lets the views' files lie where the repository says: a bundle names them as they lie on a laptop."""
    from feast import FeatureView, FileSource

    for view in objects:
        if not config.files or not isinstance(view, FeatureView) or not isinstance(view.batch_source, FileSource):
            continue
        options = view.batch_source.file_options
        if "://" not in options.uri and not options.uri.startswith("/"):
            options.uri = f"{config.files.rstrip('/')}/{options.uri}"
            options.s3_endpoint_override = config.endpoint_url


def _refuse_another_meaning(store: Any, objects: Sequence[Any], folder: Path) -> None:
    from feast import Entity, FeatureView

    views = {view.name: view for view in store.list_feature_views(allow_cache=False)}
    entities = {entity.name: entity for entity in store.list_entities(allow_cache=False)}
    for kind, known, word in ((FeatureView, views, "feature view"), (Entity, entities, "entity")):
        for declared in objects:
            there = known.get(declared.name) if isinstance(declared, kind) else None
            if there is not None and (differing := _differing(there, declared)):
                raise FeatureError(
                    f"{folder}: {word} {declared.name!r} is registered with another {differing}, "
                    "expected the same: others read it; give the new one a name of its own"
                )


def _differing(there: Any, declared: Any) -> str:
    """Returns in which part two objects of one name mean something else, empty when in none."""
    before, after = _meaning(there), _meaning(declared)
    return next((part for part in before if before[part] != after[part]), "")


def _meaning(one: Any) -> dict[str, object]:
    """Returns what readers rely on: a description or a tag may change."""
    from feast import Entity

    if isinstance(one, Entity):
        return {"join key": one.join_key, "value type": one.value_type}
    return {
        "set of entities": sorted(one.entities),
        "schema": sorted((field.name, str(field.dtype)) for field in one.features),
        "ttl": one.ttl,
    }
