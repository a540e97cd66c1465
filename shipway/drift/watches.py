"""What is counted of each version: its bins come from the drift reference of the bundle that predicted."""

from collections.abc import Callable
from pathlib import Path

from shipway.bundle.reference import Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError
from shipway.contract.record import REFERENCE_FILE
from shipway.contract.release import short_digest
from shipway.drift.tally import Watch

__all__ = ["Watches"]


class Watches:
    """The watches of the versions of one model, each read and verified once.

    Args:
        artifacts: the folder of the artifact store.
        say: called with one sentence for each version whose reference cannot be had.
    """

    def __init__(self, artifacts: Path, say: Callable[[str], None]) -> None:
        self._artifacts, self._say = artifacts, say
        self._known: dict[str, Watch] = {}
        self._missing: set[str] = set()

    def get(self, version: str) -> Watch | None:
        """Returns what is counted of `version` (a short digest); None where its bundle is not there or not whole."""
        if version not in self._known:
            try:
                self._known[version] = Watch.of(version, _reference(ArtifactStore(self._artifacts), version))
            except (ShipwayError, OSError) as error:
                if version not in self._missing:
                    self._missing.add(version)
                    self._say(f"version {version}: its drift is not watched; {error}")
                return None
        return self._known[version]


def _reference(store: ArtifactStore, version: str) -> Reference:
    found = [digest for digest in store.digests() if short_digest(digest) == version]
    if len(found) != 1:
        raise ShipwayError(f"{len(found)} bundles of this version are in the store, expected one")
    store.verify(found[0])
    path = store.path(found[0]) / "files" / REFERENCE_FILE
    return parse(Reference, read_json(path), path)
