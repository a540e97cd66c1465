"""The one step that may write: what it pushes, what it asks for, and what it says of a token that is not there."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "a" * 64
RECORD = "services/flight_delay/releases/bundles/aaaaaaaaaaaa.yaml"
BRANCH = "release/prod/flight-delay"

# Not GitHub's own program: it answers the list as it is told, and keeps what it is called with.
_RECORDING_GH = """#!/bin/sh
[ "$2" = list ] && { cat "$ANSWER"; exit 0; }
for word in "$@"; do echo "<$word>" >> "$LOG"; done
"""


@pytest.fixture
def proposed(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Runs the step over a release; returns what it printed and what `gh` was asked for."""
    document = yaml.safe_load((ROOT / ".github" / "workflows" / "propose.yml").read_text(encoding="utf-8"))
    step = document["jobs"]["propose"]["steps"][-1]
    project, programs, log = tmp_path / "project", tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    (programs / "gh").write_text(_RECORDING_GH)
    (programs / "gh").chmod(0o755)
    git = ["git", "-C", str(project), "-c", "user.name=ada", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "origin.git")], check=True)
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(project)], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", "before"], check=True)
    subprocess.run([*git, "remote", "add", "origin", str(tmp_path / "origin.git")], check=True)

    def run(approved_by: str, *, number: str = "", by_app: str = "true") -> tuple[str, str]:
        path = project / RECORD
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({"digest": DIGEST, "approved_by": approved_by}, sort_keys=False))
        (tmp_path / "answer").write_text(number)
        subprocess.run([*git, "add", "--all"], check=True)
        environ = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LOG": str(log),
            "ANSWER": str(tmp_path / "answer"),
            "GITHUB_REPOSITORY": "example/shipway",
            "BRANCH": BRANCH,
            "TITLE": "Release",
            "REASON": "April `date`",
            "ACTOR": "ada",
            "BY_APP": by_app,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(
            command, cwd=project, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        pushed = subprocess.run([*git, "ls-remote", "origin", BRANCH], capture_output=True, text=True, check=True)
        assert pushed.stdout
        return done.stdout, log.read_text()

    return run


AGREE = f"April `date`\n\nAnother person agrees on this branch and commits it: `shipway agree flight-delay {DIGEST}`"


def test_the_request_says_who_has_to_agree_and_how(proposed: Callable[..., tuple[str, str]]) -> None:
    """The command is whole, for whoever reads the request."""
    said, asked = proposed("")
    assert asked == f"<pr>\n<create>\n<--head>\n<{BRANCH}>\n<--title>\n<Release>\n<--body>\n<{AGREE}>\n"
    assert "::warning::" not in said


def test_an_open_request_gets_the_new_digest(proposed: Callable[..., tuple[str, str]]) -> None:
    """A second run releases another bundle: the command of the first would agree to nothing that is there."""
    _, asked = proposed("", number="7\n")
    assert asked.startswith("<api>\n<--silent>\n<--method>\n<PATCH>\n<repos/example/shipway/pulls/7>\n<--raw-field>\n")
    assert asked.endswith(f"<body={AGREE}>\n")


def test_nobody_is_asked_twice_and_a_missing_token_is_told(proposed: Callable[..., tuple[str, str]]) -> None:
    """What is carried on was agreed to; a request of github-actions starts no checks, and the run says so."""
    said, asked = proposed("grace", by_app="false")
    assert asked.endswith("<--body>\n<April `date`>\n")
    assert "::warning::SHIPWAY_TOKEN is empty" in said
