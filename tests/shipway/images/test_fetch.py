"""A bundle out of its image."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from shipway.bundle.manifest import Manifest, covered_files
from shipway.bundle.store import ArtifactStore
from shipway.contract.errors import ArtifactError
from shipway.images.documents import Image
from shipway.images.documents import Manifest as ImageManifest
from shipway.images.fetch import unpack_bundle
from shipway.images.find import BASE_LABEL, BUNDLE_LABEL, find_image
from shipway.images.layers import Blobs, Entry, write_layer
from shipway.images.registry import Repository, RepositoryName

NAME = RepositoryName("registry.example.com", "models/toy")


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Manifest, Path]:
    """A small bundle, not in a store: its manifest and its files."""
    files = tmp_path / "files"
    (files / "src" / "toy").mkdir(parents=True)
    (files / "src" / "toy" / "service.py").write_text("class Toy: ...\n")
    (files / "model.json").write_text("{}")
    return Manifest(model="toy", service="toy.service:Toy", files=covered_files(files)), files


def fetched(tmp_path: Path, bundle: tuple[Manifest, Path], **changes: bytes) -> ArtifactStore:
    """Returns a store into which the bundle was unpacked, out of an image whose layer has `changes` in it."""
    manifest, files = bundle
    home = f"bundles/{manifest.digest.replace(':', '/')}"
    content = {f"{home}/files/{one.path}": (files / one.path).read_bytes() for one in manifest.files}
    content[f"{home}/manifest.json"] = manifest.canonical_bytes()
    content |= {f"{home}/{name.replace('__', '/')}": change for name, change in changes.items()}
    blobs = Blobs(tmp_path / "blobs")
    layer = write_layer([Entry(path, source) for path, source in content.items()], blobs, compressed=False)
    packed = blobs.path(layer.blob.digest).read_bytes()

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == f"/v2/{NAME.path}/blobs/{layer.blob.digest}"
        return httpx.Response(200, stream=httpx.ByteStream(packed))

    content_of = json.dumps({"layers": [layer.blob.document()]}).encode()
    store = ArtifactStore(tmp_path / "store")
    with Repository(NAME, {"DOCKER_CONFIG": str(tmp_path)}, (), httpx.MockTransport(answer)) as repository:
        unpack_bundle(repository, Image(ImageManifest(content_of, "application/json"), b"{}"), manifest.digest, store)
    return store


def test_a_bundle_comes_out_of_its_image_as_it_went_in(tmp_path: Path, bundle: tuple[Manifest, Path]) -> None:
    """It is in the store, whole and verified; fetching it again is no work."""
    store = fetched(tmp_path, bundle)
    assert store.verify(bundle[0].digest) == bundle[0]
    assert fetched(tmp_path, bundle).digests() == [bundle[0].digest]


def test_an_image_on_another_base_is_not_the_one_that_was_asked_for(tmp_path: Path) -> None:
    """A tag may be moved: an image that was signed on a base with a hole in it is still signed."""
    bundle, old, new = (f"sha256:{letter * 64}" for letter in "abc")
    config = json.dumps({"config": {"Labels": {BUNDLE_LABEL: bundle, BASE_LABEL: old}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = json.dumps({"config": {"digest": digest}, "layers": []}).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        content = config if "/blobs/" in request.url.path else manifest
        return httpx.Response(200, stream=httpx.ByteStream(content), headers={"content-type": "application/json"})

    with Repository(NAME, {"DOCKER_CONFIG": str(tmp_path)}, (), httpx.MockTransport(answer)) as repository:
        assert find_image(repository, bundle, f"registry.example.com/base@{old}") is not None
        with pytest.raises(ArtifactError, match=f"found an image on {old}, expected {new}"):
            find_image(repository, bundle, f"registry.example.com/base@{new}")


def test_what_is_not_the_bundle_is_refused(tmp_path: Path, bundle: tuple[Manifest, Path]) -> None:
    """A file that was changed, and another manifest under the bundle's name: nothing is in the store then."""
    with pytest.raises(ArtifactError, match=r"model\.json: found sha256 .*, expected sha256 "):
        fetched(tmp_path, bundle, **{"files__model.json": b'{"a": 1}'})
    other = bundle[0].model_copy(update={"model": "other"})
    with pytest.raises(ArtifactError, match=rf"its image holds {other.digest}, expected {bundle[0].digest}"):
        fetched(tmp_path, bundle, **{"manifest.json": other.canonical_bytes()})
    assert ArtifactStore(tmp_path / "store").digests() == []
