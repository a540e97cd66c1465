"""The documents an image is: manifest, index and configuration, put together without asking anybody."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from shipway.bundle.canonical import canonical_json
from shipway.contract.errors import ArtifactError

__all__ = [
    "CONFIG_TYPE",
    "EMPTY",
    "INDEX_TYPE",
    "MANIFEST_TYPE",
    "MANIFEST_TYPES",
    "Descriptor",
    "Image",
    "Layer",
    "Manifest",
    "artifact",
    "assemble",
    "digest_of",
    "for_architecture",
]

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_DOCKER = "application/vnd.docker.distribution.manifest"
# Every kind of manifest that a base may have.
MANIFEST_TYPES = (MANIFEST_TYPE, INDEX_TYPE, f"{_DOCKER}.v2+json", f"{_DOCKER}.list.v2+json")
# The same bytes under Docker's older names.
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
# A build at another time is the same build.
_CREATED = "1970-01-01T00:00:00Z"


def digest_of(content: bytes | bytearray) -> str:
    """Returns the digest of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Descriptor:
    """How one document names another: what it is, its digest and its size."""

    media_type: str
    digest: str
    size_bytes: int

    @classmethod
    def of(cls, media_type: str, content: bytes) -> "Descriptor":
        """Returns the descriptor of `content`."""
        return cls(media_type, digest_of(content), len(content))

    def document(self) -> dict[str, Any]:
        """Returns it as manifests hold it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size_bytes}


EMPTY = Descriptor.of(_EMPTY_TYPE, b"{}")


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index: its exact bytes, which its digest is of."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    @property
    def document(self) -> dict[str, Any]:
        """What it says.

        Raises:
            ArtifactError: when it is not JSON.
        """
        try:
            return cast(dict[str, Any], json.loads(self.content))
        except ValueError:
            raise ArtifactError(f"{self.digest}: found no JSON, expected a manifest") from None


@dataclass(frozen=True)
class Layer:
    """One layer: the blob, and the digest of what it unpacks to, which the configuration names."""

    blob: Descriptor
    diff_id: str


@dataclass(frozen=True)
class Image:
    """A manifest and its configuration."""

    manifest: Manifest
    config: bytes

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def layers(self) -> list[Descriptor]:
        """The blobs of its layers, the lowest first."""
        found = cast(list[dict[str, Any]], self.manifest.document["layers"])
        return [Descriptor(one["mediaType"], one["digest"], one["size"]) for one in found]

    @property
    def settings(self) -> dict[str, Any]:
        """Its configuration."""
        return cast(dict[str, Any], json.loads(self.config))

    @property
    def variables(self) -> dict[str, str]:
        """The environment of what runs in it."""
        pairs = (one.partition("=") for one in cast(list[str], self.settings.get("config", {}).get("Env") or []))
        return {name: value for name, _, value in pairs}

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return cast(dict[str, str], self.settings.get("config", {}).get("Labels") or {})


def assemble(
    base: Image,
    layers: Sequence[Layer],
    *,
    labels: Mapping[str, str],
    variables: Mapping[str, str] | None = None,
    entrypoint: Sequence[str] = (),
    user: str = "",
) -> Image:
    """Returns `base` with more layers on it; everything that is not said here stays the base's.

    Args:
        base: what it stands on.
        layers: the new ones, the lowest first.
        labels: of the image, beside the base's; they are the manifest's annotations too.
        variables: environment variables, beside the base's.
        entrypoint: what runs; the base's when it is empty. The base's arguments go with its entrypoint.
        user: who runs it; the base's when it is empty.
    """
    settings = base.settings
    config = cast(dict[str, Any], dict(settings.get("config") or {}))
    config["Labels"] = {**base.labels, **labels}
    config["Env"] = [f"{name}={value}" for name, value in {**base.variables, **(variables or {})}.items()]
    if entrypoint:
        config["Entrypoint"] = list(entrypoint)
        config.pop("Cmd", None)
    if user:
        config["User"] = user
    history = [{"created": _CREATED, "created_by": "shipway", "comment": layer.blob.digest} for layer in layers]
    rootfs = {"type": "layers", "diff_ids": [*settings["rootfs"]["diff_ids"], *(layer.diff_id for layer in layers)]}
    said: dict[str, Any] = {
        **settings,
        "created": _CREATED,
        "config": config,
        "rootfs": rootfs,
        "history": [*cast(list[Any], settings.get("history") or []), *history],
    }
    content = canonical_json(said)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": Descriptor.of(CONFIG_TYPE, content).document(),
        "layers": [_as_oci(one).document() for one in [*base.layers, *(layer.blob for layer in layers)]],
        "annotations": dict(labels),
    }
    return Image(Manifest(canonical_json(manifest), MANIFEST_TYPE), content)


def artifact(
    kind: str,
    layers: Sequence[tuple[Descriptor, Mapping[str, str]]],
    *,
    subject: Descriptor | None = None,
    config: Descriptor = EMPTY,
) -> Manifest:
    """Returns the manifest of something that is no image: a signature, a bill of materials.

    Args:
        kind: its artifact type, empty for none.
        layers: its blobs with the annotations of each.
        subject: the manifest it is about, for a registry that lists what refers to an image.
        config: its configuration blob.
    """
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.document(),
        "layers": [{**blob.document(), **({"annotations": dict(said)} if said else {})} for blob, said in layers],
    }
    if kind:
        document["artifactType"] = kind
    if subject:
        document["subject"] = subject.document()
    return Manifest(canonical_json(document), MANIFEST_TYPE)


def for_architecture(index: Manifest, architecture: str) -> str:
    """Returns the digest of an index's Linux image for `architecture`.

    Raises:
        ArtifactError: when it has none, naming what it has.
    """
    found: dict[str, str] = {}
    for one in cast(list[dict[str, Any]], index.document.get("manifests") or []):
        platform = cast(dict[str, str], one.get("platform") or {})
        found.setdefault(f"{platform.get('os')}/{platform.get('architecture')}", one["digest"])
    if f"linux/{architecture}" not in found:
        raise ArtifactError(
            f"{index.digest}: found {', '.join(sorted(found)) or 'nothing'}, expected linux/{architecture}"
        )
    return found[f"linux/{architecture}"]


def _as_oci(blob: Descriptor) -> Descriptor:
    media_type = _LAYER_TYPES.get(blob.media_type, blob.media_type)
    if not media_type.startswith(_OCI_LAYER):
        raise ArtifactError(
            f"{blob.digest}: found a layer of type {blob.media_type!r}, expected {_OCI_LAYER}[+gzip|+zstd]"
        )
    return Descriptor(media_type, blob.digest, blob.size_bytes)
