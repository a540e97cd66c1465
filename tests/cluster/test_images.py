"""Images in a real registry, judged by a program that neither made nor knows them."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shipway.bundle.manifest import Manifest
from shipway.bundle.store import ArtifactStore
from shipway.contract.documents import parse, read_json
from shipway.contract.errors import ArtifactError, SpecError
from shipway.contract.model import load_model
from shipway.images.attach import attested, verify_image
from shipway.images.bom import BOM_TYPE
from shipway.images.find import Variant, image_for_release, image_tag
from shipway.images.layers import Blobs
from shipway.images.make import Order, make_image, verify_made
from shipway.images.registry import Repository
from shipway.images.signing import KEY_VARIABLE, Key, public_key_of, public_pem
from shipway.scaffold.testing import TrainedService, train_service
from tests.cluster.registry import PACKAGES, Registry, put_bundle, serve
from tests.e2e.machine import free_port
from tests.e2e.slot_process import ready
from tests.e2e.test_slot import REQUEST
from tests.shipway.delivery.stack import PROJECT, wait_until

pytestmark = pytest.mark.cluster

MODEL = load_model(PROJECT / "services" / "digits" / "model.yaml")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with serve(tmp_path / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedService:
    return train_service(PROJECT / "services" / "digits", tmp_path_factory.mktemp("trained"))


@pytest.fixture
def order(registry: Registry, trained: TrainedService, tmp_path: Path) -> Order:
    """An image of a trained model on a small base, which is in the registry."""
    blobs, store = Blobs(tmp_path / "images"), ArtifactStore(tmp_path / "artifacts")
    manifest = parse(Manifest, read_json(trained.bundle / "manifest.json"), "manifest.json")
    digest = put_bundle(store, trained.bundle / "files", manifest, tmp_path)
    base = registry.base(tmp_path, blobs)
    return Order(registry.environment(base), MODEL, digest, Variant.CPU, store, blobs, registry.environ)


@pytest.fixture
def signed(order: Order, registry: Registry, tmp_path: Path) -> Order:
    """The same for an environment that runs signed images alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "signing.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environment = registry.environment(order.base, public_key=public_pem(Key(key).public))
    return replace(order, environment=environment, environ={**order.environ, KEY_VARIABLE: str(path)})


def test_a_stranger_finds_the_image_valid(order: Order, registry: Registry) -> None:
    """crane checks every digest, size and layer; the configuration is a slot's, and the tag is the bundle's."""
    made = make_image(order, push=True)
    registry.crane("validate", "--remote", made.reference)
    tag = image_tag(order.bundle, order.base)
    assert registry.crane("digest", f"{registry.host}/models/digits:{tag}") == made.reference.rpartition("@")[2]
    config = json.loads(registry.crane("config", made.reference))["config"]
    assert (config["User"], config["Entrypoint"]) == ("65532:65532", ["python", "-m", "shipway.serving"])
    assert "Cmd" not in config
    assert "PYTHONPATH=/opt/shipway/lib" in config["Env"]
    assert (config["Labels"]["shipway.bundle"], config["Labels"]["shipway.model"]) == (order.bundle, "digits")
    assert config["Labels"]["org.opencontainers.image.base.digest"] == order.base.rpartition("@")[2]


def test_the_same_bundle_is_the_same_image(order: Order, tmp_path: Path) -> None:
    """Made anew elsewhere it is byte for byte the one in the registry, and nothing is sent again."""
    first = make_image(order, push=True)
    again = make_image(replace(order, blobs=Blobs(tmp_path / "other")), push=True)
    assert (again.reference, again.sent) == (first.reference, 0)
    assert first.sent == 2


def test_another_base_is_another_image_of_the_same_bundle(order: Order, registry: Registry) -> None:
    """A patched base makes no new version of the model; an environment finds the image on the base that it names."""
    made = make_image(order, push=True)
    patched = registry.crane(
        "mutate", order.base, "--env", "PATCHED=1", "--tag", f"{registry.host}/models/shipway/base:patched"
    )
    other = replace(
        order, environment=registry.environment(f"{order.base.partition('@')[0]}@{patched.rpartition('@')[2]}")
    )
    with pytest.raises(ArtifactError, match=rf"found no image of {order.bundle} on .*`shipway build digits"):
        image_for_release(other.environment, MODEL, order.bundle, order.environ)
    assert make_image(other, push=True).reference != made.reference
    for one in (order, other):
        found = image_for_release(one.environment, MODEL, order.bundle, order.environ)
        assert found == make_image(one, push=False).reference.rpartition("@")[2]


