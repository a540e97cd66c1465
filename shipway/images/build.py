"""From a bundle to its image: one layer on the base, and nothing that another machine would do differently."""

import re
from pathlib import Path

from shipway.bundle.manifest import Manifest
from shipway.bundle.store import verify_bundle
from shipway.contract.errors import ArtifactError
from shipway.contract.release import short_digest
from shipway.images.base import BaseLabels, read_labels
from shipway.images.documents import CONFIG_TYPE, Descriptor, Image, assemble
from shipway.images.find import BASE_LABEL, BUNDLE_LABEL, MODEL_LABEL
from shipway.images.layers import Blobs, Entry, write_layer
from shipway.images.registry import Repository

__all__ = ["build_image", "send_image"]

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)==(\S+)")


def build_image(bundle: Path, base: Image, reference: str, blobs: Blobs) -> Image:
    """Returns the image of the bundle in `bundle` on `base`; its own blobs are written into `blobs`.

    Args:
        bundle: the bundle's folder in an artifact store.
        base: the base.
        reference: it, by digest.
        blobs: where what is new goes.

    Raises:
        ArtifactError: when the bundle is not what its digest says, or the base has other versions of the packages that
            the bundle's Bento pins: a model could answer otherwise than it was evaluated.
    """
    manifest = verify_bundle(bundle)
    _check_packages(bundle, read_labels(base, reference), reference)
    digest = f"sha256:{bundle.name}"
    home = f"bundles/{digest.replace(':', '/')}"
    entries = [
        Entry(f"{home}/manifest.json", bundle / "manifest.json"),
        *(Entry(f"{home}/files/{file.path}", bundle / "files" / file.path) for file in manifest.files),
    ]
    image = assemble(base, [write_layer(entries, blobs, compressed=False)], labels=_labels(manifest, digest, reference))
    blobs.put(image.config)
    return image


def send_image(image: Image, repository: Repository, blobs: Blobs, base: Repository) -> int:
    """Sends what the registry does not have, under the image's digest; returns how many blobs that were.

    A send that was cut off goes on where it was, for each blob is there as a whole or not at all.

    Args:
        image: what to send.
        repository: where to.
        blobs: what was built.
        base: where the base's layers are; a registry that has both takes them over by itself.
    """
    sent = 0
    for blob in [*image.layers, Descriptor.of(CONFIG_TYPE, image.config)]:
        if repository.has_blob(blob.digest):
            continue
        if blobs.path(blob.digest).exists():
            repository.upload(blob.digest, blobs.path(blob.digest))
        elif repository.mount(blob.digest, base.name):
            continue
        else:
            with blobs.scratch() as folder:
                path = Path(folder) / "blob"
                base.download(blob.digest, path)
                repository.upload(blob.digest, path)
        sent += 1
    repository.put_manifest(image.manifest)
    return sent


def _check_packages(bundle: Path, base: BaseLabels, reference: str) -> None:
    path = bundle / "bento" / "env" / "python" / "requirements.txt"
    if not path.exists():
        raise ArtifactError(f"{path}: no such file, expected the bundle's Bento; `shipway train` makes both")
    for line in path.read_text(encoding="utf-8").splitlines():
        pinned = _REQUIREMENT.match(line)
        if pinned is None:
            continue
        name = re.sub(r"[-_.]+", "-", pinned[1]).lower()
        if base.packages.get(name) != pinned[2]:
            raise ArtifactError(
                f"{reference}: found {name} {base.packages.get(name) or 'nowhere'}, expected {pinned[2]}, with which "
                f"the bundle was evaluated; make a base of the same lock with `shipway base`"
            )


def _labels(manifest: Manifest, digest: str, reference: str) -> dict[str, str]:
    name, _, base_digest = reference.partition("@")
    return {
        BASE_LABEL: base_digest,
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.title": manifest.model,
        "org.opencontainers.image.version": short_digest(digest),
        BUNDLE_LABEL: digest,
        MODEL_LABEL: manifest.model,
        "shipway.bundle.format": str(manifest.format),
    }
