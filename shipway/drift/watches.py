"""What is counted of each version: its bins come from the drift reference of the bundle that predicted."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from shipway.bundle.reference import Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError
from shipway.contract.record import REFERENCE_FILE
from shipway.contract.release import short_digest
from shipway.drift.tally import Watch
from shipway.logs.sources import Unreachable

__all__ = ["FolderReferences", "References", "Watches"]

# How long records wait for what they are judged by: slots try to bring that every quarter of a minute. Longer, and the
# heartbeat of a worker that waits would be late.
_PATIENCE_SECONDS = 60.0


class References(Protocol):
    """Where drift references are read."""

    def read(self, version: str) -> Reference:
        """Returns the reference of a version (short digest), once it is known to be that version's.

        Raises:
            Unreachable: when that cannot be told now.
            ShipwayError, OSError: when it is not there or not whole.
        """
        ...


class FolderReferences:
    """The references of the bundles in an artifact store.

    Args:
        artifacts: its folder.
    """

    def __init__(self, artifacts: Path) -> None:
        self._store = ArtifactStore(artifacts)

    def read(self, version: str) -> Reference:
        found = [digest for digest in self._store.digests() if short_digest(digest) == version]
        if len(found) != 1:
            raise ShipwayError(f"{len(found)} bundles of this version are in the store, expected one")
        self._store.verify(found[0])
        path = self._store.path(found[0]) / "files" / REFERENCE_FILE
        return parse(Reference, read_json(path), path)


class Watches:
    """The watches of the versions of one model, each read once.

    Args:
        references: of the model's versions.
        say: called with one sentence for each version whose reference cannot be had.
        clock: seconds on a clock that only grows.
    """

    def __init__(
        self, references: References, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._references, self._say, self._clock = references, say, clock
        self._awaited: dict[str, float] = {}
        self._known: dict[str, Watch] = {}
        self._missing: set[str] = set()

    def get(self, version: str) -> Watch | None:
        """Returns what is counted of `version` (a short digest); None where its bundle is not there or not whole.

        Raises:
            Unreachable: when that cannot be told now: what is passed over is not counted later.
        """
        if version not in self._known:
            try:
                self._known[version] = Watch.of(version, self._references.read(version))
            except Unreachable:
                raise
            except FileNotFoundError as error:
                # A slot's records may be in the store before what they are judged by, which is tried again until it is.
                if self._clock() - self._awaited.setdefault(version, self._clock()) < _PATIENCE_SECONDS:
                    raise Unreachable(0, "it is not there yet", error.filename) from None
                self._pass_over(version, error)
                return None
            except (ShipwayError, OSError) as error:
                self._pass_over(version, error)
                return None
        return self._known[version]

    def _pass_over(self, version: str, error: Exception) -> None:
        if version not in self._missing:
            self._missing.add(version)
            self._say(f"version {version}: its drift is not watched; {error}")
