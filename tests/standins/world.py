"""What stand-in providers have made: one JSON file, so that a second command, or a test that makes drift, finds it."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Objects", "World"]

# "<type>/<id>" -> the object's properties.
Objects = dict[str, dict[str, Any]]


class World:
    """The objects of one account and one cluster.

    Args:
        path: the file; each provider of a stack is a process of its own, and all of them share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Objects:
        """Returns all objects."""
        with self.changed() as objects:
            return objects

    def of_type(self, kind: str) -> Mapping[str, dict[str, Any]]:
        """Returns id -> properties of the objects of a type."""
        prefix = f"{kind}/"
        return {key.removeprefix(prefix): one for key, one in self.read().items() if key.startswith(prefix)}

    @contextmanager
    def changed(self) -> Iterator[Objects]:
        """Gives the objects to one holder at a time and keeps what it leaves."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the file, which is replaced whole: a reader without the lock never sees half of it.
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._path.read_text(encoding="utf-8") if self._path.exists() else "{}"
            objects: Objects = json.loads(before)
            yield objects
            after = json.dumps(objects, indent=1, sort_keys=True)
            if after != before:
                fresh = self._path.with_suffix(".new")
                fresh.touch(mode=0o600)
                fresh.write_text(after, encoding="utf-8")
                fresh.replace(self._path)
