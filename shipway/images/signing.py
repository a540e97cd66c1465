"""Signatures as cosign makes and reads them: over an image's digest, and over a statement of how it was made."""

import base64
import binascii
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shipway.bundle.canonical import canonical_json
from shipway.contract.cluster import kubernetes_spec
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.errors import ArtifactError, SpecError

__all__ = [
    "KEY_VARIABLE",
    "PASSWORD_FILE_VARIABLE",
    "PROVENANCE",
    "Key",
    "envelope",
    "load_key",
    "payload",
    "provenance",
    "public_key_of",
    "public_pem",
    "verify",
    "verify_envelope",
    "verify_payload",
]

KEY_VARIABLE, PASSWORD_FILE_VARIABLE = "SHIPWAY_SIGNING_KEY", "SHIPWAY_SIGNING_PASSWORD_FILE"
PROVENANCE = "https://slsa.dev/provenance/v1"
_STATEMENT = "https://in-toto.io/Statement/v1"
_ENVELOPE_TYPE = "application/vnd.in-toto+json"
_BUILD_TYPE = "urn:shipway:build:bundle-on-base:v1"
_KIND = "cosign container image signature"

PublicKey = ec.EllipticCurvePublicKey


class Key:
    """A private key on P-256, which signs the same bytes always in the same way."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        """What verifies its signatures."""
        return self._key.public_key()

    def sign(self, content: bytes) -> str:
        """Returns the signature of `content` in base64; it holds no chance, so that signing again changes nothing."""
        signed = self._key.sign(content, ec.ECDSA(SHA256(), deterministic_signing=True))
        return base64.b64encode(signed).decode()


def load_key(environ: Mapping[str, str]) -> Key | None:
    """Returns the key that the environment names, None where it names none.

    SHIPWAY_SIGNING_KEY is the path of a PEM file; SHIPWAY_SIGNING_PASSWORD_FILE that of its password's, if it has one.

    Raises:
        SpecError: when there is no such key; its content is not repeated.
    """
    if not environ.get(KEY_VARIABLE):
        return None
    path = Path(environ[KEY_VARIABLE])
    try:
        named = environ.get(PASSWORD_FILE_VARIABLE)
        password = Path(named).read_bytes().rstrip(b"\r\n") if named else None
        key = load_pem_private_key(path.read_bytes(), password)
    except OSError as error:
        raise SpecError("environment", KEY_VARIABLE, str(path), f"a readable key file ({error})") from None
    except (ValueError, TypeError):
        expected = f"a private key in PEM; of an encrypted one, {PASSWORD_FILE_VARIABLE} names the password's file"
        raise SpecError("environment", KEY_VARIABLE, str(path), expected) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SpecError("environment", KEY_VARIABLE, str(path), "an ECDSA key on the curve P-256")
    return Key(key)


def public_key_of(environment: EnvironmentSpec) -> PublicKey | None:
    """Returns the key that images must be signed with to run in `environment`, None where any image runs.

    Raises:
        SpecError: when it is not one on P-256.
    """
    cluster = kubernetes_spec(environment)
    if cluster is None or cluster.admission is None:
        return None
    pem = cluster.admission.public_key
    try:
        found = load_pem_public_key(pem.encode())
    except ValueError:
        found = None
    if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP256R1):
        path, key = f"stacks/Pulumi.{environment.name}.yaml", f"{environment.target}.admission.public_key"
        raise SpecError(path, key, pem, "an ECDSA public key on the curve P-256, in PEM")
    return found


def public_pem(key: PublicKey) -> str:
    """Returns a public key as the environment's file holds it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def payload(repository: str, digest: str) -> bytes:
    """Returns what is signed of an image: its digest, and where it was pushed."""
    critical = {
        "identity": {"docker-reference": repository},
        "image": {"docker-manifest-digest": digest},
        "type": _KIND,
    }
    return canonical_json({"critical": critical, "optional": None})


def provenance(repository: str, digest: str, *, bundle: str, model: str, base: str, version: str) -> dict[str, Any]:
    """Returns the SLSA provenance of an image: from which bundle and which base it was made, and by what."""
    base_name, _, base_digest = base.partition("@")
    dependencies = [
        {"uri": f"oci://{base_name}", "digest": _as_digest(base_digest)},
        {"uri": f"urn:shipway:bundle:{model}", "digest": _as_digest(bundle)},
    ]
    return {
        "_type": _STATEMENT,
        "subject": [{"name": repository, "digest": _as_digest(digest)}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {"model": model, "bundle": bundle, "base": base},
                "resolvedDependencies": dependencies,
            },
            "runDetails": {"builder": {"id": "urn:shipway:build", "version": {"shipway": version}}},
        },
    }


def envelope(statement: Mapping[str, Any], key: Key) -> bytes:
    """Returns a statement in a signed DSSE envelope."""
    content = canonical_json(statement)
    signature = {"keyid": "", "sig": key.sign(_authenticated(content))}
    said = {"payloadType": _ENVELOPE_TYPE, "payload": base64.b64encode(content).decode(), "signatures": [signature]}
    return canonical_json(said)


def verify(content: bytes, signature: str, key: PublicKey) -> bool:
    """Returns whether `signature`, in base64, was made over `content` with the key that `key` belongs to."""
    try:
        key.verify(base64.b64decode(signature, validate=True), content, ec.ECDSA(SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True


def verify_payload(content: bytes, signature: str, key: PublicKey, digest: str) -> bool:
    """Returns whether a signed payload is about the image `digest`, and signed with `key`."""
    if not verify(content, signature, key):
        return False
    critical = json.loads(content)["critical"]
    return critical["type"] == _KIND and critical["image"]["docker-manifest-digest"] == digest


def verify_envelope(content: bytes, key: PublicKey, digest: str) -> dict[str, Any] | None:
    """Returns the statement in an envelope about the image `digest` signed with `key`, None when it is no such thing.

    Raises:
        ArtifactError: when it is no envelope at all.
    """
    try:
        said = json.loads(content)
        statement = base64.b64decode(said["payload"], validate=True)
        signatures = [one["sig"] for one in said["signatures"]]
        kind = said["payloadType"]
    except (ValueError, KeyError, TypeError):
        raise ArtifactError("found no DSSE envelope, expected payloadType, payload and signatures") from None
    if kind != _ENVELOPE_TYPE or not any(verify(_authenticated(statement), one, key) for one in signatures):
        return None
    told: dict[str, Any] = json.loads(statement)
    about = [one["digest"] for one in told.get("subject", [])]
    return told if told.get("_type") == _STATEMENT and _as_digest(digest) in about else None


def _authenticated(content: bytes) -> bytes:
    kind = _ENVELOPE_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(content), content)


def _as_digest(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}
