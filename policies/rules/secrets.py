"""Where a secret may lie."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from policies.kubernetes import pods
from policies.resource import Resource, at, rows, texts
from policies.rule import KUBERNETES, Context, Severity, rule

__all__ = ["holds_secret", "secrets_as_files"]

# What the issuers of credentials make recognisable; an address with a password; a private key.
_CREDENTIAL = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_\w{20,}|\bhf_\w{20,}|\bxox[abprs]-\w"
    r"|\bsk-[\w-]{20,}|\beyJ[\w-]{10,}\.eyJ[\w-]+\.|://[^/\s:@]+:[^/\s@$]+@"
)
_SECRET_WORDS = frozenset(
    {"apikey", "credential", "credentials", "passphrase", "passwd", "password", "pwd", "secret", "token"}
)
_SECRET_PAIRS = frozenset(
    {("access", "key"), ("api", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key")}
)
# A name that ends so tells where a secret is, or how it is used, not the secret.
_HARMLESS = frozenset(
    {"arn", "count", "dir", "file", "files", "length", "limit", "mount", "name", "path", "seconds", "ttl"}
)
_PATH = re.compile(r"(/[\w.-]+)+/?")
_FLAG = re.compile(r"--?([\w-]+)(?:=(.*))?", re.DOTALL)


def _pod(env: Mapping[str, Any]) -> tuple[Resource, ...]:
    spec = {"containers": [{"name": "model", "env": [env]}]}
    return (Resource("kubernetes:apps/v1:Deployment", "example", {"spec": {"template": {"spec": spec}}}),)


@rule(
    "ML010",
    "secrets as files",
    severity=Severity.CRITICAL,
    types=(KUBERNETES,),
    fix="Mount the secret as a file and give the process its path.",
    passing=_pod({"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db/password"}),
    failing=_pod({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}),
)
def secrets_as_files(resource: Resource, _context: Context) -> Iterator[str]:
    """No secret lies in an environment variable, an argument or a ConfigMap, where logs and neighbours read it."""
    if resource.type.startswith("kubernetes:core/v1:ConfigMap"):
        data: Mapping[str, Any] = resource.props.get("data") or {}
        for key in data:
            if holds_secret(key, str(data[key])):
                yield f"ConfigMap key {key!r} holds a secret"
    for pod in pods(resource):
        for container in pod.containers:
            for problem in _of_container(container):
                yield f"container {container.get('name')!r}: {problem}"


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in rows(container.get("env")):
        name = str(variable.get("name"))
        if at(variable, "valueFrom", "secretKeyRef") is not None:
            yield f"env {name} is read from a Secret"
        elif holds_secret(name, str(variable.get("value") or "")):
            yield f"env {name} holds a secret"
    for source in rows(container.get("envFrom")):
        if at(source, "secretRef") is not None:
            yield f"envFrom reads all of Secret {at(source, 'secretRef', 'name')!r}"
    words = [*texts(container.get("command")), *texts(container.get("args"))]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        flag = _FLAG.fullmatch(word)
        if flag and holds_secret(flag[1], following if flag[2] is None else flag[2]):
            yield f"argument {flag[1]!r} holds a secret"
        elif not flag and _CREDENTIAL.search(word):
            yield "an argument holds a secret"


def holds_secret(name: str, value: str) -> bool:
    """Returns whether a value is a secret, by its own form or by its name; the value itself is never shown."""
    # `$(NAME)` only refers to another variable, and a path only says where the secret is.
    if not value.strip() or value.startswith("$("):
        return False
    if _CREDENTIAL.search(value):
        return True
    words = [word for word in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if word]
    if not words or words[-1] in _HARMLESS or _PATH.fullmatch(value) or value.lower() in ("true", "false"):
        return False
    return bool(_SECRET_WORDS & set(words)) or bool(_SECRET_PAIRS & set(pairwise(words)))
