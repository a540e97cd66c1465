"""A load test of a real bundle: its own slot, Locust in a process of its own, and nothing left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from shipway.bundle.source import import_from
from shipway.contract.documents import write_atomic
from shipway.contract.evidence import Judgement
from shipway.contract.loadtest import Profile
from shipway.features.online import OnlineStore
from shipway.features.repository import apply, feature_store_yaml
from shipway.loadtest.running import Order, run
from shipway.scaffold.testing import TrainedService, train_service

ROOT = Path(__file__).resolve().parents[2]
SHIPWAY = [sys.executable, "-c", "from shipway.cli.main import main; main()"]

# How long before a flight leaves it is asked about.
ASKED_BEFORE = timedelta(hours=2)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedService:
    return train_service(ROOT / "services" / "digits", tmp_path_factory.mktemp("trained"))


@pytest.mark.timeout(300)
def test_a_model_that_reads_features_is_asked_about_what_its_store_knows(tmp_path: Path) -> None:
    """As of the newest logged request: else every value would be missing or stale, and the test one of defaults."""
    trained = train_service(ROOT / "services" / "flight_delay", tmp_path)
    logged = json.loads((trained.folder / "tests" / "request.json").read_text())["rows"]
    asked_at = datetime.fromisoformat(logged[0]["scheduled_departure"]) - ASKED_BEFORE
    said: list[str] = []
    order = Order(
        spec=trained.spec,
        digest=trained.digest,
        artifacts=trained.bundle.parents[1],
        features=published(trained, tmp_path / "features", logged[0]["tail_number"], asked_at),
        logged=logged,
        asked_at=asked_at,
        profile=Profile.SMOKE,
        environment="local",
        seed=1,
        duration_seconds=6.0,
    )
    result = run(order, said.append, lambda: datetime.now(UTC))
    assert (result.failures, result.failed_by) == (0, {})
    assert result.requests > 20
    assert "keys that the feature store knows: 16 of carrier, 3 of origin, 3 of tail_number" in said
    # What is at an edge or null has no value, a tenth each of the generated half.
    (defaulted,) = [line for line in said if line.endswith(" of the requests got the default of a feature")]
    assert 0 < int(defaulted.partition("%")[0]) < 30, defaulted
    assert _left_over(trained.digest) == []


def published(trained: TrainedService, folder: Path, tail_number: str, at: datetime) -> Path:
    """Returns a feature store with a value of every feature for each carrier, airport, and three aircraft."""
    folder.mkdir()
    write_atomic(folder / "feature_store.yaml", feature_store_yaml())
    apply(trained.folder, folder)
    store = OnlineStore(folder)
    schema = import_from(trained.folder.parent, trained.folder.name, "schema")
    aircraft = [{"tail_number": one} for one in (tail_number, "N1", "N2")]
    keys = {
        "origin_weather_v1": [{"origin": one} for one in schema.ORIGINS],
        "carrier_origin_v1": [{"origin": one, "carrier": two} for one in schema.ORIGINS for two in schema.CARRIERS],
        "aircraft_v1": aircraft,
        "aircraft_arrival_v1": aircraft,
    }
    for view, entities in keys.items():
        values = {
            name: 1.0 for one in trained.spec.features.reads for of, _, name in [one.name.partition(":")] if of == view
        }
        stamp = {"event_timestamp": at - timedelta(hours=1)}
        store.publish(view, [{**entity, **values, **stamp} for entity in entities])
    return folder


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
