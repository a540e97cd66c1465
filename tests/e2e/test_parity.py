"""Parity as a real worker and as a real command: real logs, a real bundle, a real offline store, real children."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from components.local.providers.rpc import wait_until
from shipway.bundle.store import ArtifactStore
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import PARITY_COMPARED_TOTAL, PARITY_DIFFERENT_TOTAL, PARITY_JOB
from shipway.contract.workers import WORKERS
from tests.e2e.machine import free_base
from tests.shipway.labels.logs import STACK
from tests.shipway.parity.shop import READS, Shop, past, published, write_bundle, write_offline, write_service

pytestmark = pytest.mark.e2e

_, SALES, _ = READS
# Feast imports in ten seconds, on a busy machine in thirty.
COMPARED_SECONDS = 90


class Project:
    """A project with one service, its bundle, its offline files and no log yet."""

    def __init__(self, root: Path) -> None:
        self.root, self.layout, self.base = root, LocalLayout(root, "local"), free_base()
        (root / "Pulumi.yaml").write_text("name: shipway\n")
        stack = root / "stacks" / "Pulumi.local.yaml"
        stack.parent.mkdir()
        document = {"config": {"shipway:environment": STACK | {"ports": {"base": self.base}}}}
        stack.write_text(yaml.safe_dump(document))
        service = write_service(root)
        self.shop = Shop(service, root, write_bundle(service, ArtifactStore(self.layout.artifacts)))
        self.offline = past(3)
        write_offline(root / ".shipway" / "cache" / "training" / service.name, self.offline)
        self.online = published(self.offline)

    def log(self, seed: int, requests: int) -> pa.Table:
        """Logs requests as a slot would, in the folders of their hours."""
        records = self.shop.records(self.online, seed, requests)
        for hour in sorted({time.strftime("%Y-%m-%dT%H") for time in records.column("event_time").to_pylist()}):
            rows = [row for row in records.to_pylist() if row["event_time"].strftime("%Y-%m-%dT%H") == hour]
            folder = self.layout.predictions / "parity-shop" / "predictions" / hour
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows, schema=records.schema), folder / f"{seed}.parquet")
        return records

    def counted(self, name: str, feature: str) -> float | None:
        """Returns a counter of the worker's page, None while there is none."""
        port = self.base + WORKERS[PARITY_JOB].port_offset
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                families = list(text_string_to_metric_families(answer.read().decode()))
        except OSError:
            return None
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return next((sample.value for sample in samples if sample.labels["feature"] == feature), None)

    @contextmanager
    def worker(self, temporary: Path | None = None) -> Iterator[subprocess.Popen[str]]:
        """Runs the worker, its temporary files in a folder of its own; it ends with the block."""
        command = [sys.executable, "-m", "shipway.parity", "serve", "--root", str(self.root), "--env", "local"]
        env = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})
        running = subprocess.Popen([*command, "--every-seconds", "1"], env=env, stderr=subprocess.PIPE, text=True)
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()
            running.communicate()

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `shipway` in the project."""
        code = "from shipway.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_skew_that_begins_is_counted_and_kept(project: Project) -> None:
    """What agrees is counted, then what differs; the worker is small between looks, and SIGTERM ends it with 0."""
    project.log(1, 60)
    with project.worker() as running:
        assert wait_until(lambda: project.counted(PARITY_COMPARED_TOTAL, SALES) == 60, COMPARED_SECONDS)
        assert project.counted(PARITY_DIFFERENT_TOTAL, SALES) == 0
        project.online["sales_v1"]["ratio"] *= 100
        project.log(2, 40)
        assert wait_until(lambda: project.counted(PARITY_DIFFERENT_TOTAL, SALES) == 40, COMPARED_SECONDS)
        assert project.counted(PARITY_COMPARED_TOTAL, SALES) == 100
        rss_mib = psutil.Process(running.pid).memory_info().rss / 2**20
        print(f"the worker takes {rss_mib:.0f} MiB between two looks")
        assert rss_mib < 60
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
    lines = (project.layout.parity / "parity-shop" / "worst.jsonl").read_text().splitlines()
    assert {(one["feature"], one["likely_cause"]) for one in map(json.loads, lines)} == {(SALES, "scaling")}


def test_sigterm_ends_what_compares(project: Project, tmp_path: Path) -> None:
    """No child outlives the worker that started it, nor does a temporary file; what it was at still waits on disk."""
    project.log(1, 20)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with project.worker(temporary) as running:
        children: list[psutil.Process] = []

        def comparing() -> bool:
            children[:] = psutil.Process(running.pid).children(recursive=True)
            return any("compare" in child.cmdline() for child in children)

        assert wait_until(comparing, 60)
        assert list(temporary.rglob("records.parquet"))
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
        assert wait_until(lambda: not any(child.is_running() for child in children), 5)
    assert list(temporary.iterdir()) == []
    with pq.ParquetFile(project.layout.parity / "parity-shop" / "waiting.parquet") as file:
        assert file.metadata.num_rows == 20


def test_the_command_keeps_a_sample_and_tells_what_is_wrong_with_it(project: Project) -> None:
    """Exit code 1 and the cause in words, from the file alone; a wrong time is refused."""
    project.online["sales_v1"]["ratio"] *= 100
    project.log(1, 80)
    span = ("--since", "2013-05-01", "--until", "2013-05-05", "--sample", "50")
    kept = project.command("parity", "parity-shop", *span, "--record", "kept.parquet")
    assert (kept.returncode, kept.stdout) == (0, ""), kept.stderr
    assert "kept.parquet: 50 predictions and " in kept.stderr
    done = project.command("parity", "parity-shop", "--recorded", "kept.parquet")
    assert done.returncode == 1, done.stderr
    assert "50 of 50 logged predictions" in done.stdout
    assert (
        f"{SALES}: 100.0% skewed, likely cause scaling (100%): served = 100 * offline: a scaling or a unit is applied "
        "on one side only (a ratio as percent)"
    ) in done.stdout
    assert done.stdout.splitlines()[-1] == f"parity does not hold: {SALES}"
    wrong = project.command("parity", "parity-shop", "--since", "yesterday")
    expected = "error: --since: got 'yesterday', expected a date or time such as 2013-07-01 or 2013-07-01T12:00:00Z\n"
    assert (wrong.returncode, wrong.stderr) == (2, expected)
