"""Who Shipway is to a registry: what `docker login` and its helpers left, read when it is asked for."""

import base64
import binascii
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shipway.contract.documents import read_json
from shipway.contract.errors import SpecError

__all__ = ["Credentials", "find_credentials"]

_HELPER_SECONDS = 30
# What helpers print, and exit with 1, for a registry they know nothing of.
_UNKNOWN = "credentials not found"
# Docker Hub is written down under the address of an interface long gone.
_DOCKER_HUB = ("docker.io", "https://index.docker.io/v1/")


@dataclass(frozen=True)
class Credentials:
    """A user and a password, which no message and no log repeats."""

    user: str
    password: str = field(repr=False)


def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """Returns the credentials for the registry `host`, None where none are written down.

    Args:
        host: such as `registry.example.com` or `127.0.0.1:5000`.
        environ: the environment: DOCKER_CONFIG names the folder of config.json, `~/.docker` by default.

    Raises:
        SpecError: when config.json or what a helper says cannot be understood; it repeats neither.
    """
    folder = Path(environ["DOCKER_CONFIG"]) if environ.get("DOCKER_CONFIG") else Path.home() / ".docker"
    path = folder / "config.json"
    if not path.exists():
        return None
    document = read_json(path)
    known = _DOCKER_HUB[1] if host == _DOCKER_HUB[0] else host
    helper = document.get("credHelpers", {}).get(known) or document.get("credsStore")
    if helper:
        return _ask(helper, known, path, environ)
    entry = document.get("auths", {}).get(known)
    return _decoded(entry, known, path) if entry and entry.get("auth") else None


def _ask(helper: str, host: str, path: Path, environ: Mapping[str, str]) -> Credentials | None:
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"],
            input=host,
            capture_output=True,
            text=True,
            timeout=_HELPER_SECONDS,
            check=False,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecError(path, "credHelpers", helper, f"{program} to answer ({type(error).__name__})") from None
    if done.returncode != 0 and _UNKNOWN in done.stdout + done.stderr:
        return None
    try:
        said: dict[str, Any] = json.loads(done.stdout)
        found = Credentials(said["Username"], said["Secret"])
    except (json.JSONDecodeError, KeyError, TypeError):
        # What it printed may be a secret.
        expected = f"{program} to answer with a user and a secret (exit code {done.returncode})"
        raise SpecError(path, "credHelpers", helper, expected) from None
    if found.user == "<token>":
        raise SpecError(path, "credHelpers", helper, f"a user with a password for {host}, not an identity token")
    return found


def _decoded(entry: Mapping[str, Any], host: str, path: Path) -> Credentials:
    try:
        user, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        colon, user, password = "", "", ""
    if not colon:
        raise SpecError(path, f"auths.{host}.auth", "a value that is not repeated here", "USER:PASSWORD in base64")
    return Credentials(user, password)
