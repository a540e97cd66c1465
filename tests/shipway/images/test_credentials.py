"""What `docker login` left is understood, and no message repeats it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shipway.contract.errors import SpecError
from shipway.images.credentials import Credentials, find_credentials

HOST, SECRET = "registry.example.com", "hunter2hunter2"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment with a configuration folder of its own and no helpers but its own."""
    return {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}


def _write(tmp_path: Path, **document: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(document))


def _helper(tmp_path: Path, script: str) -> None:
    path = tmp_path / "docker-credential-test"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    _write(tmp_path, credHelpers={HOST: "test"})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_nobody_is_logged_in(tmp_path: Path, environ: dict[str, str]) -> None:
    """Without a file, or with one about other registries, there are no credentials."""
    assert find_credentials(HOST, environ) is None
    _write(tmp_path, auths={"other.example.com": {"auth": _encoded("ada:x")}})
    assert find_credentials(HOST, environ) is None


def test_a_password_in_the_file(tmp_path: Path, environ: dict[str, str]) -> None:
    """It may hold colons; it does not show in the object's text."""
    _write(tmp_path, auths={HOST: {"auth": _encoded(f"ada:{SECRET}:x")}})
    found = find_credentials(HOST, environ)
    assert found == Credentials("ada", f"{SECRET}:x")
    assert SECRET not in repr(found)


def test_docker_hub_stands_under_its_old_address(tmp_path: Path, environ: dict[str, str]) -> None:
    """That is where `docker login` writes it."""
    _write(tmp_path, auths={"https://index.docker.io/v1/": {"auth": _encoded("ada:x")}})
    assert find_credentials("docker.io", environ) == Credentials("ada", "x")


def test_a_helper_is_told_the_registry_and_asked_for_the_rest(tmp_path: Path, environ: dict[str, str]) -> None:
    """The registry goes in by standard input, so that no argument list shows it."""
    _helper(tmp_path, f'read host; echo "{{\\"Username\\": \\"$host-$1\\", \\"Secret\\": \\"{SECRET}\\"}}"')
    assert find_credentials(HOST, environ) == Credentials(f"{HOST}-get", SECRET)


def test_a_helper_that_knows_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    """It says so in words, with exit code 1; that is nobody, and no error."""
    _helper(tmp_path, "echo credentials not found in native keychain; exit 1")
    assert find_credentials(HOST, environ) is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"echo {SECRET}; exit 3", "answer with a user and a secret (exit code 3)"),
        (
            f'echo \'{{"Username": "<token>", "Secret": "{SECRET}"}}\'',
            "a user with a password for registry.example.com",
        ),
    ],
)
def test_a_helper_that_fails(tmp_path: Path, environ: dict[str, str], script: str, said: str) -> None:
    """The error names the file and the helper and repeats nothing that was printed."""
    _helper(tmp_path, script)
    with pytest.raises(SpecError) as refused:
        find_credentials(HOST, environ)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_helper_that_is_not_there(tmp_path: Path, environ: dict[str, str]) -> None:
    """The error names the program."""
    _write(tmp_path, credsStore="nowhere")
    with pytest.raises(SpecError, match=r"credHelpers: got 'nowhere', expected docker-credential-nowhere to answer"):
        find_credentials(HOST, environ)


@pytest.mark.parametrize("auth", ["%%%", _encoded(SECRET)])
def test_what_is_no_user_and_password(tmp_path: Path, environ: dict[str, str], auth: str) -> None:
    """The value itself is not repeated."""
    _write(tmp_path, auths={HOST: {"auth": auth}})
    with pytest.raises(SpecError, match="a value that is not repeated here"):
        find_credentials(HOST, environ)
