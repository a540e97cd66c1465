"""A proposal: one commit on a branch of its own that changes the release file; nothing that is checked out moves.

It is made of git's own objects through an index of its own, so the working tree, the index and HEAD of whoever works in
the checkout stay as they are. The same proposal made twice is the same commit.
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["Proposal", "propose"]

_AUTHOR = "Shipway retraining"
_ADDRESS = "retraining@localhost"


@dataclass(frozen=True)
class Proposal:
    """A branch that a person reviews.

    Args:
        branch, commit: what was made.
        base: the branch or commit that it starts from.
        diff: the change, as git shows it.
    """

    branch: str
    commit: str
    base: str
    diff: str

    @property
    def command(self) -> str:
        """What opens the pull request."""
        return f"git push -u origin {self.branch} && gh pr create --head {self.branch} --base {self.base} --fill"


def propose(root: Path, branch: str, files: Mapping[Path, str], message: str, date: str) -> Proposal:
    """Returns the proposal that puts `files` into the project at `root`, on the new branch `branch`.

    Args:
        root: in a git repository.
        branch: its name; one of an earlier try with the same content is kept.
        files: path in the project -> whole content.
        message: of the commit.
        date: its time, ISO 8601, so that the same proposal is the same commit.

    Raises:
        ShipwayError: outside git, where a file would not change, or where the branch says something else.
    """
    git = _Git(root)
    head = git("rev-parse", "HEAD")
    base = git("rev-parse", "--abbrev-ref", "HEAD")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", "HEAD", env=index)
        for path, content in files.items():
            blob = git("hash-object", "-w", "--stdin", given=content)
            name = path.resolve().relative_to(git("rev-parse", "--show-toplevel")).as_posix()
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", env=index)
        tree = git("write-tree", env=index)
    if tree == git("rev-parse", "HEAD^{tree}"):
        raise ShipwayError(f"{branch}: HEAD says the same already, expected a change to propose")
    named = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _person(date).items()}
    commit = git("commit-tree", tree, "-p", head, "-m", message, env=named)
    there = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
    if there and there != commit and git("rev-parse", f"{there}^{{tree}}") != tree:
        raise ShipwayError(f"branch {branch} says something else, expected none of this name; `git branch -D {branch}`")
    if not there:
        # Only where it is not there yet, whoever else makes it meanwhile.
        git("update-ref", f"refs/heads/{branch}", commit, "0" * 40)
    return Proposal(branch, there or commit, base, git("diff", f"{head}..{there or commit}"))


def _person(date: str) -> dict[str, str]:
    return {"NAME": _AUTHOR, "EMAIL": _ADDRESS, "DATE": date}


class _Git:
    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, *words: str, given: str | None = None, env: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            ["git", "-C", str(self._root), *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise ShipwayError(f"{self._root}: git {words[0]}: {reason}")
        return done.stdout.strip()
