"""The bill of materials of a model's image, in CycloneDX: its packages, Shipway, the bundle and the model in it."""

import uuid
from collections.abc import Mapping
from typing import Any

from shipway.bundle.canonical import canonical_json
from shipway.bundle.manifest import Manifest
from shipway.contract.release import short_digest

__all__ = ["BOM_TYPE", "bill_of_materials"]

BOM_TYPE = "application/vnd.cyclonedx+json"


def bill_of_materials(
    repository: str, digest: str, manifest: Manifest, *, packages: Mapping[str, str], base: str, version: str
) -> bytes:
    """Returns the bill of materials as canonical JSON, without chance and time: the same image has the same one.

    Args:
        repository, digest: the image.
        manifest: of the bundle in it.
        packages: name -> version of what its base has installed.
        base: the base, by digest.
        version: of Shipway in the base.
    """
    image = _component("container", repository, digest, digest)
    base_name, _, base_digest = base.partition("@")
    parts = [
        _model(manifest),
        _component("container", base_name, base_digest, base_digest),
        _library("shipway", version),
        *(_library(name, pinned) for name, pinned in sorted(packages.items())),
    ]
    depends = {"ref": image["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}
    return canonical_json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'oci://{repository}@{digest}')}",
            "version": 1,
            "metadata": {"component": image},
            "components": parts,
            "dependencies": [depends],
        }
    )


def _model(manifest: Manifest) -> dict[str, Any]:
    files = [_component("file", file.path, "", f"sha256:{file.sha256}") for file in manifest.files]
    properties = [
        {"name": "shipway:bundle", "value": manifest.digest},
        *({"name": "shipway:feature-view", "value": view} for view in manifest.feature_views),
    ]
    model = _component("machine-learning-model", manifest.model, short_digest(manifest.digest), manifest.digest)
    return model | {"properties": properties, "components": files}


def _library(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _component(kind: str, name: str, version: str, digest: str) -> dict[str, Any]:
    content = digest.removeprefix("sha256:")
    return {
        "type": kind,
        "bom-ref": f"{kind}:{name}@{content}",
        "name": name,
        **({"version": version} if version else {}),
        "hashes": [{"alg": "SHA-256", "content": content}],
    }
