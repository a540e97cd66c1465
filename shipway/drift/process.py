"""The drift process: every few seconds it counts what is new in the logs of all models, and judges what closed."""

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shipway.contract.environment import load_environment
from shipway.contract.errors import SpecError
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import DRIFT_JOB
from shipway.contract.worker_settings import LEDGER, WorkerSettings, read_worker_settings
from shipway.drift.calibration import Calibration
from shipway.drift.measures import Measures
from shipway.drift.places import LocalKeeper, LocalPlace
from shipway.drift.rounds import Rounds
from shipway.drift.stored import StoredKeeper, StoredPlace
from shipway.logs.described import DescribedLogs
from shipway.objects.live import LiveVersions
from shipway.objects.storage import ObjectStorage
from shipway.observability.worker import EVERYWHERE, run_rounds

__all__ = ["serve", "serve_cluster", "stored"]

POLL_SECONDS = 2.0
# A look at an object store is a list for each model, and is paid by the request.
CLUSTER_POLL_SECONDS = 15.0
# A slot sends its log every five seconds and again when the store refuses; nodes' clocks differ by less than the rest.
CLUSTER_SETTLE_SECONDS = 60.0


def stored(
    settings: WorkerSettings,
    scratch: Path,
    say: Callable[[str], None],
    now: Callable[[], float],
    endpoint_url: str | None = None,
) -> tuple[StoredPlace, StoredKeeper]:
    """Returns what is judged on a cluster, and what keeps what was made of it.

    Args:
        settings: where it all is.
        scratch: a folder for files that nobody needs again.
        say: called with one sentence for each thing that is passed over.
        now: seconds since the epoch.
        endpoint_url: of a store that is not AWS's; by default what the environment's variables say.
    """
    logs = DescribedLogs(settings.predictions, say, now, endpoint_url)
    ledger = LiveVersions(ObjectStorage(f"{settings.records}/{LEDGER}", endpoint_url=endpoint_url))
    kept = ObjectStorage(f"{settings.state}/{DRIFT_JOB}", endpoint_url=endpoint_url)
    return StoredPlace(logs, ledger, say), StoredKeeper(kept, scratch, now)


def serve(root: Path, environment: str) -> None:
    """Counts and judges the models of a local stack until SIGTERM or SIGINT.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    spec, layout = load_environment(root, environment), LocalLayout(root, environment)
    if spec.ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: only there is it a process")
    rounds = Rounds(LocalPlace(layout, _say), LocalKeeper(layout.drift), spec.tier, _say, time.time, _calibration())
    run_rounds(Measures(), rounds.round, POLL_SECONDS, spec.ports.worker_metrics(DRIFT_JOB))


def serve_cluster(config: Path, metrics_port: int, output: Path) -> None:
    """Counts and judges the models of an environment on a cluster until SIGTERM or SIGINT.

    Args:
        config: the file of its settings.
        metrics_port: where it shows its metrics.
        output: the folder of the counts while they are open; it lives as long as the pod.

    Raises:
        SpecError: for settings that are wrong.
        Fatal: when the port of its metrics is taken.
    """
    settings = read_worker_settings(config)
    place, keeper = stored(settings, output, _say, time.time)
    rounds = Rounds(place, keeper, settings.tier, _say, time.time, _calibration(), CLUSTER_SETTLE_SECONDS)
    with contextlib.closing(rounds):
        run_rounds(Measures(), rounds.round, CLUSTER_POLL_SECONDS, metrics_port, EVERYWHERE)


def _calibration() -> Calibration:
    return Calibration(np.random.default_rng(0))


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
