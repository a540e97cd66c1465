"""One slot as a real process: ready, predicting, scraped, stopped at work, refused when its bundle is not true."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from shipway.bundle.canonical import canonical_json
from shipway.bundle.isolated import forget
from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.reference import Reference
from shipway.bundle.served import FaultsSpec, ServedModel, served_model
from shipway.bundle.source import import_from
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.metrics import EVIDENCE_PATH, EVIDENCE_SERIES
from shipway.contract.release import short_digest
from shipway.contract.serving import ServingRuntime
from shipway.drift.bins import FieldBins
from shipway.scaffold.testing import TrainedService, train_service
from shipway.serving.previous import load_before
from tests.e2e.machine import free_port
from tests.e2e.slot_process import command, slot, value

ROOT = Path(__file__).resolve().parents[2]
REQUEST = json.loads((ROOT / "services" / "digits" / "tests" / "request.json").read_text(encoding="utf-8"))

UNIT_BINS = "shipway_unit_prediction_bin_total"

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedService:
    return train_service(ROOT / "services" / "digits", tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module", params=list(ServingRuntime))
def hosted(request: pytest.FixtureRequest, trained: TrainedService, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the bundle of `trained` under each runtime."""
    serving = trained.spec.serving.model_copy(update={"runtime": request.param})
    spec = trained.spec.model_copy(update={"serving": serving})
    return with_document(trained, tmp_path_factory.mktemp("hosted"), served_model(spec))


