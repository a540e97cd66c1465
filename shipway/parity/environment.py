"""The environment's feature repository where its values lie in an object store, as the job publishes them online."""
# Feast carries no types that a strict checker accepts.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from shipway.contract.documents import read_json, write_atomic
from shipway.contract.errors import FeatureError
from shipway.features.offline import open_offline
from shipway.objects.storage import ObjectStorage

__all__ = ["fetched_repository"]

# Path -> the object's tag when it was fetched last.
_TAGS = "tags.json"


def fetched_repository(storage: ObjectStorage, objects: Sequence[Any], views: Collection[str], folder: Path) -> Path:
    """Returns the repository in `folder`, with the values of `views` as they lie in the object store now.

    Args:
        storage: the folder below which the files of views lie, by the path that their source names.
        objects: the Feast objects of a version.
        views: those that it reads.
        folder: where what has not changed since is taken as it is.

    Raises:
        FeatureError: when a view has no values there.
        OSError: when the object store does not answer.
    """
    from feast import FeatureView

    tags_file = folder / _TAGS
    tags = read_json(tags_file) if tags_file.exists() else {}
    for view in objects:
        if not isinstance(view, FeatureView) or view.name not in views:
            continue
        source: Any = view.batch_source
        path = str(source.path)
        entry = next((one for one in storage.entries(path) if one.name == path), None)
        if entry is None:
            raise FeatureError(
                f"{storage.where(path)}: no such object, expected the offline values of {view.name}, or a function "
                "`offline(cache)` in train.py that returns the folder of the repository that training joins from"
            )
        if tags.get(path) != entry.tag or not (folder / path).exists():
            # Of one that changes meanwhile the tag is the old one, so that it is fetched again.
            content = storage.read(path)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            tags[path] = entry.tag
            write_atomic(tags_file, json.dumps(tags))
    open_offline(folder, objects)
    return folder