def test_a_send_that_was_cut_off_goes_on(order: Order, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer that arrived is not sent again; until the last moment the bundle has no image."""
    send, left = Repository.upload, [1]

    def cut_off(self: Repository, digest: str, path: Path) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        send(self, digest, path)

    monkeypatch.setattr(Repository, "upload", cut_off)
    with pytest.raises(KeyboardInterrupt):
        make_image(order, push=True)
    monkeypatch.undo()
    with pytest.raises(ArtifactError, match="found no image"):
        image_for_release(order.environment, MODEL, order.bundle, order.environ)
    assert make_image(order, push=True).sent == 1
    registry.crane("validate", "--remote", make_image(order, push=False).reference)


def test_a_base_that_is_not_there(order: Order, registry: Registry) -> None:
    """The error names the base; nothing was sent."""
    missing = f"{order.base.partition('@')[0]}@sha256:{'0' * 64}"
    wrong = replace(order, environment=registry.environment(missing))
    with pytest.raises(ArtifactError, match=r"models/shipway/base: found no base sha256:0{64}, expected the one"):
        make_image(wrong, push=True)
    assert "models/digits" not in registry.crane("catalog", registry.host)


def test_a_base_of_another_lock_is_refused(order: Order) -> None:
    """A model is served with the versions that it was evaluated with."""
    requirements = order.store.path(order.bundle) / "bento" / "env" / "python" / "requirements.txt"
    requirements.write_text("bentoml==1.4.39\nscikit-learn==1.8.0\n")
    with pytest.raises(ArtifactError, match=r"found scikit-learn 1\.9\.1, expected 1\.8\.0, with which the bundle"):
        make_image(order, push=True)


def test_a_base_of_somebody_elses_is_refused(order: Order, registry: Registry, tmp_path: Path) -> None:
    """What `shipway base` did not make does not say what is in it."""
    bare = replace(order, environment=registry.environment(registry.python(tmp_path)))
    with pytest.raises(
        ArtifactError, match=r"found no label shipway\.packages, expected a base that `shipway base` made"
    ):
        make_image(bare, push=True)


def test_what_is_signed_is_verified(signed: Order, registry: Registry) -> None:
    """Signature and provenance are where cosign looks; signing again adds none; the provenance names its sources."""
    made = make_image(signed, push=True)
    digest = made.reference.rpartition("@")[2]
    assert made.signed
    assert verify_made(signed).reference == made.reference
    assert image_for_release(signed.environment, MODEL, signed.bundle, signed.environ) == digest
    before = registry.crane("manifest", f"{registry.host}/models/digits:{digest.replace(':', '-')}.sig")
    make_image(signed, push=True)
    assert registry.crane("manifest", f"{registry.host}/models/digits:{digest.replace(':', '-')}.sig") == before
    with registry.repository("models/digits") as repository:
        key = public_key_of(signed.environment)
        assert key is not None
        parameters = verify_image(repository, digest, key)["predicate"]["buildDefinition"]["externalParameters"]
    assert parameters == {"model": "digits", "bundle": signed.bundle, "base": signed.base}


def test_an_image_without_a_signature_does_not_pass(order: Order, signed: Order) -> None:
    """Neither verification nor a release takes it, and so does an image that another key signed."""
    made = make_image(order, push=True)
    assert not made.signed
    for check in (
        lambda: verify_made(signed),
        lambda: image_for_release(signed.environment, MODEL, signed.bundle, signed.environ),
    ):
        with pytest.raises(ArtifactError, match="found 0 signatures, expected one by the environment's key"):
            check()
    key = ec.generate_private_key(ec.SECP256R1())
    Path(signed.environ[KEY_VARIABLE]).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    make_image(replace(order, environ=signed.environ), push=True)
    with pytest.raises(ArtifactError, match="found 1 signatures, expected one by the environment's key"):
        verify_made(signed)


def test_where_images_must_be_signed_none_is_sent_without_the_key(signed: Order, registry: Registry) -> None:
    """The error says which key is missing, before anything is in the registry."""
    with pytest.raises(SpecError, match="onprem admits signed images alone") as refused:
        make_image(replace(signed, environ=registry.environ), push=True)
    assert (refused.value.key, refused.value.got) == (KEY_VARIABLE, None)
    assert "models/digits" not in registry.crane("catalog", registry.host)


def test_a_bill_of_materials_refers_to_the_image(order: Order, registry: Registry) -> None:
    """It names every package of the base, the model by the bundle's digest and each of its files."""
    made = make_image(order, push=True)
    digest = made.reference.rpartition("@")[2]
    with registry.repository("models/digits") as repository:
        (content,) = attested(repository, digest, BOM_TYPE)
    said = json.loads(content)
    assert said["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    found = {one["name"]: one for one in said["components"]}
    assert {one.name: one.version for one in PACKAGES}.items() <= {
        n: c.get("version") for n, c in found.items()
    }.items()
    model = found["digits"]
    assert model["type"] == "machine-learning-model"
    artifact = order.store.path(order.bundle) / "files" / "model" / "model.skops"
    hashes = {one["name"]: one["hashes"][0]["content"] for one in model["components"]}
    assert hashes["model/model.skops"] == hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_a_slot_runs_from_the_image_alone(order: Order, registry: Registry, tmp_path: Path) -> None:
    """What is in the image, unpacked and read-only, answers a request; third-party packages are this environment's."""
    made = make_image(order, push=True)
    archive, root = tmp_path / "root.tar", tmp_path / "root"
    registry.crane("export", made.reference, str(archive))
    with tarfile.open(archive) as content:
        content.extractall(root, filter="data")
    for path in sorted(root.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    config = json.loads(registry.crane("config", made.reference))["config"]
    environment = dict(one.split("=", 1) for one in config["Env"])
    library = root / environment["PYTHONPATH"].removeprefix("/")
    port, bundle = free_port(), root / "bundles" / order.bundle.replace(":", "/")
    assert config["Entrypoint"][0] == "python"
    process = subprocess.Popen(
        [
            *(sys.executable, *config["Entrypoint"][1:], "--slot", "blue", "--tier", "prod", "--port", str(port)),
            *("--bundle", str(bundle), "--state", str(tmp_path / "state")),
            *("--predictions", str(tmp_path / "predictions"), "--features", str(tmp_path / "features")),
        ],
        env={**os.environ, **environment, "PYTHONPATH": str(library)},
        cwd=tmp_path,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until(lambda: ready(client) or process.poll() is not None, "the slot is ready", 60)
            answer = client.post("/predict", json=REQUEST)
        assert answer.json()["predictions"] == [0.0]
        loaded = {line.split()[-1] for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines()}
        assert not [path for path in loaded if path.endswith(".py")]
    finally:
        process.terminate()
        assert process.wait(20) == 0
        for path in [root, *root.rglob("*")]:
            path.chmod(0o755)
