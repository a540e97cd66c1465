"""From a real slot's records to what labels say: on a laptop with feedback and a file, on a cluster's object store."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.local.providers.rpc import wait_until
from shipway.bundle.store import ArtifactStore
from shipway.contract.release import short_digest
from shipway.drift.stored import StoredReferences
from shipway.objects.storage import ObjectStorage
from tests.e2e.machine import free_base
from tests.e2e.slot_process import slot, value
from tests.shipway.labels.logs import MODEL, Logs
from tests.shipway.labels.test_stored import SETTINGS
from tests.shipway.serving.echo import put_echo, row
from tests.standins.object_store import object_store

pytestmark = pytest.mark.e2e

ROWS, BATCH = 400, 50
READY_SECONDS = 60


def predict(client: httpx.Client) -> dict[str, float]:
    """Returns the label of each prediction: four of five are right."""
    labels: dict[str, float] = {}
    for start in range(0, ROWS, BATCH):
        numbers = range(start, start + BATCH)
        rows = [row(amount=0.9 if number % 2 else 0.1) for number in numbers]
        answer = client.post("/predict", json={"rows": rows, "unit_id": f"u{start}"})
        assert answer.status_code == 200, answer.text
        for number, one in zip(numbers, answer.json()["prediction_ids"], strict=True):
            labels[one] = float((number % 2 == 1) ^ (number % 5 == 0))
    return labels


@contextmanager
def worker(*arguments: str, variables: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Runs the labels process; it ends with the block."""
    command = [sys.executable, "-m", "shipway.labels", "serve", *arguments]
    process = subprocess.Popen(command, env={**os.environ, **(variables or {})})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def accuracy(port: int, version: str) -> float | None:
    """Returns what the worker's page says, None while it says nothing."""
    try:
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5, trust_env=False).text
    except httpx.TransportError:
        return None
    return value(page, "shipway_quality", model="toy-labels", version=version, metric="accuracy", segment="")


def test_labels_by_feedback_and_by_file_become_quality(tmp_path: Path) -> None:
    """Half of the labels comes as feedback, all as a file: each counts once, as page and command say."""
    logs, base = Logs(tmp_path), free_base()
    logs.stack(base)
    (tmp_path / "Pulumi.yaml").write_text("name: shipway\n")
    store = ArtifactStore(tmp_path / "artifacts")
    digest = put_echo(store, obeys=False, name="toy-labels")
    with slot(store.path(digest), tmp_path, "--predictions", str(logs.folder)) as (client, _):
        labels = predict(client)
        half = [{"prediction_id": one, "label": label} for one, label in list(labels.items())[: ROWS // 2]]
        assert client.post("/feedback", json={"labels": half}).json() == {"accepted": ROWS // 2}
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["prediction_id,label", *(f"{one},{label:g}" for one, label in labels.items())]))
    command = [sys.executable, "-c", "from shipway.cli.main import main; main()", "labels"]
    done = subprocess.run([*command, "import", str(path), "--json"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["written"] == ROWS
    with worker("--root", str(tmp_path), "--env", "local"):
        assert wait_until(lambda: accuracy(base + 6, short_digest(digest)) == 0.8, READY_SECONDS)
    shown = subprocess.run([*command, "toy-labels", "--json"], cwd=tmp_path, capture_output=True, check=True)
    found = {one["metric"]: one for one in json.loads(shown.stdout)["quality"] if one["window"]["name"] == "week"}
    assert (found["accuracy"]["score"], found["accuracy"]["n_current"]) == (0.8, ROWS)
    assert found["auc"]["score"] == pytest.approx(0.8, abs=0.01)


def test_a_slots_records_reach_a_worker_through_the_object_store(tmp_path: Path) -> None:
    """The slot writes records and description there, to its disk the secret alone; the worker needs no more."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
    described = tmp_path / "described.json"
    artifacts, base = ArtifactStore(tmp_path / "artifacts"), free_base()
    digest = put_echo(artifacts, obeys=False, name="toy-labels")
    version = short_digest(digest)
    described.write_text(json.dumps({"spec": MODEL, "evaluations": {version: {"accuracy": 0.95}}}))
    settings = tmp_path / "worker.json"
    settings.write_text(SETTINGS.model_dump_json())
    with object_store() as store, pytest.MonkeyPatch.context() as patch:
        store.page = 100
        variables = {"AWS_ENDPOINT_URL": store.url, "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
        for name, text in variables.items():
            patch.setenv(name, text)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        more = ("--store", "s3://bucket/logs/toy-labels", "--described", str(described))
        with slot(artifacts.path(digest), tmp_path, *more) as (client, _):
            labels = predict(client)
            body = [{"prediction_id": one, "label": label} for one, label in labels.items()]
            assert client.post("/feedback", json={"labels": body}).status_code == 200
        kinds = {name.split("/")[2] for name in store.objects if name.startswith("logs/toy-labels/")}
        assert kinds == {"predictions", "labels", "described.json", "bundles"}
        # What its drift is judged by comes along, and is known to be this version's.
        reference = StoredReferences(ObjectStorage("s3://bucket/logs/toy-labels")).read(version)
        assert reference.predictions.counts == (1,) * 20
        assert [path.name for path in (tmp_path / "predictions").rglob("*.parquet")] == []
        output = tmp_path / "output"
        with worker("--config", str(settings), "--metrics-port", str(base), "--output", str(output)):
            assert wait_until(lambda: accuracy(base, version) == 0.8, READY_SECONDS)
        lines = store.objects["workers/labels/toy-labels/quality.jsonl"].splitlines()
    assert {json.loads(line)["status"] for line in lines} == {"dropped"}
