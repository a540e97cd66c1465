"""The labels process: once a second it reads what is new in the logs of all models, joins it and counts."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import LABELS_JOB
from shipway.contract.worker_settings import WorkerSettings, read_worker_settings
from shipway.labels.measures import Measures
from shipway.labels.output import FolderOutput, StoredOutput
from shipway.labels.rounds import Rounds
from shipway.labels.stored import StoredLogs
from shipway.labels.watched import Models
from shipway.logs.described import DescribedLogs
from shipway.logs.sources import LocalSource
from shipway.objects.storage import ObjectStorage
from shipway.observability.worker import EVERYWHERE, run_rounds

__all__ = ["LocalLogs", "rounds_of", "serve", "serve_cluster", "stored_rounds"]

POLL_SECONDS = 1.0
# A look at an object store is a list for each model, and is paid by the request.
CLUSTER_POLL_SECONDS = 15.0


class LocalLogs:
    """The logs of a local stack, below `folder`.

    Args:
        folder: of all models.
        now: seconds since the epoch.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._folder, self._now = folder, now
        self.missed = ""

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
    logs, models = LocalLogs(layout.predictions, now), Models(layout.root, say)
    return Rounds(logs, FolderOutput(layout.labels), models.refresh, say, now)


def stored_rounds(
    settings: WorkerSettings, scratch: Path, say: Callable[[str], None], now: Callable[[], float]
) -> Rounds:
    """Returns the rounds over the logs in an object store.

    Args:
        settings: where they are, and what is said of them.
        scratch: a folder for files that nobody needs again.
        say, now: see `rounds_of`.
    """
    logs = StoredLogs(DescribedLogs(settings.predictions, say, now))
    output = StoredOutput(ObjectStorage(f"{settings.state}/{LABELS_JOB}"), scratch)
    return Rounds(logs, output, logs.watched, say, now)


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
    run_rounds(Measures(), rounds.round, POLL_SECONDS, ports.worker_metrics(LABELS_JOB))


def serve_cluster(config: Path, metrics_port: int, output: Path) -> None:
    """Counts the labels of an environment on a cluster until SIGTERM or SIGINT.

    Args:
        config: the file of its settings.
        metrics_port: where it shows its metrics.
        output: a folder that lives as long as the pod.

    Raises:
        SpecError: for settings that are wrong.
        Fatal: when the port of its metrics is taken.
    """
    settings = read_worker_settings(config)
    rounds = stored_rounds(settings, output, _say, time.time)
    run_rounds(Measures(), rounds.round, CLUSTER_POLL_SECONDS, metrics_port, EVERYWHERE)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
