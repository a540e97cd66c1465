"""Whatever secrets lie around, in the cluster, in variables and in files: nothing that the engine writes holds one."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_engine import STACK, Engine, prepared
from tests.planted import planted

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

SECRETS = planted()
# Where people keep them. The first ones mean something to a program that runs here; the others are as common.
VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PULUMI_CONFIG_PASSPHRASE"),
    *("GITHUB_TOKEN", "HF_TOKEN", "KUBE_TOKEN", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "REDIS_PASSWORD"),
    *("SHIPWAY_TOKEN", "SLACK_BOT_TOKEN", "VAULT_TOKEN", "DATABASE_URL", "WEBHOOK_URL"),
)
# The names that the environment's file gives to the Secrets it needs, and the keys that pods read.
NAMED = ("mlflow-postgres", "feast-postgres", "online-store", "online-store-tls", "object-storage", "models-tls")
KEYS = ("username", "password", "credentials", "tls.key", "ca.crt", "server.key")
# The event log is asked for with this.
EVENTS = {"PULUMI_DEBUG_COMMANDS": "true"}


def _take(rest: Iterator[str], count: int) -> list[str]:
    return [next(rest) for _ in range(count)]


def _in_cluster(plane: ControlPlane, space: str, secrets: list[str]) -> None:
    """Puts these into the Secrets that the environment names, in one namespace."""
    values = iter(secrets)
    for name in NAMED:
        data = {key: next(values) for key in KEYS[: len(secrets) // len(NAMED)]}
        metadata = {"name": name, "namespace": space}
        plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})


def _in_files(folder: Path, plane: ControlPlane, secrets: list[str]) -> dict[str, str]:
    """Writes a kubeconfig with other people's users, and the files that tools read; returns the variables for them."""
    first, *rest = secrets
    access = yaml.safe_load(plane.kubeconfig.read_text(encoding="utf-8"))
    for number, secret in enumerate(rest[:20]):
        data = base64.b64encode(secret.encode()).decode()
        user = [{"token": secret}, {"username": "a", "password": secret}, {"client-key-data": data}][number % 3]
        access["users"].append({"name": f"other-{number}", "user": user})
    profiles = [f"[p{number}]\naws_secret_access_key={secret}" for number, secret in enumerate(rest[20:30])]
    files = {
        "KUBECONFIG": yaml.safe_dump(access),
        "AWS_SHARED_CREDENTIALS_FILE": "\n".join(profiles),
        "DOCKER_CONFIG": json.dumps({"auths": {f"r{n}.example.com": {"auth": s} for n, s in enumerate(rest[30:])}}),
        "PULUMI_ACCESS_TOKEN_FILE": first,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: str(folder / name) for name in files}


def _written(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(root)), path.read_bytes()


def _forms(secret: str) -> list[bytes]:
    """Returns how a secret may be written: as it is, escaped in JSON, in base64; of a key of many lines, one."""
    whole = secret.strip()
    line = max(whole.splitlines(), key=len)
    encoded = [base64.b64encode(text.encode()) for text in (secret, whole)]
    return [line.encode(), json.dumps(line)[1:-1].encode(), *encoded]


def test_two_hundred_secrets_appear_nowhere(plane: ControlPlane, tmp_path: Path) -> None:
    """Preview, up, refresh and destroy beside them: not in state, preview, event log, output, nor any other file."""
    rest = iter(SECRETS)
    space = f"shipway-{STACK}-models"
    _in_cluster(plane, "default", _take(rest, 36))
    outside = tmp_path / "outside"
    outside.mkdir()
    variables = _in_files(outside, plane, _take(rest, 61)) | EVENTS
    variables |= dict(zip(VARIABLES, _take(rest, len(VARIABLES)), strict=True))
    within, spare = _take(rest, 36), list(rest)
    variables |= {f"SECRET_{number}": secret for number, secret in enumerate(spare)}
    root = prepared(tmp_path, plane)
    engine = Engine(root, plane, variables)
    try:
        (root / "preview.json").write_text(engine.run("preview", "-s", STACK, "--json"), encoding="utf-8")
        engine.run("up", "-s", STACK, "--yes", "--skip-preview", "--event-log", str(root / "events.json"))
        # Now in the very namespace, under the very names: what the provider reads back could show them.
        _in_cluster(plane, space, within)
        engine.run("refresh", "-s", STACK, "--yes", "--skip-preview")
        engine.run("preview", "-s", STACK, "--diff")
        state = engine.run("stack", "export", "-s", STACK, "--show-secrets")
    finally:
        engine.destroy()
    assert (root / "events.json").stat().st_size > 1000
    written = {**dict(_written(root)), "output": engine.said.encode(), "exported": state.encode()}
    assert any(name.startswith("state/.pulumi/stacks/") for name in written)
    (own,) = (user["user"]["token"] for user in yaml.safe_load(plane.kubeconfig.read_text())["users"])
    # What is no secret is found in the same way: the search works.
    assert any(_forms("https://objects.example.com")[0] in content for content in written.values())
    found = [
        f"secret {number} in {name}"
        for number, secret in enumerate((*SECRETS, own))
        for name, content in written.items()
        if any(form in content for form in _forms(secret))
    ]
    assert found == []
