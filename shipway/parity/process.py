"""The parity process: every few minutes it lets a child look at what is newly logged, and counts what that found.

Reading logs takes a hundred megabytes and comparing four hundred, so that both end with the child; between two rounds
this process only waits.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from shipway.contract.documents import parse, read_json
from shipway.contract.environment import load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.metrics import PARITY_JOB
from shipway.contract.worker_settings import read_worker_settings
from shipway.observability.worker import EVERYWHERE, run_rounds
from shipway.parity.found import Found
from shipway.parity.measures import Measures, Reading, Row

__all__ = ["EVERY_SECONDS", "Rounds", "look_in_a_child", "serve", "serve_cluster"]

# Every model and version takes its seconds, one after the other.
TIMEOUT_SECONDS = 900.0
EVERY_SECONDS, RETRY_SECONDS = 300.0, 60.0
POLL_SECONDS = 2.0


class Rounds:
    """Shows what one look after the other finds.

    The heartbeat goes on while the last look was good and the next is not due: one that fails, or hangs, stops it.

    Args:
        look: looks once.
        every_seconds: from the end of a good look to the next.
        say: called with one sentence when it cannot.
        now: seconds since the epoch.
    """

    def __init__(
        self, look: Callable[[], Found], every_seconds: float, say: Callable[[str], None], now: Callable[[], float]
    ) -> None:
        self._look, self._every_seconds, self._say, self._now = look, every_seconds, say, now
        self._rows: dict[str, dict[Row, int]] = {}
        self._failures: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._waiting: dict[str, int] = {}
        self._good, self._due_seconds = False, float("-inf")
        self._finished_seconds: float | None = None

    def round(self) -> Reading:
        """Returns all that is known, after a look when one is due."""
        if self._now() >= self._due_seconds:
            self._good = self._looked()
            wait_seconds = self._every_seconds if self._good else min(self._every_seconds, RETRY_SECONDS)
            self._due_seconds = self._now() + wait_seconds
        if self._good:
            self._finished_seconds = self._now()
        rows = {row: count for mine in self._rows.values() for row, count in mine.items()}
        return Reading(self._finished_seconds, rows, dict(self._failures), dict(self._waiting), dict(self._dropped))

    def _looked(self) -> bool:
        """Looks and counts; returns whether all that was due could be compared."""
        try:
            found = self._look()
        except (ShipwayError, OSError) as error:
            self._say(str(error))
            return False
        for one in found.models:
            self._failures[one.model] += one.failures
            self._dropped[one.model] += one.dropped
            # Nothing where what is kept cannot be had: what was known before stays.
            if one.rows:
                self._waiting[one.model] = one.waiting
                self._rows[one.model] = {
                    Row(one.model, feature, outcome): count
                    for feature, outcomes in one.rows.items()
                    for outcome, count in outcomes.items()
                }
        return not any(one.failures for one in found.models)


def look_in_a_child(where: Sequence[str]) -> Found:
    """Returns what a child process found, which is ended, with whatever it started, before this returns or raises.

    Args:
        where: the options that tell it what to look at.

    Raises:
        ShipwayError: when it fails or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-parity-") as scratch:
        out = Path(scratch) / "found.json"
        command = [sys.executable, "-m", "shipway.parity", "look", *where]
        # What is killed removes nothing: all its temporary files lie in here.
        env = os.environ | {"TMPDIR": scratch}
        child = subprocess.Popen([*command, "--out", str(out)], env=env, start_new_session=True)
        try:
            code = child.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise ShipwayError(f"a look at what is logged took longer than {TIMEOUT_SECONDS:.0f} s") from None
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if code != 0:
            raise ShipwayError(f"a look at what is logged ended with exit status {code}, its words are above")
        return parse(Found, read_json(out), out)


def serve(root: Path, environment: str, every_seconds: float) -> None:
    """Compares what a local stack logs until SIGTERM or SIGINT.

    Args:
        root: the project.
        environment: one of target local.
        every_seconds: from the end of a good look to the next.

    Raises:
        SpecError: when the environment is on another target.
        Fatal: when the port of its metrics is taken.
    """
    ports = load_environment(root, environment).ports
    if ports is None:
        raise SpecError(root, "target", environment, "an environment of target local: only there is it a process")
    where = ["--root", str(root), "--env", environment]
    rounds = Rounds(lambda: look_in_a_child(where), every_seconds, _say, time.time)
    run_rounds(Measures(), rounds.round, POLL_SECONDS, ports.worker_metrics(PARITY_JOB))


def serve_cluster(config: Path, metrics_port: int, output: Path, every_seconds: float) -> None:
    """Compares what the models of an environment on a cluster log until SIGTERM or SIGINT.

    Args:
        config: the file of its settings.
        metrics_port: where it shows its metrics.
        output: the folder of bundles and offline values; it lives as long as the pod.
        every_seconds: from the end of a good look to the next.

    Raises:
        SpecError: for settings that are wrong.
        Fatal: when the port of its metrics is taken.
    """
    # Wrong settings end the pod, and not only each look.
    read_worker_settings(config)
    where = ["--config", str(config), "--output", str(output)]
    rounds = Rounds(lambda: look_in_a_child(where), every_seconds, _say, time.time)
    run_rounds(Measures(), rounds.round, POLL_SECONDS, metrics_port, EVERYWHERE)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
