"""Manifest and configuration of an image on a base."""

import json
from typing import Any

import pytest

from shipway.bundle.canonical import canonical_json
from shipway.contract.errors import ArtifactError
from shipway.images.documents import MANIFEST_TYPE, Descriptor, Image, Layer, Manifest, assemble, for_architecture

DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NEW = Layer(Descriptor(OCI_LAYER, f"sha256:{'b' * 64}", 2), f"sha256:{'c' * 64}")


def _base(layer_type: str = OCI_LAYER) -> Image:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Entrypoint": ["old"], "WorkingDir": "/w"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{'d' * 64}"]},
    }
    layers = [Descriptor(layer_type, f"sha256:{'a' * 64}", 1).document()]
    return Image(Manifest(canonical_json({"layers": layers}), MANIFEST_TYPE), canonical_json(config))


def _said(image: Image) -> dict[str, Any]:
    return json.loads(image.config)


def test_an_image_is_its_base_and_what_is_new() -> None:
    """Layers and what they unpack to are appended; of the base stays what is not said anew."""
    image = assemble(_base(), [NEW], labels={"l": "1"}, variables={"A": "2", "B": "3"}, entrypoint=["new"], user="7")
    said = _said(image)
    assert [one.digest[-1] for one in image.layers] == ["a", "b"]
    assert [one[-1] for one in said["rootfs"]["diff_ids"]] == ["d", "c"]
    assert said["config"] == {
        "Entrypoint": ["new"],
        "Env": ["PATH=/bin", "A=2", "B=3"],
        "Labels": {"l": "1"},
        "User": "7",
        "WorkingDir": "/w",
    }
    assert _said(assemble(_base(), [NEW], labels={}))["config"]["Cmd"] == ["sh"]
    assert image.manifest.document["annotations"] == {"l": "1"}


def test_a_base_under_dockers_names(tmp_path: object) -> None:
    """Its layers are the same bytes; a kind that is not known is refused."""
    assert {one.media_type for one in assemble(_base(DOCKER_LAYER), [NEW], labels={}).layers} == {OCI_LAYER}
    with pytest.raises(ArtifactError, match=r"found a layer of type 'application/x', expected application/vnd\.oci"):
        assemble(_base("application/x"), [NEW], labels={})


def test_an_index_has_an_image_for_each_architecture() -> None:
    """The one of the nodes is taken; without one the error says which there are."""
    manifests = [
        {"digest": f"sha256:{name}", "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")
    ]
    index = Manifest(canonical_json({"manifests": manifests}), "index")
    assert for_architecture(index, "arm64") == "sha256:arm64"
    with pytest.raises(ArtifactError, match="found linux/amd64, linux/arm64, expected linux/riscv64"):
        for_architecture(index, "riscv64")
