"""Where a secret may lie."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.kubernetes import pods
from policies.resource import Resource, at, rows, texts
from policies.rule import KUBERNETES, Context, Severity, rule
from shipway.contract.credentials import credential_in, holds_secret

__all__ = ["secrets_as_files"]

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
        elif not flag and credential_in(word):
            yield "an argument holds a secret"
