"""The drift process as a real process, on a real bundle and real logs; and `shipway drift` beside it."""

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from components.local.providers.rpc import wait_until
from shipway.drift.places import LocalKeeper
from tests.e2e.machine import free_base
from tests.shipway.drift.toy import NAME, Toy

pytestmark = pytest.mark.e2e

# A first round, with its resamples, on a busy machine.
READY_SECONDS = 90


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


@contextmanager
def worker(toy: Toy) -> Iterator[subprocess.Popen[str]]:
    """Runs the worker on the toy's project; it ends with the block."""
    command = [sys.executable, "-m", "shipway.drift", "serve", "--root", str(toy.root), "--env", "local"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.communicate()


def page(port: int) -> dict[tuple[str, str, str], float]:
    """Returns (series, window or log, feature) -> value, empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {
        (one.name, one.labels.get("window", one.labels.get("log", "")), one.labels.get("feature", "")): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name != "shipway_drift_score"
    }


def status(port: int, feature: str) -> float | None:
    return page(port).get(("shipway_drift_status", "day", feature))


def days(toy: Toy) -> list[str]:
    return [
        f"{one.window.start[8:10]} {one.status}"
        for one in LocalKeeper(toy.layout.drift).verdicts(NAME)
        if (one.feature, one.segment, one.window.name) == ("x", "", "day")
    ]


def test_drift_is_found_in_a_running_stack_and_by_the_next_process(toy: Toy) -> None:
    """Each day's verdict is dated and shown once it closed; killed and started again, nothing is told or counted twice.

    `shipway drift` says the same, with exit code 3, while the worker runs and while it is down.
    """
    base = free_base()
    toy.stack(base)
    for number in range(2):
        toy.day(number)
    with worker(toy) as running:
        assert wait_until(lambda: status(base + 7, "x") == 0, READY_SECONDS), page(base + 7)
        assert days(toy) == ["06 stable"]
        for number in range(2, 5):
            toy.day(number, shift=0.7)
        assert wait_until(lambda: status(base + 7, "x") == 1, READY_SECONDS), page(base + 7)
        told = days(toy)
        assert told == ["06 stable", "07 stable", "08 stable", "09 drifted"]
        assert status(base + 7, "view:f") == 0
        code, said = shipway(toy)
        assert (code, "does not run" in said) == (3, False)
        running.kill()
    code, said = shipway(toy)
    assert code == 3
    assert "the drift worker of local does not run" in said
    assert "2013-05-09 to 2013-05-10  DRIFTED" in said
    with worker(toy) as running:
        assert wait_until(lambda: status(base + 7, "x") == 1, READY_SECONDS), page(base + 7)
        assert page(base + 7)["shipway_drift_counted_total", "predictions", ""] == 0
        assert ("shipway_heartbeat_timestamp_seconds", "", "") in page(base + 7)
        assert days(toy) == told
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0


def shipway(toy: Toy) -> tuple[int, str]:
    """Runs `shipway drift` in the toy's project; returns exit code and all that it said."""
    command = [sys.executable, "-c", "from shipway.cli.main import main; main()", "drift", NAME, "--window", "day"]
    done = subprocess.run(command, cwd=toy.root, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr + done.stdout
