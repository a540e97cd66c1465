"""Signatures: what verifies, what does not, and what is said of a key that will not do."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from shipway.contract.errors import ArtifactError, SpecError
from shipway.images.signing import (
    KEY_VARIABLE,
    PASSWORD_FILE_VARIABLE,
    Key,
    envelope,
    load_key,
    payload,
    provenance,
    verify_envelope,
    verify_payload,
)

IMAGE, OTHER = (f"sha256:{letter * 64}" for letter in "ab")
STATEMENT = provenance("r.example.com/m", IMAGE, bundle=OTHER, model="m", base=f"r.example.com/b@{OTHER}", version="1")


@pytest.fixture
def key() -> Key:
    """A key of one test alone."""
    return Key(ec.generate_private_key(ec.SECP256R1()))


def _write(path: Path, key: ec.EllipticCurvePrivateKey, how: KeySerializationEncryption) -> dict[str, str]:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))
    return {KEY_VARIABLE: str(path)}


def test_a_signature_is_of_one_image_by_one_key(key: Key) -> None:
    """Of another image, by another key, or over other bytes it is none; made again it is the same."""
    content = payload("r.example.com/m", IMAGE)
    signature = key.sign(content)
    assert key.sign(content) == signature
    assert verify_payload(content, signature, key.public, IMAGE)
    assert not verify_payload(content, signature, key.public, OTHER)
    assert not verify_payload(content, signature, Key(ec.generate_private_key(ec.SECP256R1())).public, IMAGE)
    assert not verify_payload(payload("r.example.com/m", OTHER), signature, key.public, OTHER)
    assert not verify_payload(content, "not base64", key.public, IMAGE)


def test_a_statement_is_of_one_image_by_one_key(key: Key) -> None:
    """Its subject is part of what is signed."""
    made = envelope(STATEMENT, key)
    assert verify_envelope(made, key.public, IMAGE) == STATEMENT
    assert verify_envelope(made, key.public, OTHER) is None
    assert verify_envelope(made, Key(ec.generate_private_key(ec.SECP256R1())).public, IMAGE) is None
    assert verify_envelope(made.replace(b"in-toto+json", b"other+json"), key.public, IMAGE) is None
    with pytest.raises(ArtifactError, match="found no DSSE envelope"):
        verify_envelope(b"{}", key.public, IMAGE)


def test_a_key_comes_from_a_file_with_its_password_in_another(tmp_path: Path) -> None:
    """Neither is in an argument or in a variable; the newline at a file's end is no part of the password."""
    assert load_key({}) is None
    private = ec.generate_private_key(ec.SECP256R1())
    environ = _write(tmp_path / "key.pem", private, BestAvailableEncryption(b"secret"))
    (tmp_path / "password").write_text("secret\n")
    found = load_key({**environ, PASSWORD_FILE_VARIABLE: str(tmp_path / "password")})
    assert found is not None
    assert found.public == private.public_key()
    with pytest.raises(SpecError, match=f"of an encrypted one, {PASSWORD_FILE_VARIABLE} names the password's file"):
        load_key(environ)


def test_a_key_that_will_not_do(tmp_path: Path) -> None:
    """A missing file, another curve and another kind are each refused by the variable's name."""
    with pytest.raises(SpecError, match=f"environment: {KEY_VARIABLE}: got .*expected a readable key file"):
        load_key({KEY_VARIABLE: str(tmp_path / "none")})
    wrong = _write(tmp_path / "p384", ec.generate_private_key(ec.SECP384R1()), NoEncryption())
    (tmp_path / "ed").write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    for environ in (wrong, {KEY_VARIABLE: str(tmp_path / "ed")}):
        with pytest.raises(SpecError, match="expected an ECDSA key on the curve P-256"):
            load_key(environ)
