"""What the jobs of all models on a cluster remember, shown as metrics: a job is gone before anybody could scrape it."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shipway.contract.errors import SpecError
from shipway.contract.metrics import RETRAINING_JOB
from shipway.contract.worker_settings import read_worker_settings
from shipway.objects.storage import ObjectStorage
from shipway.observability.worker import EVERYWHERE, run_rounds
from shipway.retraining.measures import Measures, ModelReading, Reading, reading_of
from shipway.retraining.stored import STATE, parse_state

__all__ = ["StoredRounds", "serve_cluster"]

# A look at an object store is an object for each model, and is paid by the request.
CLUSTER_POLL_SECONDS = 15.0


class StoredRounds:
    """Looks at every model, one round after the other.

    Args:
        storage: the folder with a folder for each model.
        say: called with one sentence for each thing that cannot be read.
        now: seconds since the epoch.
    """

    def __init__(self, storage: ObjectStorage, say: Callable[[str], None], now: Callable[[], float]) -> None:
        self._storage, self._say, self._now = storage, say, now
        self._last: Reading | None = None
        self._told = ""

    def round(self) -> Reading:
        """Returns what is remembered of all models, or what was before, where not all of it can be read.

        Raises:
            SpecError, OSError: where nothing was read before either.
        """
        problem = ""
        try:
            self._last = Reading(self._now(), dict(self._models()))
        except (OSError, SpecError) as error:
            if self._last is None:
                raise
            # The heartbeat stays where it is, so that somebody is told.
            problem = str(error)
        if problem and problem != self._told:
            self._say(problem)
        self._told = problem
        return self._last

    def _models(self) -> Iterator[tuple[str, ModelReading]]:
        for model in self._storage.folders():
            name = f"{model}/{STATE}"
            # A folder may be there a moment before what is remembered in it.
            with contextlib.suppress(FileNotFoundError):
                state = parse_state(self._storage.read(name), self._storage.where(name))
                yield model, reading_of(state.rule, state.memory)


def serve_cluster(config: Path, metrics_port: int, _output: Path) -> None:
    """Shows what the retrainings of an environment on a cluster remember until SIGTERM or SIGINT.

    Args:
        config: the file of its settings.
        metrics_port: where it shows its metrics.

    Raises:
        SpecError: for settings that are wrong.
        Fatal: when the port of its metrics is taken.
    """
    storage = ObjectStorage(f"{read_worker_settings(config).state}/{RETRAINING_JOB}")
    rounds = StoredRounds(storage, lambda line: print(line, file=sys.stderr, flush=True), time.time)
    run_rounds(Measures(), rounds.round, CLUSTER_POLL_SECONDS, metrics_port, EVERYWHERE)
