"""Proposals in a real repository."""

import subprocess
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError
from shipway.retraining.proposing import propose

DATE = "2013-06-01T00:00:00+00:00"


def git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one commit, a change that is not committed and one that is staged."""
    git(tmp_path, "init", "-q", "-b", "main")
    for name, value in (("user.name", "ada"), ("user.email", "ada@example.com")):
        git(tmp_path, "config", name, value)
    (tmp_path / "release.yaml").write_text("green: ''\n")
    (tmp_path / "other").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "other").write_text("2\n")
    (tmp_path / "staged").write_text("3\n")
    git(tmp_path, "add", "staged")
    return tmp_path


def test_a_proposal_is_one_commit_and_moves_nothing(root: Path) -> None:
    """Its diff is the one line; the working tree, the index and HEAD of the checkout are as before."""
    before = (git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD"), git(root, "ls-files", "-s"))
    made = propose(root, "retrain/m", {root / "release.yaml": "green: sha256:1\n"}, "release 1\n\nwhy\n", DATE)
    assert (git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD"), git(root, "ls-files", "-s")) == before
    assert (root / "release.yaml").read_text() == "green: ''\n"
    assert git(root, "log", "--format=%s|%an|%b", "main..retrain/m") == "release 1|Shipway retraining|why"
    assert git(root, "diff", "--stat", "main", "retrain/m").splitlines()[0].split() == ["release.yaml", "|", "2", "+-"]
    assert "-green: ''\n+green: sha256:1" in made.diff
    assert made.command == ("git push -u origin retrain/m && gh pr create --head retrain/m --base main --fill")


def test_the_same_proposal_twice_is_the_same_commit(root: Path) -> None:
    """A retried run does not fail on its own branch, whenever it comes."""
    files = {root / "releases" / "prod.yaml": "green: sha256:1\n"}
    first = propose(root, "retrain/m", files, "release 1\n", DATE)
    assert propose(root, "retrain/m", files, "release 1\n", "2014-01-01T00:00:00+00:00").commit == first.commit


def test_a_branch_that_says_something_else_is_left_alone(root: Path) -> None:
    """Somebody's work is not overwritten."""
    propose(root, "retrain/m", {root / "release.yaml": "green: sha256:1\n"}, "release 1\n", DATE)
    with pytest.raises(ShipwayError, match=r"branch retrain/m says something else, .*`git branch -D retrain/m`"):
        propose(root, "retrain/m", {root / "release.yaml": "green: sha256:2\n"}, "release 2\n", DATE)


def test_a_proposal_without_a_change_is_none(root: Path) -> None:
    """There would be nothing to review."""
    with pytest.raises(ShipwayError, match="retrain/m: HEAD says the same already, expected a change to propose"):
        propose(root, "retrain/m", {root / "release.yaml": "green: ''\n"}, "release\n", DATE)


def test_outside_git_there_is_no_proposal(tmp_path: Path) -> None:
    """The error is git's own."""
    with pytest.raises(ShipwayError, match="git rev-parse: fatal: not a git repository"):
        propose(tmp_path, "retrain/m", {}, "release\n", DATE)
