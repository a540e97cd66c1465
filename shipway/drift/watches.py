"""What is counted of each version: its bins come from the drift reference of the bundle that predicted."""

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
    """

    def __init__(self, references: References, say: Callable[[str], None]) -> None:
        self._references, self._say = references, say
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
            except (ShipwayError, OSError) as error:
                if version not in self._missing:
                    self._missing.add(version)
                    self._say(f"version {version}: its drift is not watched; {error}")
                return None
        return self._known[version]
