"""The labels process: once a second it reads what is new in the logs of all models, joins it and counts."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import cast

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LABELS_JOB
from shipway.labels import records
from shipway.labels.join import Join, Label, Prediction
from shipway.labels.measures import Measures, Reading
from shipway.labels.thresholds import Thresholds
from shipway.logs.sources import LocalSource
from shipway.logs.tail import Tail

__all__ = ["Rounds", "serve"]

POLL_SECONDS = 1.0


class Rounds:
    """Reads and joins, one round after the other; the first one reads all that lies on disk.

    Args:
        layout: the stack.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
    """

    def __init__(self, layout: LocalLayout, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._folder, self._say, self._now = layout.predictions, say, now
        self._thresholds = Thresholds(layout.root, say)
        self._join = Join()
        self._tails: dict[str, Tail] = {}
        self._unknown: set[str] = set()
        self._skipped_files = 0

    def round(self) -> Reading:
        """Returns what is known after reading what is new."""
        thresholds = self._thresholds.refresh()
        models = sorted(path.name for path in self._folder.glob("*") if path.is_dir())
        for model in models:
            # Without a threshold nothing could be judged; the records wait on disk until there is one.
            if model in thresholds:
                self._take(model, thresholds[model])
        unknown = set(models) - thresholds.keys()
        for model in sorted(unknown - self._unknown):
            self._say(f"{self._folder / model}: no service has a model of this name, its labels are not counted")
        self._unknown = unknown
        return Reading(
            finished_seconds=self._now(),
            counts=self._join.counts(),
            predictions_forgotten=self._join.predictions_forgotten,
            labels_forgotten=self._join.labels_forgotten,
            unusable=self._join.unusable,
            skipped_files=self._skipped_files,
        )

    def _take(self, model: str, wrong_beyond: float) -> None:
        if model not in self._tails:
            source = LocalSource(self._folder / model, self._skip, lambda: int(self._now() * 1e9))
            self._tails[model] = Tail(source, records.COLUMNS)
        for piece in self._tails[model].poll():
            batch = records.batch(piece)
            if batch and isinstance(batch[0], Label):
                self._join.add_labels(model, cast(list[Label], batch), wrong_beyond)
            else:
                self._join.add_predictions(model, cast(list[Prediction], batch), wrong_beyond)

    def _skip(self, sentence: str) -> None:
        self._skipped_files += 1
        self._say(sentence)


def serve(root: Path, environment: str) -> None:
    """Counts the labels of a local stack until SIGTERM or SIGINT.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    ports = load_environment(root, environment).ports
    if ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: only there is it a process")
    rounds = Rounds(LocalLayout(root, environment), _say, time.time)
    measures, stopping = Measures(), list[int]()

    def stop(signum: int, _: FrameType | None) -> None:
        # Nothing is lost, wherever it meets the loop: all that counts lies on disk.
        if not stopping:
            stopping.append(signum)
            raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with measures.exposed(ports.worker_metrics(LABELS_JOB)):
        while not stopping:
            measures.show(rounds.round())
            time.sleep(POLL_SECONDS)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
