"""A slot of one bundle for the length of a test: a process like any other, whose logs and counters nobody reads."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError
from shipway.contract.metrics import FEATURE_MISSING_REQUESTS_TOTAL, REQUESTS_TOTAL
from shipway.features.repository import feature_store_yaml

__all__ = ["RunningSlot", "existing_keys", "running_slot"]

_READY_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_END_SECONDS = 20.0
_TOLD_SECONDS = 5.0
_METRICS_SECONDS = 10.0


@dataclass(frozen=True)
class RunningSlot:
    """A slot that answers.

    Args:
        url: of its own port on loopback.
        process: the slot's.
    """

    url: str
    process: "subprocess.Popen[bytes]"

    def memory_bytes(self) -> int | None:
        """Returns the resident memory of the process and all it started, None when it has ended."""
        try:
            root = psutil.Process(self.process.pid)
            return sum(int(one.memory_info().rss) for one in (root, *root.children(recursive=True)))
        except psutil.NoSuchProcess:
            return None

    def defaulted_ratio(self) -> float:
        """Returns the share of its requests so far that got the default of at least one feature."""
        page = httpx.get(f"{self.url}/metrics", timeout=_METRICS_SECONDS, trust_env=False).raise_for_status().text
        counted = {REQUESTS_TOTAL: 0.0, FEATURE_MISSING_REQUESTS_TOTAL: 0.0}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name in counted:
                    counted[sample.name] += sample.value
        return counted[FEATURE_MISSING_REQUESTS_TOTAL] / max(counted[REQUESTS_TOTAL], 1.0)


def existing_keys(features: Path, views: Sequence[str]) -> dict[str, list[Any]]:
    """Returns join key -> values that have something online, found by a process: Feast is not for this one.

    Raises:
        ShipwayError: when they cannot be read.
    """
    named = [word for view in views for word in ("--view", view)]
    words = [sys.executable, "-m", "shipway.features", "keys", *named, "--features", str(features)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ShipwayError(f"which keys the feature store knows cannot be told: {_last_of(done.stderr)}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


@contextmanager
def running_slot(bundle: Path, features: Path | None, say: Callable[[str], None]) -> Generator[RunningSlot]:
    """Yields a ready slot of a bundle, and ends it whatever happens; its scratch folder goes with it.

    It writes its prediction log into that folder, no Prometheus scrapes it and no route leads to it: what it is sent
    is in nobody's counters, labels or drift.

    Args:
        bundle: its folder in the artifact store.
        features: the folder of a feature store that has the bundle's views, which is only read; None makes an empty
            one, where every value is missing and costs what a missing value costs.
        say: told what is waited for.

    Raises:
        ShipwayError: when it does not become ready, with the last it said.
    """
    with tempfile.TemporaryDirectory(prefix="shipway-loadtest-") as made:
        scratch = Path(made)
        if features is None:
            features = scratch / "features"
            _make_empty(features, bundle)
        port, log = _free_port(), scratch / "slot.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "shipway.serving", "--slot", "green", "--tier", "local"),
                    *("--bundle", str(bundle), "--port", str(port), "--state", str(scratch / "state")),
                    *("--predictions", str(scratch / "predictions"), "--features", str(features)),
                ],
                cwd=scratch,
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                # Ctrl-C is for whoever tests; the slot is ended below.
                start_new_session=True,
            )
            try:
                url = f"http://127.0.0.1:{port}"
                _wait(process, url, log, say)
                yield RunningSlot(url, process)
            finally:
                _end(process)


def _make_empty(features: Path, bundle: Path) -> None:
    """Makes a feature store with the views of `bundle` and no values, by a process: Feast is not for this one."""
    features.mkdir()
    write_atomic(features / "feature_store.yaml", feature_store_yaml())
    words = [sys.executable, "-m", "shipway.features", "register", "--bundle", str(bundle), "--features", str(features)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ShipwayError(f"an empty feature store could not be made: {_last_of(done.stderr)}")


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path, say: Callable[[str], None]) -> None:
    started = told = time.monotonic()
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as client:
        while True:
            try:
                if client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            now = time.monotonic()
            if process.poll() is not None:
                raise ShipwayError(f"the slot ended before it was ready: {_last(log)}")
            if now - started > _READY_SECONDS:
                raise ShipwayError(f"the slot was not ready within {_READY_SECONDS:g} s: {_last(log)}")
            if now - told > _TOLD_SECONDS:
                told = now
                say(f"the slot loads its model ({now - started:.0f} s)")
            time.sleep(_LOOK_SECONDS)


def _last(log: Path) -> str:
    return _last_of(log.read_text(encoding="utf-8", errors="replace"))


def _last_of(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
