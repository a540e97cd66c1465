"""What the labels of each model are judged by: model.yaml, and how each of its versions did when it was evaluated."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shipway.contract.documents import parse, read_yaml
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import services
from shipway.contract.model import ModelSpec, load_model
from shipway.contract.record import BundleRecord
from shipway.contract.release import short_digest
from shipway.labels.sample import DAY_SECONDS
from shipway.labels.statistics import Task, task_of

__all__ = ["Models", "Watched", "watched"]

Evaluations = Mapping[str, Mapping[str, float]]

# The newest week of a model is judged as a whole; days before it are waited for only as long as labels take.
_WEEK_DAYS = 7
# Near 0 already: of half a percent, five percent are no drop that anybody would feel.
_NOT_A_DROP = frozenset({"calibration_error", "mean_label", "mean_prediction"})


@dataclass(frozen=True)
class Watched:
    """One model.

    Args:
        name: the model's.
        task: which metrics it has.
        wrong_beyond: a prediction is wrong when it is farther from its label than this.
        delay_seconds: an older prediction should have its label.
        segments: request fields by whose values quality is also looked at.
        judged: metrics of which a drop is an alarm: accuracy, and those by which a version is admitted.
        drop_ratio: how far such a metric may fall, relative to its reference; None where a drop is no alarm.
        evaluations: version (short digest) -> metric -> what it was when the version was evaluated.
    """

    name: str
    task: Task
    wrong_beyond: float
    delay_seconds: float
    segments: tuple[str, ...]
    judged: frozenset[str]
    drop_ratio: float | None
    evaluations: Evaluations = field(default_factory=dict[str, Mapping[str, float]])

    @property
    def days_kept(self) -> int:
        """So many of the newest days of event time have to be remembered: a week, and what still waits for labels."""
        return _WEEK_DAYS + 1 + math.ceil(self.delay_seconds / DAY_SECONDS)


def watched(spec: ModelSpec, evaluations: Evaluations) -> Watched:
    """Returns what the labels of a model are judged by."""
    admitted = {"accuracy", *(gate.metric for gate in spec.evaluation.gates)} - _NOT_A_DROP
    return Watched(
        name=spec.name,
        task=task_of(spec),
        wrong_beyond=spec.labels.wrong_beyond,
        delay_seconds=spec.labels.delay_seconds,
        segments=spec.segments,
        judged=frozenset() if spec.alerts.accuracy_drop_ratio is None else frozenset(admitted),
        drop_ratio=spec.alerts.accuracy_drop_ratio,
        evaluations=evaluations,
    )


class Models:
    """Every model of a project, read again when its model.yaml, or the records of its bundles, have changed.

    A changed `wrong_beyond` holds for labels that come from then on, and for all of them after a restart; what quality
    is measured by holds for all at once.

    Args:
        root: the project.
        say: called with one sentence for each document that cannot be read; its last good value stays in force.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._read: dict[Path, tuple[int, ...]] = {}
        self._models: dict[Path, Watched] = {}

    def refresh(self) -> dict[str, Watched]:
        """Returns model -> what its labels are judged by."""
        folders = services(self._root)
        for gone in self._read.keys() - set(folders):
            del self._read[gone]
            self._models.pop(gone, None)
        for folder in folders:
            try:
                identity = _identity(folder)
                if self._read.get(folder) == identity:
                    continue
                self._read[folder] = identity
                self._models[folder] = watched(load_model(folder / "model.yaml"), self._evaluations(folder))
            except (ShipwayError, OSError) as error:
                self._say(str(error))
        return {one.name: one for one in self._models.values()}

    def _evaluations(self, folder: Path) -> Evaluations:
        found: dict[str, Mapping[str, float]] = {}
        for path in sorted(_records(folder).glob("*.yaml")):
            try:
                record = parse(BundleRecord, read_yaml(path), path)
            except (ShipwayError, OSError) as error:
                self._say(str(error))
                continue
            found[short_digest(record.digest)] = record.metrics
        return found


def _records(folder: Path) -> Path:
    return folder / "releases" / "bundles"


def _identity(folder: Path) -> tuple[int, ...]:
    stat, records = (folder / "model.yaml").stat(), _records(folder)
    # A record is written by rename, which moves its folder's time.
    newest = records.stat().st_mtime_ns if records.is_dir() else 0
    return stat.st_ino, stat.st_mtime_ns, stat.st_size, newest
