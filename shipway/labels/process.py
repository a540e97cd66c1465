"""The labels process: once a second it reads what is new in the logs of all models, joins it and counts."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LABELS_JOB
from shipway.labels.measures import Measures
from shipway.labels.rounds import Rounds
from shipway.labels.watched import Models
from shipway.logs.sources import LocalSource

__all__ = ["LocalLogs", "rounds_of", "serve"]

POLL_SECONDS = 1.0


class LocalLogs:
    """The logs of a local stack, below `folder`.

    Args:
        folder: of all models.
        now: seconds since the epoch.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._folder, self._now = folder, now

    def models(self) -> list[str]:
        return [path.name for path in self._folder.glob("*") if path.is_dir()]

    def source(self, model: str, skipped: Callable[[str], None]) -> LocalSource:
        return LocalSource(self._folder / model, skipped, lambda: int(self._now() * 1e9))

    def where(self, model: str) -> str:
        return str(self._folder / model)


def rounds_of(layout: LocalLayout, say: Callable[[str], None], now: Callable[[], float]) -> Rounds:
    """Returns the rounds over the logs of a local stack.

    Args:
        layout: the stack.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
    """
    return Rounds(LocalLogs(layout.predictions, now), layout.labels, Models(layout.root, say).refresh, say, now)


def serve(root: Path, environment: str) -> None:
    """Counts the labels of a local stack until SIGTERM or SIGINT.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    ports = load_environment(root, environment).ports
    if ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: only there is it a process")
    rounds = rounds_of(LocalLayout(root, environment), _say, time.time)
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
