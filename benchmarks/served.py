"""Real bundles, and the processes that serve them, for the benchmarks."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

from benchmarks.load import request
from benchmarks.ports import free_ports
from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.served import served_model
from shipway.bundle.source import import_from
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.serving import ServingRuntime
from shipway.scaffold.testing import TrainedService, train_service

__all__ = ["ECHO", "FLIGHT_DELAY", "Served", "hosted", "processes", "requests", "trained"]

ROOT = Path(__file__).resolve().parents[1]
ECHO = ROOT / "benchmarks" / "echo"
FLIGHT_DELAY = ROOT / "services" / "flight_delay"
READY_SECONDS = 240
# Requests say that they are of this moment, for which the feature store has values.
ASKED_AT = "2013-05-01T07:00:00+00:00"


@dataclass(frozen=True)
class Served:
    """A process that serves.

    Args:
        name: of the way.
        port: on 127.0.0.1.
        process: the process.
        log: what it says.
    """

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path


def trained(service: Path, scratch: Path) -> tuple[TrainedService, Path]:
    """Returns a service trained below `scratch`, and the folder of a feature store with values for its requests."""
    made, features = train_service(service, scratch), scratch / "features"
    features.mkdir()
    if made.spec.features.reads:
        _publish(made, features)
    return made, features


def _publish(made: TrainedService, folder: Path) -> None:
    from shipway.features.online import OnlineStore
    from shipway.features.repository import apply, feature_store_yaml

    (folder / "feature_store.yaml").write_text(feature_store_yaml(), encoding="utf-8")
    apply(made.folder, folder)
    store = OnlineStore(folder)
    dataset = import_from(made.folder.parent, made.folder.name, "dataset")
    flights = dataset.flights()
    until = pd.Timestamp(ASKED_AT)
    for view, rows in dataset.feature_rows(flights[flights["asked_at"] < until]).items():
        known = rows[rows["event_timestamp"] <= until].sort_values("event_timestamp")
        keys = [name for name in ("tail_number", "carrier", "origin") if name in known]
        store.publish(view, known.groupby(keys, as_index=False).last().to_dict("records"))


def hosted(made: TrainedService, runtime: ServingRuntime) -> Path:
    """Returns the bundle of `made` with another runtime, in the same store."""
    spec = made.spec.model_copy(update={"serving": made.spec.serving.model_copy(update={"runtime": runtime})})
    store = ArtifactStore(made.bundle.parents[1])
    files = made.bundle.parents[2] / f"hosted-{runtime}" / "files"
    shutil.copytree(made.bundle / "files", files, dirs_exist_ok=True)
    (files / "model.json").write_bytes(canonical_json(served_model(spec).document()))
    manifest = parse(Manifest, read_json(made.bundle / "manifest.json"), "manifest.json")
    return store.path(store.put(files, manifest.model_copy(update={"files": covered_files(files)})))


@contextmanager
def processes(made: TrainedService, features: Path, ways: Iterable[str], scratch: Path) -> Generator[list[Served]]:
    """Yields a process for each way: `bare`, and the runtimes of a slot, `bentoml` and `direct`; all of them ready."""
    names = list(ways)
    ports = free_ports(len(names))
    with ExitStack() as stack:
        found: list[Served] = []
        for name, port in zip(names, ports, strict=True):
            words, log = _command(made, features, name, port, scratch), scratch / f"{name}.log"
            found.append(Served(name, port, stack.enter_context(_running(words, log)), log))
        for one in found:
            _await_ready(one)
        yield found


def _command(made: TrainedService, features: Path, name: str, port: int, scratch: Path) -> list[str]:
    common = ["--port", str(port), "--features", str(features), "--bundle"]
    state = scratch / f"{made.spec.name}-{name}"
    if name == "bare":
        return ["-m", "benchmarks.bare", "--state", str(state), *common, str(made.bundle)]
    own = ["--slot", "blue", "--state", str(state / "state"), "--predictions", str(state / "predictions")]
    return ["-m", "shipway.serving", *own, *common, str(hosted(made, ServingRuntime(name)))]


@contextmanager
def _running(words: Sequence[str], log: Path) -> "Generator[subprocess.Popen[bytes]]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=log.parent, env=environment, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(one: Served) -> None:
    limit = time.monotonic() + READY_SECONDS
    while True:
        if one.process.poll() is not None or time.monotonic() > limit:
            last = "\n".join(one.log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"{one.name} ended, or was not ready within {READY_SECONDS} s:\n{last}")
        try:
            if httpx.get(f"http://127.0.0.1:{one.port}/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def requests(made: TrainedService, count: int = 64) -> list[bytes]:
    """Returns whole requests of one row each from the validation set, at a time for which the store has values."""
    schema = import_from(made.folder.parent, made.folder.name, "schema").SCHEMA
    rows: Any = made.data.validation.head(count)[list(schema.names)].to_dict("records")
    return [request(json.dumps({"rows": [row]}).encode(), {"x-event-time": ASKED_AT}) for row in rows]
