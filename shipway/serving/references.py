"""The edges of the version that is live beside a slot: on them both are compared, bin by bin."""

import logging
from pathlib import Path

from shipway.bundle.reference import Reference
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ShipwayError
from shipway.contract.release import short_digest
from shipway.contract.route import read_rollout_states, served

__all__ = ["LiveEdges", "live_edges"]

_LOGGER = logging.getLogger("shipway.serving")


def live_edges(model: str, digest: str, routes: Path | None, artifacts: Path | None) -> dict[str, tuple[float, ...]]:
    """Returns the live version's short digest -> inner edges of its prediction bins; empty where they are not known.

    A slot without them still serves; it counts under its own edges alone, and whoever compares misses the others.

    Args:
        model: the model's name.
        digest: this slot's own bundle, whose edges need no look-up.
        routes: the served routes, None where they are not handed over.
        artifacts: the artifact store, None where it is not.

    Raises:
        OSError: when what is there cannot be read now.
    """
    if routes is None or artifacts is None:
        _LOGGER.info("predictions are counted under their own edges alone: no served routes and artifacts are given")
        return {}
    try:
        slot, live = served(read_rollout_states(routes)).get(model, (None, ""))
        if slot is None or not live:
            _LOGGER.info("predictions are counted under their own edges alone: %s has no live version", model)
            return {}
        if live == digest:
            return {}
        store = ArtifactStore(artifacts)
        store.verify(live)
        path = store.path(live) / "files" / "reference.json"
        return {short_digest(live): parse(Reference, read_json(path), path).predictions.edges}
    except ShipwayError as error:
        _LOGGER.warning("predictions are counted under their own edges alone: %s", error)
        return {}


class LiveEdges:
    """Learns the edges of each version that goes live beside a slot, once.

    A stack that comes up anew starts both slots before anything is live, so to ask at the start is not enough.

    Args:
        model, digest, routes, artifacts: as for `live_edges`.
    """

    def __init__(self, model: str, digest: str, routes: Path | None, artifacts: Path | None) -> None:
        self._asked = model, digest, routes, artifacts
        self._known = {"", digest}
        self._mark = (0, 0)

    def learn(self) -> dict[str, tuple[float, ...]]:
        """Returns what is new since the last call; empty as long as no other version went live."""
        model, _digest, routes, _artifacts = self._asked
        live = self._live(model, routes)
        if live in self._known:
            return {}
        try:
            found = live_edges(*self._asked)
        except OSError as error:
            _LOGGER.warning("the edges of %s cannot be read now, and are asked for again: %s", live[:19], error)
            self._mark = (0, 0)
            return {}
        self._known.add(live)
        return found

    def _live(self, model: str, routes: Path | None) -> str:
        try:
            found = routes.stat() if routes else None
            if routes is None or found is None or (found.st_ino, found.st_mtime_ns) == self._mark:
                return ""
            self._mark = (found.st_ino, found.st_mtime_ns)
            return served(read_rollout_states(routes)).get(model, (None, ""))[1]
        except (ShipwayError, OSError):
            # Torn or not there yet: the next one that is written is another file.
            return ""
