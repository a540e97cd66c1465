"""What lies beside an image: signature and provenance where cosign looks for them, bill of materials as a referrer."""

from typing import Any, cast

from shipway.bundle.canonical import canonical_json
from shipway.contract.errors import ArtifactError
from shipway.images.documents import CONFIG_TYPE, INDEX_TYPE, Descriptor, Image, Manifest, artifact
from shipway.images.layers import Blobs
from shipway.images.registry import Repository
from shipway.images.signing import PROVENANCE, Key, PublicKey, envelope, payload, verify_envelope, verify_payload

__all__ = ["attach_referrer", "attested", "sign_image", "verify_image"]

_PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
_ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json"
_SIGNATURE = "dev.cosignproject.cosign/signature"


def sign_image(repository: Repository, blobs: Blobs, image: Image, key: Key, statement: dict[str, Any]) -> None:
    """Writes a signature and an attestation of `image`, beside those that are there; doing it again changes nothing.

    Args:
        repository: where the image is.
        blobs: where what is sent is made.
        image: what to sign.
        key: with what.
        statement: its provenance.
    """
    signed, attestation = payload(str(repository.name), image.digest), envelope(statement, key)
    _append(repository, blobs, _tag(image.digest, "sig"), _PAYLOAD_TYPE, signed, {_SIGNATURE: key.sign(signed)})
    said = {_SIGNATURE: "", "predicateType": PROVENANCE}
    _append(repository, blobs, _tag(image.digest, "att"), _ENVELOPE_TYPE, attestation, said)


def verify_image(repository: Repository, digest: str, key: PublicKey) -> dict[str, Any]:
    """Returns the provenance of an image whose signature and provenance were both made with `key`'s private half.

    Raises:
        ArtifactError: when it has none of one, or none by this key.
    """
    where = f"{repository.name}@{digest}"
    signatures = _beside(repository, _tag(digest, "sig"))
    if not any(
        verify_payload(repository.blob(blob.digest), said.get(_SIGNATURE, ""), key, digest) for blob, said in signatures
    ):
        raise ArtifactError(f"{where}: found {len(signatures)} signatures, expected one by the environment's key")
    statements = [
        statement
        for blob, _ in _beside(repository, _tag(digest, "att"))
        if (statement := verify_envelope(repository.blob(blob.digest), key, digest)) is not None
    ]
    found = next((one for one in statements if one.get("predicateType") == PROVENANCE), None)
    if found is None:
        raise ArtifactError(f"{where}: found no provenance signed by the environment's key, expected {PROVENANCE}")
    return found


def attach_referrer(repository: Repository, blobs: Blobs, image: Image, kind: str, content: bytes) -> Manifest:
    """Writes `content` as something that refers to `image`, and returns its manifest.

    A registry that does not list referrers by itself gets the list under a tag, as the specification has it.
    """
    _send(repository, blobs, b"{}")
    blob = Descriptor(kind, _send(repository, blobs, content), len(content))
    subject = Descriptor.of(image.manifest.media_type, image.manifest.content)
    made = artifact(kind, [(blob, {})], subject=subject)
    repository.put_manifest(made)
    if repository.referrers(image.digest) is None:
        _list(repository, image.digest.replace(":", "-"), made, kind)
    return made


def attested(repository: Repository, digest: str, kind: str) -> list[bytes]:
    """Returns what of a kind refers to an image."""
    listed = repository.referrers(digest) or repository.manifest(digest.replace(":", "-"))
    found = [one for one in _entries(listed) if one.get("artifactType") == kind]
    manifests = [repository.manifest(one["digest"]) for one in found]
    return [repository.blob(one.document["layers"][0]["digest"]) for one in manifests if one is not None]


def _list(repository: Repository, tag: str, made: Manifest, kind: str) -> None:
    entries = _entries(repository.manifest(tag))
    entry = Descriptor.of(made.media_type, made.content).document() | {"artifactType": kind}
    if entry not in entries:
        index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [*entries, entry]}
        repository.put_manifest(Manifest(canonical_json(index), INDEX_TYPE), tag)


def _entries(index: Manifest | None) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], index.document.get("manifests") or []) if index is not None else []


def _append(
    repository: Repository, blobs: Blobs, tag: str, media_type: str, content: bytes, said: dict[str, str]
) -> None:
    present = _beside(repository, tag)
    added = (Descriptor.of(media_type, content), said)
    if added in present:
        return
    layers = [*present, added]
    _send(repository, blobs, content)
    config = canonical_json(
        {
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [blob.digest for blob, _ in layers]},
        }
    )
    _send(repository, blobs, config)
    repository.put_manifest(artifact("", layers, config=Descriptor.of(CONFIG_TYPE, config)), tag)


def _beside(repository: Repository, tag: str) -> list[tuple[Descriptor, dict[str, str]]]:
    manifest = repository.manifest(tag)
    layers = cast(list[dict[str, Any]], manifest.document.get("layers") or []) if manifest is not None else []
    return [(Descriptor(one["mediaType"], one["digest"], one["size"]), one.get("annotations") or {}) for one in layers]


def _send(repository: Repository, blobs: Blobs, content: bytes) -> str:
    digest = blobs.put(content)
    if not repository.has_blob(digest):
        repository.upload(digest, blobs.path(digest))
    return digest


def _tag(digest: str, kind: str) -> str:
    return f"{digest.replace(':', '-')}.{kind}"
