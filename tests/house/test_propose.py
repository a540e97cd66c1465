"""The one step that may write: what it pushes, what it asks for, and what it says of a token that is not there."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
RECORD = "services/flight_delay/releases/bundles/aaaaaaaaaaaa.yaml"
BRANCH = "release/prod/flight-delay"

# Not GitHub's own program: it answers the list as it is told, and keeps what it is called with.
_RECORDING_GH = """#!/bin/sh
[ "$2 $6" = "list merged" ] && { cat "$MERGED"; exit 0; }
[ "$2" = list ] && { cat "$ANSWER"; exit 0; }
for word in "$@"; do echo "<$word>" >> "$LOG"; done
"""


class Proposing:
    """A project whose release is proposed, as often as it is, and what people do on the branch meanwhile."""

    def __init__(self, folder: Path) -> None:
        document = yaml.safe_load((ROOT / ".github" / "workflows" / "propose.yml").read_text(encoding="utf-8"))
        self._step = document["jobs"]["propose"]["steps"][-1]["run"]
        self._folder, self._project, self._origin = folder, folder / "project", folder / "origin.git"
        self._programs, self._log = folder / "bin", folder / "log"
        # The tips of this branch that were merged.
        self.merged: list[str] = []
        self._programs.mkdir()
        (self._programs / "gh").write_text(_RECORDING_GH)
        (self._programs / "gh").chmod(0o755)
        subprocess.run(["git", "init", "--quiet", "--bare", str(self._origin)], check=True)
        subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(self._project)], check=True)
        self.git("commit", "--quiet", "--allow-empty", "--message", "before")
        self.git("remote", "add", "origin", str(self._origin))

    def git(self, *words: str) -> str:
        command = [
            "git",
            "-C",
            str(self._project),
            "-c",
            "user.name=grace",
            "-c",
            "user.email=grace@example.com",
            *words,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def run(
        self, approved_by: str = "", *, digest: str = DIGEST, number: str = "", by_app: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        """Runs the step over a release of `digest`, from the branch that requests are made against."""
        if self.tip:
            self.git("switch", "--quiet", "main")
            self.git("branch", "--quiet", "-D", BRANCH)
        record = self._project / RECORD.replace("a" * 12, digest.removeprefix("sha256:")[:12])
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(yaml.safe_dump({"digest": digest, "approved_by": approved_by}, sort_keys=False))
        (record.parents[1] / "prod.yaml").write_text(f"blue: {digest}\ngreen: ''\nreason: run {os.urandom(4).hex()}\n")
        (self._folder / "answer").write_text(number)
        (self._folder / "merged").write_text("".join(f"{one}\n" for one in self.merged))
        self.git("add", "--all")
        environ = {
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "LOG": str(self._log),
            "ANSWER": str(self._folder / "answer"),
            "MERGED": str(self._folder / "merged"),
            "GITHUB_REPOSITORY": "example/shipway",
            "BRANCH": BRANCH,
            "TITLE": "Release",
            "REASON": "April `date`",
            "ACTOR": "ada",
            "BY_APP": by_app,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self._step]
        return subprocess.run(
            command, cwd=self._project, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    @property
    def tip(self) -> str:
        """The branch at origin, empty where there is none."""
        return self.git("ls-remote", "origin", f"refs/heads/{BRANCH}").partition("\t")[0]

    def commit(self, *words: str) -> str:
        """Commits to the branch as a person and pushes it; returns the commit."""
        self.git("commit", "--quiet", "--allow-empty", *words)
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{BRANCH}")
        return self.tip


@pytest.fixture
def proposing(tmp_path: Path) -> Proposing:
    return Proposing(tmp_path)


@pytest.fixture
def proposed(proposing: Proposing, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Runs the step over a release; returns what it printed and what `gh` was asked for."""

    def run(approved_by: str, **options: str) -> tuple[str, str]:
        done = proposing.run(approved_by, **options)
        assert done.returncode == 0, done.stderr
        assert proposing.tip
        return done.stdout, (tmp_path / "log").read_text()

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


def test_nobody_s_work_is_written_over(proposing: Proposing) -> None:
    """Another bundle takes the place of this step's own commit, and never of a person's, which stops the run."""
    assert proposing.run().returncode == 0
    first = proposing.tip
    assert proposing.run(digest=OTHER).returncode == 0
    assert proposing.tip != first
    assert proposing.git("log", "-1", "--format=%an", proposing.tip) == "ada\n"
    agreed = proposing.commit("--message", "Agree")
    done = proposing.run()
    assert (done.returncode, proposing.tip) == (1, agreed)
    assert f"::error::{BRANCH} proposes another bundle, and holds commits of people" in done.stdout


@pytest.mark.parametrize("words", [("--message", "Agree"), ("--amend", "--no-edit")], ids=["beside", "amended"])
def test_who_agreed_need_not_agree_to_the_same_again(proposing: Proposing, words: tuple[str, ...]) -> None:
    """A run that releases what the branch says already leaves it, though its reason and its times are others."""
    assert proposing.run().returncode == 0
    agreed = proposing.commit(*words)
    done = proposing.run(digest=DIGEST)
    assert (done.returncode, proposing.tip) == (0, agreed)
    assert f"::notice::{BRANCH} proposes this already; it holds commits of people" in done.stdout


@pytest.mark.parametrize("digest", [DIGEST, OTHER])
def test_a_branch_that_was_merged_and_stayed_holds_nobody_s_work(proposing: Proposing, digest: str) -> None:
    """Another bundle takes its place, and so does the same one, which somebody has taken out since."""
    assert proposing.run().returncode == 0
    agreed = proposing.commit("--message", "Agree")
    proposing.merged = ["0" * 40, agreed]
    done = proposing.run(digest=digest)
    assert (done.returncode, "::" in done.stdout) == (0, False)
    assert proposing.tip != agreed
    assert proposing.git("log", "-1", "--format=%an", proposing.tip) == "ada\n"
