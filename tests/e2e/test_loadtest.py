"""A load test of a real bundle: its own slot, Locust in a process of its own, and nothing left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import Profile
from shipway.loadtest.running import Order, run
from shipway.scaffold.testing import TrainedService, train_service

ROOT = Path(__file__).resolve().parents[2]
SHIPWAY = [sys.executable, "-c", "from shipway.cli.main import main; main()"]

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedService:
    return train_service(ROOT / "services" / "digits", tmp_path_factory.mktemp("trained"))


def test_a_version_is_tested_on_a_slot_of_its_own(trained: TrainedService) -> None:
    """Every request is answered by that digest's own model; the slot and its scratch folder go with the test."""
    said: list[str] = []
    order = Order(
        spec=trained.spec,
        digest=trained.digest,
        artifacts=trained.bundle.parents[1],
        features=None,
        logged=(),
        profile=Profile.SMOKE,
        environment="local",
        seed=1,
        duration_seconds=6.0,
    )
    result = run(order, said.append, lambda: datetime.now(UTC))
    # How fast this machine is today is not what is tested; that nothing failed is.
    assert result.judgement in (Judgement.PASS, Judgement.INCONCLUSIVE, Judgement.FAIL)
    assert (result.failures, result.failed_by, result.whole) == (0, {}, False)
    assert result.requests > 20
    assert result.latency is not None
    assert 0 < result.latency.p50 <= result.latency.p99
    assert (result.digest, result.arrivals_per_second) == (trained.digest, 20.0)
    assert result.memory_before_bytes is not None
    assert result.memory_before_bytes > 2**20
    assert result.memory_after_bytes is not None
    assert any("arrived" in line for line in said)
    assert _left_over(trained.bundle) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_the_test_with_all_it_started(
    trained: TrainedService, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """No result, no slot, no sender and no trace of Python; a build server that gives up is as good as a person."""
    for name in ("Pulumi.yaml", "stacks", "services"):
        (tmp_path / name).symlink_to(ROOT / name)
    artifacts = tmp_path / ".shipway" / "local" / "artifacts"
    artifacts.parent.mkdir(parents=True)
    artifacts.symlink_to(trained.bundle.parents[1])
    words = ["loadtest", "digits", "--profile", "soak", "--digest", trained.digest]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [*SHIPWAY, *words], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        clock = threading.Timer(200, process.kill)
        clock.start()
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                # The first requests are on their way.
                if "arrived" in line:
                    break
            assert "arrived" in "".join(lines[-1:]), lines
            children = psutil.Process(process.pid).children(recursive=True)
            assert len(children) >= 2
            process.send_signal(number)
            out, rest = process.communicate(timeout=60)
        finally:
            clock.cancel()
    assert process.returncode == code
    assert out == ""
    assert "Traceback" not in rest
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert list((tmp_path / ".shipway").rglob("*.json")) == []


def _left_over(bundle: Path) -> list[str]:
    """Returns the command lines of processes that still serve a bundle for a load test."""
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if str(bundle) in line and "shipway-loadtest-" in line:
                found.append(line)
    return found
