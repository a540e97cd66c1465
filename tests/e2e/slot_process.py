"""One slot as a real process: started, asked, and ended whatever happens."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.machine import free_port


def command(bundle: Path, scratch: Path, port: int, *more: str) -> list[str]:
    """Returns the command line of the green slot that serves `bundle`."""
    return [
        *(sys.executable, "-m", "shipway.serving", "--slot", "green", "--tier", "local"),
        *("--bundle", str(bundle), "--port", str(port), "--state", str(scratch / "state")),
        *("--predictions", str(scratch / "predictions"), "--features", str(scratch / "features"), *more),
    ]


@contextlib.contextmanager
def slot(
    bundle: Path, scratch: Path, *more: str, log: Path | None = None
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """Yields a client of a ready slot, and its process; what it says goes into `log` where one is given."""
    port = free_port()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(log.open("wb")) if log else None
        process = subprocess.Popen(
            command(bundle, scratch, port, *more), cwd=scratch, env=environment, stdout=said, stderr=said
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            limit = time.monotonic() + 60
            while not ready(client):
                assert process.poll() is None, "the slot ended before it was ready"
                assert time.monotonic() < limit, "the slot was not ready within 60 s"
                time.sleep(0.05)
            yield client, process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def ready(client: httpx.Client) -> bool:
    """Returns whether the slot says that it is ready."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def value(page: str, name: str, **labels: str) -> float | None:
    """Returns the one sample of `name` whose labels include `labels`."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None
