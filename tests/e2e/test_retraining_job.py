"""The job of a model's CronJob, run as a cluster would: its own command, variables and rights, in another place.

The API server, the object store and the repository are on loopback; what answers for the API server gives what the
job's Role allows and refuses the rest, as a real one does.
"""

import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from shipway.contract.metrics import Slot
from shipway.contract.route import RolloutState, RouteSpec, SlotEndpoint
from shipway.delivery.cluster.route import CARRIED_ANNOTATION, ROUTE_STATE_ANNOTATION
from shipway.logs.schemas import HOUR_FORMAT, LABEL_SCHEMA, PREDICTION_SCHEMA
from tests.cluster.certificates import Authority
from tests.components.conftest import project
from tests.components.kubernetes.cluster import Cluster, Registered
from tests.components.kubernetes.conftest import cluster
from tests.components.kubernetes.test_retraining import NAME, PLACE, every, pod
from tests.shipway.delivery.stack import PROJECT
from tests.shipway.training.conftest import MODEL, SCHEMA, SERVICE, TRAIN
from tests.standins.object_store import ObjectStore, object_store

__all__ = ["cluster", "project"]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROWS = 800
GIT = ("git", "-c", "user.name=ada", "-c", "user.email=ada@example.com")


class ApiServer(http.server.ThreadingHTTPServer):
    """Lists the routes of one namespace for whoever has the token and, by `rules`, the right."""

    daemon_threads = True

    def __init__(self, rules: list[dict[str, Any]], namespace: str, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.rules, self.namespace = rules, namespace
        self.routes: list[dict[str, Any]] = []
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}"

    def allows(self, path: str) -> bool:
        group = re.fullmatch(rf"/apis?(?:/([^/]+))?/[^/]+/namespaces/{self.namespace}/([a-z]+)", path)
        wanted = (group[1] or "", group[2]) if group else ("", "")
        return any(
            "list" in rule["verbs"] and wanted[0] in rule["apiGroups"] and wanted[1] in rule["resources"]
            for rule in self.rules
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = self.headers.get("authorization") == "Bearer of-the-pod" and self.server.allows(path)
        if not known:
            self.server.refused.append(path)
        body = json.dumps({"items": self.server.routes} if known else {"message": "forbidden"}).encode()
        self.send_response(HTTPStatus.OK if known else HTTPStatus.FORBIDDEN)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the test's output readable."""


class Job:
    """The job's container on this machine.

    Args:
        registered: what Pulumi registers.
        root: a folder for all that a pod has in volumes.
        store: the object store.
    """

    def __init__(self, registered: Registered, root: Path, store: ObjectStore, api: ApiServer) -> None:
        self.container = pod(registered)["containers"][0]
        self.root, self.state, self.api = root, root / "state", api
        self.state.mkdir()
        (root / "token").write_text("t")
        programs = root / "programs"
        programs.mkdir()
        # The image's own command, of this checkout.
        start = f'exec {sys.executable} -c "from shipway.cli.main import main; main()" "$@"'
        (programs / "shipway").write_text(f"#!/bin/sh\n{start}\n")
        (programs / "shipway").chmod(0o755)
        credentials = root / "credentials"
        credentials.write_text("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
        self.changed = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "HOME": str(root),
            "REPOSITORY_URL": (root / "origin.git").as_uri(),
            "REPOSITORY_TOKEN_FILE": str(root / "token"),
            "STATE": str(self.state),
            "KUBECONFIG": str(root / "kubeconfig"),
            "TOKEN_FOLDER": str(root / "identity"),
            "API_SERVER": api.url,
            "AWS_ENDPOINT_URL": store.url,
            "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, number: int) -> "subprocess.CompletedProcess[str]":
        """Runs the command once, in a checkout of its own."""
        given = {one["name"]: one["value"] for one in self.container["env"]}
        # Nothing that the job reads is made up here: what is changed is there, but for what an image and a node bring.
        brought = {"PATH", "PYTHONPATH", "AWS_ENDPOINT_URL", "AWS_EC2_METADATA_DISABLED"}
        assert self.changed.keys() - given.keys() == brought
        variables = given | self.changed | {"PROJECT": str(self.root / f"clone-{number}")}
        return subprocess.run(
            self.container["command"], env=variables, capture_output=True, text=True, check=False, timeout=250
        )

    def outcome(self) -> dict[str, Any]:
        """Returns what the last run said, which outlives its pod."""
        path = max((self.state / "onprem" / "retraining" / "digits" / "runs").glob("*.json"))
        return json.loads(path.read_text())

    def branches(self) -> list[str]:
        command = ["git", "-C", str(self.root / "origin.git"), "branch", "--format=%(refname:short)"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def repository(root: Path, stack: Mapping[str, Any]) -> None:
    """Makes the repository with a small model, called like the one that the CronJob is for."""
    origin, seed = root / "origin.git", root / "seed"
    subprocess.run([*GIT, "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run([*GIT, "clone", "-q", str(origin), str(seed)], check=True, capture_output=True)
    service = seed / "services" / "digits"
    service.mkdir(parents=True)
    (seed / "stacks").mkdir()
    for name, text in (("__init__", '"""Toy."""\n'), ("schema", SCHEMA), ("train", TRAIN), ("service", SERVICE)):
        (service / f"{name}.py").write_text(text.replace("toy_train", "digits").replace("toy-train", "digits"))
    model = yaml.safe_load(MODEL) | {"name": "digits", "segments": ["colour"], "retraining": {"minimum_rows": 300}}
    (service / "model.yaml").write_text(yaml.safe_dump(model))
    (seed / "Pulumi.yaml").write_text("name: shipway\n")
    (seed / "stacks" / "Pulumi.onprem.yaml").write_text(yaml.safe_dump(stack))
    (seed / ".gitignore").write_text("/.shipway\n")
    for words in (("add", "."), ("commit", "-qm", "first"), ("push", "-q", "origin", "HEAD:main")):
        subprocess.run([*GIT, "-C", str(seed), *words], check=True)


def log(store: ObjectStore) -> None:
    """Puts an hour of predictions and their labels into the store, drawn as the toy's own data, and a newer one."""
    rng, hour = np.random.default_rng(99), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = hour - timedelta(hours=3)
    predictions, labels = list[dict[str, Any]](), list[dict[str, Any]]()
    for number in range(ROWS):
        x, at = rng.uniform(-1, 1), start + timedelta(seconds=number)
        fields = json.dumps({"x": x, "colour": ("red", "blue")[number % 2]})
        record = {"prediction_id": f"p{number}", "unit_id": f"asked-{number}", "event_time": at, "fields": fields}
        predictions.append(dict.fromkeys(PREDICTION_SCHEMA.names) | record | {"features": []})
        label = {"prediction_id": f"p{number}", "label": float(x + rng.normal(scale=0.5) > 0), "event_time": at}
        labels.append(dict.fromkeys(LABEL_SCHEMA.names) | label)
    newest = predictions[0] | {"prediction_id": "newest", "event_time": hour - timedelta(hours=1)}
    for kind, schema, records in (
        ("predictions", PREDICTION_SCHEMA, predictions),
        ("labels", LABEL_SCHEMA, labels),
        ("predictions", PREDICTION_SCHEMA, [newest]),
    ):
        content = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(records, schema), content)
        name = f"predictions/digits/{kind}/{records[0]['event_time'].strftime(HOUR_FORMAT)}/a.parquet"
        store.objects[name] = content.getvalue().to_pybytes()


def route(digest: str) -> dict[str, Any]:
    """Returns the route of the model as delivery writes it, with `digest` live."""
    blue, green = SlotEndpoint(port=1, digest=digest), SlotEndpoint(port=2, digest="")
    spec = RouteSpec(model="digits", owner="toys", blue=blue, green=green, timeout_seconds=1.0, max_body_bytes=1)
    state = RolloutState(live=Slot.BLUE, live_digest=digest)
    carried = {"spec": spec.model_dump(mode="json"), "changes": []}
    annotations = {ROUTE_STATE_ANNOTATION: state.model_dump_json(), CARRIED_ANNOTATION: json.dumps(carried)}
    return {"metadata": {"name": "digits", "annotations": annotations}, "spec": {}}


@contextmanager
def serving(server: ApiServer) -> Iterator[ApiServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_job_compares_with_what_is_live_on_the_traffic_in_the_object_store(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Its rights and variables are enough; what it trained outlives its pod; a run that changes nothing pushes none.

    The first run has nothing to compare with and no registry to send an image to, so it fails and says so; the second
    finds that version live, in the bundles that the first left, and holds itself against it on 800 rows.
    """
    cluster.change(kubernetes__retraining=PLACE, kubernetes__object_storage__endpoint_url=None)
    every(cluster, 604_800)
    registered = cluster.register()
    stack = yaml.safe_load((cluster.project.root / "stacks" / "Pulumi.onprem.yaml").read_text())
    repository(tmp_path, stack)
    authority = Authority(tmp_path / "identity")
    (tmp_path / "identity" / "token").write_text("of-the-pod")
    role = registered.one("Role", f"{NAME}-role")
    server = ApiServer(role["rules"], role["metadata"]["namespace"], *authority.server("api", ["127.0.0.1"]))
    with object_store() as store, serving(server) as api:
        store.page = 1000
        job = Job(registered, tmp_path, store, api)
        assert job.run(1).returncode == 1
        first = job.outcome()
        assert first["sentence"].startswith("version 1 is registered, but not released: "), first
        api.routes.append(route(first["digest"]))
        log(store)
        done = job.run(2)
        assert done.returncode == 0, done.stderr
        second = job.outcome()
    assert (second["status"], second["champion"], api.refused) == ("unchanged", first["digest"], [])
    assert [one for one in second["findings"] if "(800 rows): passed: auc is 0." in one]
    assert job.branches() == ["main"]
