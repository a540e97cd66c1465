"""Which entities have values online: what a made-up request has to name so that the store finds something."""
# Feast's messages are typed in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from shipway.contract.errors import FeatureError
from shipway.features.repository import KEY_VERSION, PROJECT

__all__ = ["MOST_KEYS", "online_keys"]

# Of each view; more would change nothing about how varied the requests are.
MOST_KEYS = 2000


def online_keys(folder: Path, views: Iterable[str], most: int = MOST_KEYS) -> dict[str, list[str | int]]:
    """Returns join key -> values for which a view has a value online, each once and in order.

    Args:
        folder: the feature repository; its online store is a file.
        views: which are looked at; one without a value adds nothing.
        most: entities of each view.

    Raises:
        FeatureError: when the online store cannot be read.
    """
    from feast.infra.key_encoding_utils import deserialize_entity_key

    path = folder / "online.db"
    found: dict[str, set[str | int]] = {}
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            for view in sorted(set(views)):
                table = f"{PROJECT}_{view}".replace('"', '""')
                asked = f'SELECT DISTINCT entity_key FROM "{table}" LIMIT ?'  # noqa: S608 - a quoted name
                for (key,) in connection.execute(asked, (most,)):
                    entity = deserialize_entity_key(key, KEY_VERSION)
                    for name, value in zip(entity.join_keys, entity.entity_values, strict=True):
                        found.setdefault(str(name), set()).add(getattr(value, value.WhichOneof("val")))
    except (sqlite3.Error, ValueError) as error:
        raise FeatureError(f"{path}: its keys cannot be read: {error}") from error
    return {name: sorted(values, key=str) for name, values in sorted(found.items())}
