"""A project in a temporary folder, with the real program and stack files."""

import hashlib
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from shipway.contract.compatibility import CONTRACT_VERSION
from shipway.contract.documents import load_yaml
from shipway.contract.loadtest import LoadTestResult
from shipway.contract.record import BundleRecord, save_record
from tests.policies.load_tests import load_test

REPOSITORY = Path(__file__).resolve().parents[2]

MODEL = """\
name: {name}
contract_version: "{contract}"
description: a model of the tests
owner: {{team: pricing, contact: a@example.com, escalation: b@example.com, runbook_url: "https://example.com/r"}}
resources: {{cpu_millicores: {cpu}, memory_mib: 512}}
evaluation: {{gates: [{{metric: auc, minimum: 0.5}}]}}
"""


RECORD = BundleRecord(
    digest="sha256:" + "0" * 64,
    files=("model/model.skops", "reference.json", "schema.json"),
    data_version="2026-11-01",
    metrics={"auc": 0.71},
    owner="pricing",
    submitted_by="anna@example.com",
    approved_by="ben@example.com",
)

# When a release file says that the load tests of its bundles were seen.
LOAD_TESTED_AT = "2026-11-10T09:00:00+00:00"


def image_of(bundle: str) -> str:
    """Returns the digest of the image that a release names for `bundle`."""
    return f"sha256:{hashlib.sha256(bundle.encode()).hexdigest()}"


class Project:
    """A checkout with the real program and stack files, made where there is none, and services of the tests' own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if (root / "stacks").exists():
            return
        shutil.copy(REPOSITORY / "Pulumi.yaml", root)
        shutil.copytree(REPOSITORY / "stacks", root / "stacks", ignore=shutil.ignore_patterns("__pycache__"))

    def add_model(
        self, name: str, *, cpu: int = 500, folder: str = "", contract: str = CONTRACT_VERSION, **release: str
    ) -> Path:
        service = self.root / "services" / (folder or name.replace("-", "_"))
        service.mkdir(parents=True)
        (service / "model.yaml").write_text(MODEL.format(name=name, cpu=cpu, contract=contract))
        if release:
            self.release(service, **release)
        return service

    def release(self, service: Path, environment: str = "local", **slots: str) -> None:
        (service / "releases").mkdir(exist_ok=True)
        text = "".join(f"{key}: {value}\n" for key, value in slots.items())
        if environment != "local":
            images = {slots[slot]: image_of(slots[slot]) for slot in ("blue", "green") if slots.get(slot)}
            text += f"images: {json.dumps(images)}\n"
            text += f"load_tested: {json.dumps(dict.fromkeys(images, LOAD_TESTED_AT))}\n"
        (service / "releases" / f"{environment}.yaml").write_text(text)
        model = load_yaml((service / "model.yaml").read_text())["name"]
        for digest in slots.values():
            if digest.startswith("sha256:"):
                tested = LoadTestResult.model_validate(load_test(random.Random(0), model, digest), strict=False)
                save_record(service, RECORD.model_copy(update={"digest": digest, "load_tests": (tested,)}))

    def add_service(self, name: str, environment: str, **slots: str) -> Path:
        """Adds one of the repository's own services, with a release."""
        service = self.root / "services" / name
        service.mkdir(parents=True)
        for file in ("model.yaml", "features.py"):
            if (REPOSITORY / "services" / name / file).exists():
                shutil.copy(REPOSITORY / "services" / name / file, service)
        self.release(service, environment, **slots)
        return service

    def add_bundle(self, digest: str, environment: str = "local", model: str = "first") -> None:
        folder = self.root / ".shipway" / environment / "artifacts" / digest.replace(":", "/")
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(f'{{"model": "{model}"}}')


NODE = {"metadata": {"name": "gpu"}, "spec": {"taints": [{"key": "nvidia.com/gpu"}]}}
# A cluster that has every operator, one class of gateways and two GPU nodes, and nothing else.
KUBECTL = f"""#!/bin/sh
case $2 in
customresourcedefinitions)
    for kind in gatewayclasses gateways httproutes; do echo definition/$kind.gateway.networking.k8s.io; done
    for kind in prometheusrules servicemonitors; do echo definition/$kind.monitoring.coreos.com; done
    for kind in clusters.postgresql.cnpg.io scaledobjects.keda.sh clusterimagepolicies.policy.sigstore.dev
    do echo definition/$kind; done;;
gatewayclasses) echo gatewayclass/cilium;;
nodes) echo '{json.dumps({"items": [NODE, NODE]})}';;
*) echo '{{"items": []}}';;
esac
"""


def make_project(folder: Path, patch: pytest.MonkeyPatch) -> Project:
    """Returns a project without services below `folder`, with stand-ins for the external programs first on PATH."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("envoy", "prometheus", "promtool", "alertmanager", "amtool"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    (programs / "kubectl").write_text(KUBECTL)
    (programs / "kubectl").chmod(0o755)
    kubeconfig = folder / "kubeconfig"
    # A cloud's cluster is called after its environment.
    stacks = [path.stem.removeprefix("Pulumi.") for path in (REPOSITORY / "stacks").glob("Pulumi.*.yaml")]
    contexts = [{"name": name, "context": {}} for name in ("onprem", *(f"shipway-{stack}" for stack in stacks))]
    kubeconfig.write_text(json.dumps({"contexts": contexts}))
    patch.setenv("KUBECONFIG", str(kubeconfig))
    patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    root = folder / "project"
    root.mkdir()
    return Project(root)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of one test's own."""
    return make_project(tmp_path, monkeypatch)
