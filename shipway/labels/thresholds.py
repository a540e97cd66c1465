"""From which distance on a prediction is wrong: what each model.yaml says about its labels."""

from collections.abc import Callable
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import services
from shipway.contract.model import load_model

__all__ = ["Thresholds"]


class Thresholds:
    """`labels.wrong_beyond` of every model of a project, read again when its model.yaml has changed.

    A changed value holds for labels that come from then on, and for all of them after a restart.

    Args:
        root: the project.
        say: called with one sentence for each model.yaml that cannot be read; its last good value stays in force.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._read: dict[Path, tuple[int, int, int]] = {}
        self._models: dict[Path, tuple[str, float]] = {}

    def refresh(self) -> dict[str, float]:
        """Returns model -> the greatest distance at which a prediction is right."""
        paths = [folder / "model.yaml" for folder in services(self._root)]
        for gone in self._read.keys() - set(paths):
            del self._read[gone]
            self._models.pop(gone, None)
        for path in paths:
            try:
                stat = path.stat()
                identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if self._read.get(path) == identity:
                    continue
                self._read[path] = identity
                spec = load_model(path)
            except (ShipwayError, OSError) as error:
                self._say(str(error))
                continue
            self._models[path] = (spec.name, spec.labels.wrong_beyond)
        return dict(self._models.values())
