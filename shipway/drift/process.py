"""The drift process: every two seconds it counts what is new in the logs of all models, and judges what closed."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout, services
from shipway.contract.metrics import DRIFT_JOB
from shipway.contract.model import ModelSpec, load_model
from shipway.drift.calibration import Calibration
from shipway.drift.measures import Measures
from shipway.drift.rounds import Rounds
from shipway.observability.worker import run_rounds

__all__ = ["Models", "serve"]

POLL_SECONDS = 2.0


class Models:
    """The specs of a project's models, each read again when its model.yaml has changed.

    Args:
        root: the project.
        say: called with one sentence for each model.yaml that cannot be read; what it said before stays in force.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._read: dict[Path, tuple[int, int, int]] = {}
        self._specs: dict[Path, ModelSpec] = {}

    def refresh(self) -> dict[str, ModelSpec]:
        """Returns model -> spec."""
        paths = [folder / "model.yaml" for folder in services(self._root)]
        for gone in self._read.keys() - set(paths):
            del self._read[gone]
            self._specs.pop(gone, None)
        for path in paths:
            try:
                stat = path.stat()
                identity = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                if self._read.get(path) == identity:
                    continue
                self._read[path] = identity
                self._specs[path] = load_model(path)
            except (ShipwayError, OSError) as error:
                self._say(str(error))
        return {spec.name: spec for spec in self._specs.values()}


def serve(root: Path, environment: str) -> None:
    """Counts and judges the models of a local stack until SIGTERM or SIGINT.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    spec = load_environment(root, environment)
    if spec.ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: only there is it a process")
    models: Callable[[], Mapping[str, ModelSpec]] = Models(root, _say).refresh
    calibration = Calibration(np.random.default_rng(0))
    rounds = Rounds(LocalLayout(root, environment), spec.tier, models, _say, time.time, calibration)
    run_rounds(Measures(), rounds.round, POLL_SECONDS, spec.ports.worker_metrics(DRIFT_JOB))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
