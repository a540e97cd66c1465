"""The bill of materials, read by CycloneDX's own library."""

import json

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import ComponentType

from shipway.bundle.manifest import CoveredFile, Manifest
from shipway.images.bom import bill_of_materials

IMAGE, BASE = (f"sha256:{letter * 64}" for letter in "ab")
MANIFEST = Manifest(
    model="digits",
    service="digits.service:Digits",
    feature_views=("plane_v1",),
    files=(CoveredFile(path="model/model.skops", sha256="c" * 64, size_bytes=1),),
)


def _made() -> bytes:
    return bill_of_materials(
        "r.example.com/digits",
        IMAGE,
        MANIFEST,
        packages={"b": "2", "a": "1"},
        base=f"r.example.com/base@{BASE}",
        version="3",
    )


def test_others_can_read_it() -> None:
    """The image is what it is about; packages have the names by which vulnerabilities are looked up."""
    bom = Bom.from_json(json.loads(_made()))  # pyright: ignore
    assert bom.metadata.component is not None
    assert [one.content for one in bom.metadata.component.hashes] == [IMAGE[7:]]
    found = {(one.type, one.name): one for one in bom.components}
    assert {str(one.purl) for one in bom.components if one.purl} == {
        "pkg:pypi/a@1",
        "pkg:pypi/b@2",
        "pkg:pypi/shipway@3",
    }
    model = found[ComponentType.MACHINE_LEARNING_MODEL, "digits"]
    assert [one.content for one in model.hashes] == [MANIFEST.digest[7:]]
    assert [(one.name, next(iter(one.hashes)).content) for one in model.components] == [("model/model.skops", "c" * 64)]
    bom.validate()


def test_the_same_image_has_the_same_one() -> None:
    """Neither a time nor a random number is in it."""
    assert _made() == _made()
    assert "timestamp" not in json.loads(_made())["metadata"]
