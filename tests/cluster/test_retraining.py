"""Retraining on a cluster: the job that Pulumi declares, run with its own rights against a real API server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from shipway.contract.alerts import AlertName
from shipway.contract.environment import load_environment
from shipway.contract.model import load_model
from shipway.observability.rules import model_rules
from tests.cluster.control_plane import ControlPlane
from tests.cluster.registry import serve
from tests.cluster.retraining import DRIFTED_UNTIL, NAME, Retrained
from tests.components.conftest import make_project
from tests.components.kubernetes.cluster import STACK
from tests.faults.rig import find_prometheus
from tests.shipway.delivery.stack import free_port, wait_until
from tests.standins.object_store import object_store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def world(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retrained]:
    folder = tmp_path_factory.mktemp("retrained")
    with pytest.MonkeyPatch.context() as patch, serve(folder / "registry") as registry, object_store() as store:
        # Nothing that an earlier test left leads anywhere else.
        patch.setenv("AWS_ENDPOINT_URL", store.url)
        made = Retrained(folder, make_project(folder, patch), plane, registry, store)
        made.declare()
        try:
            yield made
        finally:
            made.end()


@pytest.fixture
def retrained(world: Retrained) -> Retrained:
    """The model before any of its jobs has remembered anything."""
    world.forget()
    return world


def test_what_is_declared_is_valid(retrained: Retrained) -> None:
    """The API server takes the job, its volume, its edges and its rules, strictly; its pod fulfils what is enforced."""
    own = [one for one in retrained.declared if "retraining" in one["metadata"]["name"]]
    kinds = {one["kind"] for one in own}
    assert kinds >= {"ConfigMap", "CronJob", "NetworkPolicy", "PersistentVolumeClaim", "PrometheusRule"}
    retrained.plane.apply(*own, dry_run=True)
    template = next(one for one in own if one["kind"] == "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    named = {"name": "pod", "namespace": retrained.namespace}
    retrained.plane.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template["spec"]}, dry_run=True
    )


def test_a_verdict_ends_in_a_branch_of_one_commit(retrained: Retrained) -> None:
    """Trained, compared, its image made and signed, pushed: the release file names it; a second job does nothing."""
    retrained.verdict()
    done = retrained.run_job()
    assert done.returncode == 0, done.stderr
    (branch,) = retrained.remote.branches() - {"main"}
    git = retrained.remote.git
    assert git("rev-list", "--count", f"main..{branch}") == "1"
    changed = git("diff", "--name-only", "main", branch).splitlines()
    short = branch.rpartition("-")[2]
    folder = "services/toy_train/releases"
    assert changed == [f"{folder}/bundles/{short}.yaml", f"{folder}/{STACK}.yaml"]
    release = yaml.safe_load(git("show", f"{branch}:{folder}/{STACK}.yaml"))
    assert release["blue"] == retrained.champion
    assert release["green"].startswith(f"sha256:{short}")
    assert release["reason"] == f"input drift in x, day to {DRIFTED_UNTIL.isoformat()}"
    image = f"{retrained.registry.host}/models/{NAME}@{release['images'][release['green']]}"
    retrained.registry.crane("validate", "--remote", image)
    assert retrained.memory.failures == 0
    again = retrained.run_job()
    assert again.returncode == 0, again.stderr
    assert again.stderr == f"{NAME}: nothing is due: no verdict asks for a run\n"
    assert retrained.remote.branches() == {"main", branch}


def test_a_missing_right_is_a_failure_that_an_alarm_sees(retrained: Retrained, tmp_path: Path) -> None:
    """The job says which, pushes nothing, and ends badly; the worker shows it and a real Prometheus alarms."""
    retrained.verdict()
    retrained.withdraw("rolebinding", f"{NAME}-retraining")
    try:
        done = retrained.run_job()
    finally:
        retrained.grant()
    assert done.returncode == 1
    said = 'cannot list resource "httproutes" in API group "gateway.networking.k8s.io" in the namespace'
    assert said in done.stderr
    assert said in retrained.memory.problem
    assert retrained.remote.branches() == {"main"}
    assert retrained.memory.failures == 1
    rules = model_rules(
        load_model(retrained.service / "model.yaml"), load_environment(retrained.project.root, STACK), released=True
    )
    port = free_port()
    worker = start_worker(retrained, tmp_path, port)
    try:
        prometheus, asked = start_prometheus(tmp_path, port, rules)
        try:
            wait_until(lambda: AlertName.RETRAINING_FAILED in firing(asked), "the alarm fires", PATIENCE_SECONDS)
        finally:
            prometheus.terminate()
            prometheus.wait(20)
    finally:
        worker.terminate()
        assert worker.wait(20) == 0


def start_worker(retrained: Retrained, folder: Path, port: int) -> "subprocess.Popen[bytes]":
    """Starts the process that shows what the jobs remember, with the settings that the program declares."""
    settings = {"environment": STACK, "tier": "prod", "records": "s3://shipway-onprem"}
    settings |= {"predictions": "s3://shipway-onprem/predictions", "state": "s3://shipway-onprem/workers"}
    settings |= {"features": "s3://shipway-onprem/features"}
    config = folder / "worker.json"
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "shipway.retraining", "serve", "--config", str(config)]
    credentials = retrained.folder / "pod/run/secrets/shipway/object-storage/credentials"
    environment = {"AWS_ENDPOINT_URL": retrained.store.url, "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    words = [*command, "--metrics-port", str(port), "--output", str(folder)]
    return subprocess.Popen(words, env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])}, cwd=folder)


def start_prometheus(folder: Path, worker: int, rules: str) -> tuple["subprocess.Popen[bytes]", str]:
    """Starts a Prometheus that scrapes the worker and has the model's rules; returns it and where it is asked."""
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        group["interval"] = "1s"
    (folder / "rules.yml").write_text(yaml.safe_dump(document))
    jobs = [{"job_name": "retraining", "static_configs": [{"targets": [f"127.0.0.1:{worker}"]}]}]
    times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": times, "scrape_configs": jobs, "rule_files": [str(folder / "rules.yml")]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        find_prometheus(),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        started = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log, cwd=folder
        )
    return started, f"http://127.0.0.1:{port}/api/v1/alerts"


def firing(asked: str) -> set[str]:
    """Returns the alerts that fire."""
    try:
        answer = httpx.get(asked, trust_env=False)
    except httpx.TransportError:
        return set()
    # It says so in plain text while it starts.
    found = answer.json()["data"]["alerts"] if answer.is_success else []
    return {one["labels"]["alertname"] for one in found if one["state"] == "firing"}
