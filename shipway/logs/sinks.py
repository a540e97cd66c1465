"""Where a slot's segments go: onto its disk, or into an object store."""
# pyarrow ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownArgumentType=false

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from shipway.logs.schemas import Kind
from shipway.objects.storage import ObjectStorage

__all__ = ["FolderSink", "ObjectSink", "Sink", "send"]

_COMPRESSION = "zstd"
# A store that refuses now may take it in a moment; what waits meanwhile is bounded by the log's queue.
_ATTEMPTS, _PAUSE_SECONDS = 3, 1.0


class Sink(Protocol):
    """Takes whole segments of one log of one model; a segment is written again, longer, as it grows."""

    def write(self, hour: str, name: str, table: pa.Table) -> None:
        """Writes a segment, whole or not at all.

        Raises:
            OSError, ArrowException: when it cannot be written.
        """
        ...

    def where(self, hour: str) -> str:
        """Returns what to call an hour's segments in a sentence."""
        ...


class FolderSink:
    """Segments as files `<folder>/<hour>/<name>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, hour: str, name: str, table: pa.Table) -> None:
        path = self._folder / hour / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            pq.write_table(table, temporary, compression=_COMPRESSION)
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)

    def where(self, hour: str) -> str:
        return str(self._folder / hour)


class ObjectSink:
    """Segments as objects `<kind>/<hour>/<name>` below a model's folder of the store.

    Args:
        storage: the model's folder.
        kind: which log.
        pause: waits so many seconds between two attempts; called in the log's own thread, which nobody waits for.
    """

    def __init__(self, storage: ObjectStorage, kind: Kind, pause: Callable[[float], None] = time.sleep) -> None:
        self._storage, self._kind, self._pause = storage, kind, pause

    def write(self, hour: str, name: str, table: pa.Table) -> None:
        content = pa.BufferOutputStream()
        pq.write_table(table, content, compression=_COMPRESSION)
        body: bytes = content.getvalue().to_pybytes()
        send(self._storage, f"{self._kind}/{hour}/{name}", body, self._pause)

    def where(self, hour: str) -> str:
        return self._storage.where(f"{self._kind}/{hour}")


def send(storage: ObjectStorage, name: str, content: bytes, pause: Callable[[float], None] = time.sleep) -> None:
    """Writes an object, three times if the store refuses.

    Raises:
        OSError: when it refused the last time too.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            storage.write(name, content)
        except OSError:
            if attempt == _ATTEMPTS:
                raise
            pause(_PAUSE_SECONDS * attempt)
        else:
            return