def test_a_slot_predicts_counts_and_logs(hosted: Path, tmp_path: Path) -> None:
    """The page holds the platform's series; after SIGTERM the log is whole, the bundle as it was."""
    digest = f"sha256:{hosted.name}"
    with slot(hosted, tmp_path) as (client, process):
        answers = [client.post("/predict", json=REQUEST) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        assert answers[0].json()["predictions"] == [0.0]
        assert client.post("/predict", content=b"{").status_code == 400
        for path in ("/nowhere", "/predict/1", "/v2/models/digits/versions/1"):
            assert client.get(path).status_code == 404
        for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert client.get(path).status_code == 200
        # Sent in one piece or without waiting for a confirmation: that wait alone would be 40 ms, each time.
        assert min(client.get("/livez").elapsed.total_seconds() for _ in range(20)) < 0.035
        metrics, evidence = client.get("/metrics"), client.get(EVIDENCE_PATH).text
        page = metrics.text
        assert metrics.headers["content-encoding"] == "gzip"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    # The light page has the same samples as the whole one, of what a rollout is judged by, and no others.
    samples = {line for line in page.splitlines() if line.startswith(EVIDENCE_SERIES)}
    light = {line for line in evidence.splitlines() if not line.startswith("#")}
    assert {_sample(line) for line in light} == {_sample(line) for line in samples}
    assert {line.partition("{")[0] for line in light} == set(EVIDENCE_SERIES)
    who = {"model": "digits", "slot": "green", "version": short_digest(digest)}
    assert value(page, "shipway_requests_total", outcome="ok", **who) == 20
    # Every prediction is in a bin, and every bin is there; a field of pixels has none.
    reference = parse(Reference, read_json(hosted / "files" / "reference.json"), "reference.json")
    labels = FieldBins.of("", reference.predictions).labels
    bins = [value(page, "shipway_prediction_bin_total", bin=label, **who) for label in labels]
    assert sum(count or 0 for count in bins) == 20
    assert None not in bins
    assert value(page, "shipway_requests_total", outcome="rejected_input", **who) == 1
    assert value(page, "shipway_requests_total", outcome="timeout", **who) == 0
    assert value(page, "shipway_model_info", digest=digest, **who) == 1
    model = parse(ServedModel, read_json(hosted / "files" / "model.json"), "model.json")
    answered = value(page, "bentoml_service_request_total", endpoint="/predict", http_response_code="200")
    assert answered == (20 if model.serving.runtime is ServingRuntime.BENTOML else None)
    assert "nowhere" not in page
    ids = [answer.json()["prediction_ids"][0] for answer in answers]
    segments = list((tmp_path / "predictions").rglob("*.parquet"))
    logged = [row for segment in segments for row in pq.read_table(segment).to_pylist()]
    assert sorted(row["prediction_id"] for row in logged) == sorted(ids)
    assert {row["unit_id"] for row in logged} == {REQUEST["unit_id"]}
    assert list(hosted.rglob("__pycache__")) == []


def _sample(line: str) -> tuple[str, frozenset[str], float]:
    """Returns name, labels and value of a sample, whatever the order of its labels."""
    name, _, rest = line.partition("{")
    labels, _, value_text = rest.rpartition("} ")
    return name, frozenset(labels.split(",")), float(value_text)


def with_faults(trained: TrainedService, folder: Path, faults: FaultsSpec) -> Path:
    """Returns the bundle of `trained` as a rehearsal, in the same store."""
    return with_document(trained, folder, served_model(trained.spec, faults))


def with_document(trained: TrainedService, folder: Path, served: ServedModel) -> Path:
    """Returns the bundle of `trained` with another model.json, in the same store."""
    files = folder / "files"
    shutil.copytree(trained.bundle / "files", files)
    (files / "model.json").write_bytes(canonical_json(served.document()))
    manifest = parse(Manifest, read_json(trained.bundle / "manifest.json"), "manifest.json")
    store = ArtifactStore(trained.bundle.parents[1])
    return store.path(store.put(files, manifest.model_copy(update={"files": covered_files(files)})))


def test_a_candidate_counts_units_on_lives_edges_and_its_faults(trained: TrainedService, tmp_path: Path) -> None:
    """What a rollout reads is on the page from the start, under live's reference beside its own."""
    candidate = with_faults(trained, tmp_path, FaultsSpec(error_ratio=0.5))
    state = json.dumps({"live": "blue", "live_digest": trained.digest})
    metadata = {"filter_metadata": {"shipway": {"model": "digits", "state": state}}}
    routes = tmp_path / "rds.json"
    routes.write_text(json.dumps({"resources": [{"virtual_hosts": [{"routes": [{"metadata": metadata}]}]}]}))
    more = ("--served-routes", str(routes), "--artifacts", str(trained.bundle.parents[1]))
    with slot(candidate, tmp_path, *more) as (client, _):
        references = (trained.bundle.name[:12], candidate.name[:12])
        before = client.get("/metrics").text
        for name in ("shipway_units_total", "shipway_feature_missing_requests_total"):
            assert value(before, name) == 0
        for reference in references:
            found = [value(before, UNIT_BINS, reference=reference, bin=str(number)) for number in range(20)]
            assert found == [0] * 20
        headers = [{"x-unit-id": f"unit-{number % 40}", "x-shipway-rollout": "1/0"} for number in range(80)]
        asked = {"rows": REQUEST["rows"]}
        answers = [client.post("/predict", json=asked, headers=one).status_code for one in headers]
        page = client.get("/metrics").text
    assert 20 < answers.count(503) < 60
    assert value(page, "shipway_requests_total", outcome="error") == answers.count(503)
    assert value(page, "shipway_units_total") == 40
    answered = {one["x-unit-id"] for one, status in zip(headers, answers, strict=True) if status == 200}
    for reference in references:
        found = [value(page, UNIT_BINS, reference=reference, bin=str(number)) or 0 for number in range(20)]
        assert sum(found) == len(answered)


def test_a_trained_version_stands_beside_another_of_its_package(trained: TrainedService) -> None:
    """Its model comes out of its own file, its code is its own, and it says what it said when it was trained."""
    served = import_from(trained.folder.parent, "digits", "service")
    before = load_before(trained.digest, "digits", trained.bundle.parents[1])
    try:
        rows = before.rows([{"pixels": list(row)} for row in trained.data.validation["pixels"][:20]], [])
        assert not isinstance(rows, str)
        assert before.model.predict(rows).tolist() == trained.predictions[:20].tolist()
        beside = sys.modules[f"digits__{before.version}.service"]
        assert served.Digits.inner is not beside.Digits.inner
        assert type(before.model) is beside.Digits.inner
    finally:
        forget("digits", before.version)


def test_a_rehearsed_crash_ends_the_process_with_one_line(trained: TrainedService, tmp_path: Path) -> None:
    """It never opens its port; on another tier the same bundle is refused for its fault."""
    bundle = with_faults(trained, tmp_path, FaultsSpec(crash=True))
    for more, said in ((), "rehearses a crash (fault.crash)"), (("--tier", "prod"), "rehearses faults (fault.crash"):
        asked = command(bundle, tmp_path, free_port(), *more)
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert done.stderr.startswith(f"error: {bundle}: {said}")


def _accepted(pid: int) -> int:
    """Returns how many connections a process has accepted and holds."""
    return sum(one.status == psutil.CONN_ESTABLISHED for one in psutil.Process(pid).net_connections("tcp"))


def test_requests_in_flight_finish_after_sigterm(hosted: Path, tmp_path: Path) -> None:
    """A slot that is told to stop answers what it has begun."""
    # In flight for certain: the signal arrives between two pieces of the body.
    content = json.dumps(REQUEST).encode()
    told, begun = threading.Event(), list[int]()

    def trickle() -> Iterator[bytes]:
        yield content[:10]
        begun.append(1)
        told.wait(10)
        time.sleep(0.5)
        yield content[10:]

    with slot(hosted, tmp_path) as (client, process):
        results: list[int] = []

        def ask() -> None:
            results.append(client.post("/predict", content=trickle()).status_code)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 20
        while len(begun) < 4 or _accepted(process.pid) < 4:
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        told.set()
        for thread in threads:
            thread.join(20)
        assert process.wait(20) == 0
    assert results == [200] * 4


def test_a_killed_slot_leaves_nothing_outside_its_folders(
    trained: TrainedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its temporary files lie below its state, where the next start removes them."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    left = tmp_path / "state" / "tmp" / "left"
    with slot(trained.bundle, tmp_path) as (_, process):
        process.kill()
        process.wait(20)
    left.touch()
    with slot(trained.bundle, tmp_path) as (_, process):
        assert not left.exists()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("change", ["model", "code", "extra"])
def test_a_bundle_that_is_not_what_its_digest_says_is_refused(
    trained: TrainedService, tmp_path: Path, change: str
) -> None:
    """Nothing of it runs; the error names the file, and the exit code is 1."""
    bundle = tmp_path / trained.bundle.name
    shutil.copytree(trained.bundle, bundle)
    changed = {
        "model": bundle / "files" / "model" / "model.skops",
        "code": bundle / "files" / "src" / "digits" / "__init__.py",
        "extra": bundle / "files" / "src" / "digits" / "more.py",
    }[change]
    marker = tmp_path / "ran"
    changed.write_bytes(f"open({str(marker)!r}, 'w')".encode())
    done = subprocess.run(
        command(bundle, tmp_path, free_port()), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {changed}: found ")
    assert ", expected " in done.stderr
    assert not marker.exists()


def test_a_taken_port_is_said_and_nothing_serves(trained: TrainedService, tmp_path: Path) -> None:
    """Two processes on one port would be two versions behind one address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        asked = command(trained.bundle, tmp_path, port)
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: 127.0.0.1:{port}: expected a free port")
