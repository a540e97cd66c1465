"""No document that people keep in git holds a credential, and no message repeats one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.credentials import credential_in, names_secret
from shipway.contract.documents import read_yaml
from shipway.contract.environment import load_environment
from shipway.contract.errors import HIDDEN, SpecError
from shipway.contract.model import load_model
from shipway.contract.release import load_release
from tests.planted import planted

REPOSITORY = Path(__file__).resolve().parents[3]
SECRETS = planted()
# JSON is YAML, and is written and read in no time.
ENVIRONMENT = json.dumps(read_yaml(REPOSITORY / "stacks" / "Pulumi.onprem.yaml"))
MODEL = json.dumps(read_yaml(REPOSITORY / "services" / "flight_delay" / "model.yaml"))


def _set(document: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    place: Any = document
    *parents, last = key.split(".")
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
    place[last] = value
    return document


def _environment(folder: Path, key: str, value: object) -> Callable[[], object]:
    document = json.loads(ENVIRONMENT)
    _set(document["config"], key, value)
    (folder / "stacks").mkdir(exist_ok=True)
    (folder / "stacks" / "Pulumi.onprem.yaml").write_text(json.dumps(document), encoding="utf-8")
    return lambda: load_environment(folder, "onprem")


def _model(folder: Path, key: str, value: object) -> Callable[[], object]:
    (folder / "model.yaml").write_text(json.dumps(_set(json.loads(MODEL), key, value)), encoding="utf-8")
    return lambda: load_model(folder / "model.yaml")


def _release(folder: Path, key: str, value: object) -> Callable[[], object]:
    (folder / "onprem.yaml").write_text(json.dumps({key: value}), encoding="utf-8")
    return lambda: load_release(folder / "onprem.yaml")


def _whole(folder: Path, _key: str, value: object) -> Callable[[], object]:
    (folder / "model.yaml").write_text(str(value), encoding="utf-8")
    return lambda: load_model(folder / "model.yaml")


PLACES = [
    (_environment, "shipway:environment.tags.owner"),
    (_environment, "shipway:environment.alerts.webhook_urls"),
    (_environment, "shipway:environment.kubernetes.object_storage.endpoint_url"),
    (_environment, "shipway:environment.kubernetes.redis.secret"),
    (_environment, "shipway:environment.password"),
    (_environment, "kubernetes:token"),
    (_model, "description"),
    (_model, "owner.runbook_url"),
    (_model, "owner.contact"),
    (_model, "api_key"),
    (_release, "reason"),
    (_release, "green"),
    (_whole, ""),
]


@pytest.mark.parametrize(("write", "key"), PLACES)
def test_a_credential_is_refused_and_not_repeated(tmp_path: Path, write: Any, key: str) -> None:
    """Two hundred secrets of ten kinds, wherever a person could write one: named by its place, never shown."""
    through: list[str] = []
    for secret in SECRETS:
        value = [secret] if key.endswith("webhook_urls") else secret
        try:
            write(tmp_path, key, value)()
        except SpecError as refused:
            told = f"{refused} {refused.got!r} {refused.key}"
            assert not any(line in told for line in secret.splitlines() if len(line) > 12), key
        else:
            through.append(credential_in(secret) or secret[:4])
    assert through == []


@pytest.mark.parametrize(
    "text",
    [
        "registry.example.com/shipway/mlflow@sha256:" + "3" * 64,
        "/bundles/sha256/" + "0123456789abcdef" * 4,
        "arn:aws:kms:eu-central-1:111111111111:key/11111111-2222-3333-4444-555555555555",
        "arn:aws:iam::111111111111:role/aws-reserved/AWSReservedSSO_AdministratorAccess",
        "AmazonEKSWorkerNodeMinimalPolicy2025",
        "AL2023_x86_64_NVIDIA",
        "https://git.example.com/shipway/blob/0123456789abcdef0123456789abcdef01234567/docs/runbook.md",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5x3mP0aQ\n-----END PUBLIC KEY-----\n",
        "postgresql+psycopg://feast-postgres-rw.shipway-onprem.svc:5432/feast?sslmode=require",
        "online-store.example.com:6379,ssl=true,password=${REDIS_PASSWORD}",
    ],
)
def test_what_names_something_is_no_credential(text: str) -> None:
    """Digests, ARNs, names in camel case, commits, public keys and addresses without a password are let through."""
    assert credential_in(text) == ""


def test_a_tag_is_not_called_after_a_secret(tmp_path: Path) -> None:
    """A short password has no form of its own: what tells it is the name it was given, and it is not repeated."""
    with pytest.raises(SpecError, match="tags: got a value that is not repeated here, expected no tag called after"):
        _environment(tmp_path, "shipway:environment.tags.db-password", "hunter2")()


def test_an_unknown_key_called_after_a_secret_is_not_shown(tmp_path: Path) -> None:
    """A key that does not exist is refused as any other, without its value."""
    with pytest.raises(SpecError, match=rf"owner.password: got {HIDDEN}, expected no such key"):
        _model(tmp_path, "owner.password", "hunter2")()


def test_a_text_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    """Of a file that cannot be read the place is named, and none of its words."""
    with pytest.raises(
        SpecError, match=r"got 'a text that cannot be read at line 1, column \d+', expected valid YAML"
    ) as got:
        _whole(tmp_path, "", "password: @hunter2")()
    assert "hunter2" not in str(got.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("db_password", True), ("apiKey", True), ("AccessKey", True), ("password_file", False), ("tokenizer", False)],
)
def test_a_name_tells_a_secret_from_the_place_of_one(name: str, says: bool) -> None:
    """Words count, not letters: a tokenizer is none, and neither is the path of a file."""
    assert names_secret(name) is says
