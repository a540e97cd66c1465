"""A slot of one bundle for the length of a test: a process like any other, whose logs and counters nobody reads."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from shipway.contract.documents import write_atomic
from shipway.contract.errors import ShipwayError
from shipway.features.repository import feature_store_yaml

__all__ = ["RunningSlot", "running_slot"]

_READY_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_END_SECONDS = 20.0
_TOLD_SECONDS = 5.0


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
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ShipwayError(f"an empty feature store could not be made: {last}")


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
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


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
