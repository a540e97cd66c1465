"""A small model on a cluster, its traffic, its repository, and its job, run as its pod would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shipway.bundle.store import ArtifactStore
from shipway.contract.environment import load_environment
from shipway.contract.kubernetes import models_namespace
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Slot
from shipway.contract.model import load_model
from shipway.contract.record import save_record
from shipway.contract.route import RolloutState, RouteSpec
from shipway.delivery.cluster.api import HTTP_ROUTES
from shipway.delivery.cluster.connect import connect
from shipway.delivery.cluster.route import write
from shipway.delivery.served import ServedModel
from shipway.images.find import Variant
from shipway.images.layers import Blobs
from shipway.images.make import Order, make_image
from shipway.images.packages import Pinned
from shipway.images.signing import KEY_VARIABLE, Key, public_pem
from shipway.logs.schemas import LABEL_SCHEMA, PREDICTION_SCHEMA
from shipway.retraining.memory import Memory
from shipway.retraining.stored import parse_state
from tests.cluster.control_plane import ControlPlane
from tests.cluster.registry import Registry
from tests.cluster.test_onprem import objects
from tests.components.conftest import RECORD, REPOSITORY, Project
from tests.components.kubernetes.cluster import STACK, Cluster
from tests.components.kubernetes.test_retraining import PLACE
from tests.shipway.retraining.repositories import Remote
from tests.shipway.training.conftest import MODEL, SCHEMA, SERVICE, TRAIN
from tests.standins.object_store import ObjectStore

__all__ = ["DRIFTED_UNTIL", "NAME", "Retrained"]

NAME = "toy-train"
JOB = f"{NAME}-retraining"
# Logs of more than forty days ago are not looked at.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
DRIFTED_UNTIL = START + timedelta(hours=12)
ROWS = 800
RIGHTS = ("ServiceAccount", "Role", "RoleBinding")
# Where a pod finds its ServiceAccount's token and the API server.
IDENTITY, API_SERVER = "/var/run/secrets/kubernetes.io/serviceaccount", "https://kubernetes.default.svc"


@dataclass
class Retrained:
    """One environment with one model, whose champion is live and whose newer training would be another version.

    Args:
        folder: for its files.
        project: an empty one.
        plane: the control plane.
        registry: of images.
        store: where logs, verdicts and state lie.
    """

    folder: Path
    project: Project
    plane: ControlPlane
    registry: Registry
    store: ObjectStore

    @property
    def namespace(self) -> str:
        """The models' own."""
        return models_namespace(STACK)

    def declare(self) -> None:
        """Makes the repository, the champion and its traffic, and applies what the program declares of rights."""
        self.remote = Remote(self.folder)
        self.service = self.project.root / "services" / "toy_train"
        self._write_service()
        self._environment_of({"cpu": f"{self.registry.host}/models/shipway/base@sha256:{'0' * 64}"})
        self.champion = self._champion()
        self._log()
        everything = objects(Cluster(self.project).register())
        self.declared = [
            one
            for one in everything
            if one["metadata"].get("namespace") == self.namespace and NAME in one["metadata"]["name"]
        ]
        self.plane.apply(
            *(one for one in everything if (one["kind"], one["metadata"]["name"]) == ("Namespace", self.namespace))
        )
        self.grant()
        self.plane.apply(self._of("HTTPRoute", NAME))
        self._go_live()
        (self.project.root / ".gitignore").write_text("/.shipway\n")
        self.remote.git("symbolic-ref", "HEAD", "refs/heads/main")
        self._git("init", "-q", "-b", "main")
        self._git("fetch", "-q", self.remote.url, "main")
        self._git("reset", "-q", "--soft", "FETCH_HEAD")
        self.remote.send(self.project.root, "the model")

    def verdict(self) -> None:
        """Says, as the drift worker does, that a day of the traffic was another one than its training's."""
        window = {"name": "day", "start": START.isoformat(), "end": DRIFTED_UNTIL.isoformat()}
        line = {"window": window, "status": "drifted", "kind": "input", "feature": "x"}
        self.store.objects[f"workers/drift/{NAME}/verdicts.jsonl"] = json.dumps(line).encode() + b"\n"

    def run_job(self) -> "subprocess.CompletedProcess[str]":
        """Runs the job's own command, arguments and environment, with its files where its volumes would be."""
        pod = self._of("CronJob", JOB)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        root = self.folder / "pod"
        self._mount(pod, container, root)
        paths = [IDENTITY, *(mount["mountPath"] for mount in container["volumeMounts"])]

        def here(text: str) -> str:
            return _moved(text, paths, root).replace(API_SERVER, self.plane.url)

        variables = {one["name"]: here(one["value"]) for one in container["env"]}
        # What the image and the node bring.
        variables |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "AWS_ENDPOINT_URL": self.store.url,
        }
        command = [here(word) for word in (*container["command"], *container["args"])]
        return subprocess.run(
            command, env=variables, cwd=root, capture_output=True, text=True, check=False, timeout=240
        )

    def withdraw(self, kind: str, name: str) -> None:
        """Takes one of the job's rights away."""
        self.plane.kubectl("delete", kind, name, "-n", self.namespace)

    def grant(self) -> None:
        """Gives the job its rights."""
        self.plane.apply(*[self._of(kind, JOB) for kind in RIGHTS])

    def forget(self) -> None:
        """Makes the next job the first one: nothing is remembered, proposed or on its volume."""
        for name in [name for name in self.store.objects if name.startswith("workers/")]:
            del self.store.objects[name]
        for branch in self.remote.branches() - {"main"}:
            self.remote.git("update-ref", "-d", f"refs/heads/{branch}")
        shutil.rmtree(self.folder / "pod", ignore_errors=True)

    @property
    def memory(self) -> Memory:
        """What the job remembers."""
        return parse_state(self.store.objects[f"workers/retraining/{NAME}/state.json"], "state.json").memory

    def end(self) -> None:
        """Takes all of it out of the cluster."""
        self.plane.kubectl("delete", "namespace", "--timeout=50s", self.namespace)

    def _write_service(self) -> None:
        self.service.mkdir(parents=True)
        texts = (("__init__", '"""Toy."""\n'), ("schema", SCHEMA), ("train", TRAIN), ("service", SERVICE))
        for name, text in texts:
            (self.service / f"{name}.py").write_text(text)
        document = yaml.safe_load(MODEL) | {
            "contract_version": yaml.safe_load((REPOSITORY / "services/digits/model.yaml").read_text())[
                "contract_version"
            ],
            "segments": ["colour"],
            "retraining": {"minimum_rows": 300},
            "loadtest": {"required": {"prod": []}},
        }
        (self.service / "model.yaml").write_text(yaml.safe_dump(document))

    def _environment_of(self, bases: Mapping[str, str]) -> None:
        key = self.folder / "signing.pem"
        if not key.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            self._public_key = public_pem(Key(made).public)
        cluster = Cluster(self.project)
        cluster.change(
            gpu_pools=None,
            kubernetes__image_registry=f"{self.registry.host}/models",
            kubernetes__images__bases={**bases, "cuda": None, "architecture": "amd64"},
            kubernetes__admission={"public_key": self._public_key},
            kubernetes__object_storage__endpoint_url=None,
            kubernetes__retraining=PLACE,
        )

    def _champion(self) -> str:
        """Trains the version that is live, with another setting than the repository's, and releases its image."""
        words = ["train", NAME, "--env", "local", "--set", "penalty=0.8", "--json"]
        shipway = str(Path(sys.executable).with_name("shipway"))
        done = subprocess.run(
            [shipway, *words], cwd=self.project.root, capture_output=True, text=True, check=False, timeout=240
        )
        assert done.returncode == 0, done.stderr
        digest = str(json.loads(done.stdout)["digest"])
        store, blobs = ArtifactStore(LocalLayout(self.project.root, "local").artifacts), Blobs(self.folder / "blobs")
        lines = (store.path(digest) / "bento" / "env" / "python" / "requirements.txt").read_text().splitlines()
        pinned = [match for line in lines if (match := re.match(r"([\w.-]+)==([\w.+-]+)", line))]
        packages = tuple(Pinned(one[1], one[2], f"{one[1]}=={one[2]} --hash=sha256:00") for one in pinned)
        self._environment_of({"cpu": self.registry.base(self.folder, blobs, packages)})
        environment = load_environment(self.project.root, STACK)
        environ = {**self.registry.environ, KEY_VARIABLE: str(self.folder / "signing.pem")}
        spec = load_model(self.service / "model.yaml")
        made = make_image(Order(environment, spec, digest, Variant.CPU, store, blobs, environ), push=True)
        release = {"blue": digest, "live": "blue", "images": {digest: made.reference.rpartition("@")[2]}}
        (self.service / "releases").mkdir()
        (self.service / "releases" / f"{STACK}.yaml").write_text(yaml.safe_dump(release))
        save_record(self.service, RECORD.model_copy(update={"digest": digest}))
        return digest

    def _log(self) -> None:
        """Writes labelled traffic drawn as the toy's own data, and one request of a day later."""
        rng = np.random.default_rng(99)
        predictions, labels = list[dict[str, Any]](), list[dict[str, Any]]()
        for number in range(ROWS):
            x, at = rng.uniform(-1, 1), START + timedelta(seconds=number)
            predictions.append(_prediction(number, x, at))
            label = {"prediction_id": f"p{number}", "label": float(x + rng.normal(scale=0.5) > 0), "event_time": at}
            labels.append(dict.fromkeys(LABEL_SCHEMA.names) | label)
        later = START + timedelta(days=1)
        for kind, hour, schema, records in (
            ("predictions", START, PREDICTION_SCHEMA, predictions),
            ("labels", START, LABEL_SCHEMA, labels),
            ("predictions", later, PREDICTION_SCHEMA, [_prediction(ROWS, 0.5, later)]),
        ):
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(records, schema), sink)
            name = f"predictions/{NAME}/{kind}/{hour:%Y-%m-%dT%H}/a.parquet"
            self.store.objects[name] = sink.getvalue().to_pybytes()

    def _go_live(self) -> None:
        """Writes onto the route what delivery would have."""
        spec = RouteSpec.model_validate_json(self._of("ConfigMap", f"{NAME}-route")["data"]["route.json"])
        served = ServedModel(spec, RolloutState(live=Slot.BLUE, live_digest=self.champion))
        with connect(self.plane.kubeconfig) as api:
            route = api.read(HTTP_ROUTES, self.namespace, NAME)
            assert route is not None
            api.patch(HTTP_ROUTES, self.namespace, NAME, write(route, served))

    def _of(self, kind: str, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.declared if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        return found

    def _mount(self, pod: dict[str, Any], container: dict[str, Any], root: Path) -> None:
        """Puts below `root` what the pod's volumes hold: files of Secrets and ConfigMaps, and folders to write to."""
        secrets = {
            "repository": {"token": self.remote.token.read_text()},
            "registry-push": {"config.json": "{}"},
            "signing": {"key": (self.folder / "signing.pem").read_text()},
            "object-storage": {"credentials": "[default]\naws_access_key_id = a\naws_secret_access_key = b\n"},
        }
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        files: dict[str, Mapping[str, str]] = {IDENTITY: self._identity()}
        for mount in container["volumeMounts"]:
            volume = volumes[mount["name"]]
            if "secret" in volume:
                keys = [item["key"] for item in volume["secret"].get("items") or []]
                held = secrets[volume["secret"]["secretName"]]
                files[mount["mountPath"]] = {key: held[key] for key in keys or held}
            elif "configMap" in volume:
                data = self._of("ConfigMap", volume["configMap"]["name"])["data"]
                url = PLACE["repository_url"]
                files[mount["mountPath"]] = {key: text.replace(url, self.remote.url) for key, text in data.items()}
            else:
                files[mount["mountPath"]] = {}
        for path, content in files.items():
            folder = root / path.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in content.items():
                (folder / name).write_text(text)

    def _identity(self) -> dict[str, str]:
        token = self.plane.kubectl("create", "token", JOB, "-n", self.namespace, "--duration=1h").strip()
        (cluster,) = yaml.safe_load(self.plane.kubeconfig.read_text())["clusters"]
        return {"token": token, "ca.crt": Path(cluster["cluster"]["certificate-authority"]).read_text()}

    def _git(self, *words: str) -> None:
        subprocess.run(["git", "-C", str(self.project.root), *words], check=True, capture_output=True)


def _moved(text: str, paths: list[str], root: Path) -> str:
    """Returns `text` with every path of the pod below `root`; the longest is taken where several fit."""
    any_path = "|".join(re.escape(path) for path in sorted(paths, key=len, reverse=True))
    return re.sub(f"(?:{any_path})(?=/|$)", lambda found: f"{root}{found[0]}", text)


def _prediction(number: int, x: float, at: datetime) -> dict[str, Any]:
    fields = json.dumps({"x": x, "colour": ("red", "blue")[number % 2]})
    record = {"prediction_id": f"p{number}", "unit_id": f"asked-{number}", "event_time": at, "fields": fields}
    return dict.fromkeys(PREDICTION_SCHEMA.names) | record | {"features": []}
