"""What the pipeline for GitLab does before it touches a cloud, run with programs that only write down their calls."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from shipway.images.credentials import Credentials, find_credentials
from tests.house.test_pipelines import GITLAB, Loader

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"

_RECORDING_AWS = """#!/bin/sh
echo "$AWS_ROLE_ARN $(cat "$AWS_WEB_IDENTITY_TOKEN_FILE"): $*" >> "$LOG"
[ "$4" = get-login-password ] && echo "${PASSWORD:?}" || true
"""


def cloud(tmp_path: Path, **more: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Runs `.cloud` and returns how it ended, and what `aws` was asked."""
    [script] = yaml.load(GITLAB.read_text(encoding="utf-8"), Loader)[".cloud"]["script"]
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    (programs / "aws").write_text(_RECORDING_AWS)
    (programs / "aws").chmod(0o755)
    (tmp_path / ".shipway").mkdir()
    environ = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LOG": str(log),
        "CI_PROJECT_DIR": str(tmp_path),
        "IDENTITY": "token",
        "PASSWORD": "p" * 200,
        "ENVIRONMENT": "prod",
        "AWS_REGION": "eu-central-1",
        "SHIPWAY_REGISTRY": REGISTRY,
        **more,
    }
    command = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done, log.read_text() if log.exists() else ""


@pytest.mark.parametrize("source", ["", "staging"])
def test_the_login_it_writes_is_one_that_shipway_reads(tmp_path: Path, source: str) -> None:
    """Without Docker; and every cluster that is asked has its kubeconfig, that which a version is carried from too."""
    role = "arn:aws:iam::123456789012:role/releases"
    done, asked = cloud(tmp_path, SHIPWAY_ROLE_ARN=role, FROM=source)
    assert done.returncode == 0, done.stderr
    found = find_credentials(REGISTRY, {"DOCKER_CONFIG": str(tmp_path / ".shipway" / "docker")})
    assert found == Credentials("AWS", "p" * 200)
    kept = [*(tmp_path / ".shipway").rglob("*.json"), tmp_path / ".shipway" / "identity"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    lines = [f"{role} token: --region eu-central-1 ecr get-login-password"]
    for name in filter(None, ("prod", source)):
        update = f"eks update-kubeconfig --name shipway-{name} --alias shipway-{name}"
        lines.append(f"{role} token: --region eu-central-1 {update}")
    assert asked.splitlines() == lines


def test_without_a_role_the_runners_own_logins_are_used(tmp_path: Path) -> None:
    """A cluster that is not on AWS has no role to take."""
    done, asked = cloud(tmp_path)
    assert (done.returncode, asked) == (0, "")
    assert not (tmp_path / ".shipway" / "docker").exists()


def test_a_login_that_fails_ends_the_job(tmp_path: Path) -> None:
    """No empty password is written down."""
    done, _ = cloud(tmp_path, SHIPWAY_ROLE_ARN="arn", PASSWORD="")
    assert done.returncode != 0
    assert not (tmp_path / ".shipway" / "docker" / "config.json").exists()
