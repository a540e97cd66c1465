"""Opens the pull request of an update with GitHub's own program, where it is installed."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError
from shipway.scaffold.fleet.repository import Repository
from shipway.scaffold.fleet.reviewing import holds_work, tip_at_origin

__all__ = ["Request", "command", "open_request"]

_GH_SECONDS = 120


@dataclass(frozen=True)
class Request:
    """A pull request to open.

    Args:
        branch: to merge.
        title, body: what a reviewer reads.
        draft: whether it is not ready, as with conflicts.
    """

    branch: str
    title: str
    body: str
    draft: bool


def command(repository: Repository, request: Request) -> str:
    """Returns what a person types to open the pull request."""
    draft = " --draft" if request.draft else ""
    return (
        f"git push -u origin {request.branch} && "
        f"gh pr create --head {request.branch} --base {repository.base} --fill{draft}"
    )


def open_request(repository: Repository, request: Request) -> str:
    """Returns the address of the pull request, which is opened where none is; empty where `gh` is not installed.

    Raises:
        ShipwayError: when the branch cannot be pushed, when people pushed to it meanwhile, or when `gh` fails.
    """
    if shutil.which("gh") is None:
        return ""
    branch = request.branch
    _push(repository, branch)
    top = repository.git.folder
    listed = _gh(top, "pr", "list", "--head", branch, "--state", "open", "--json", "url")
    try:
        found: Any = json.loads(listed or "[]")
        if found:
            return str(found[0]["url"])
    except (KeyError, TypeError, ValueError):
        raise ShipwayError(f"gh pr list: printed {listed[:80]!r}, expected a JSON list of pull requests") from None
    draft = ["--draft"] if request.draft else []
    words = ["--head", branch, "--base", repository.base, "--title", request.title, "--body-file", "-", *draft]
    said = _gh(top, "pr", "create", *words, given=request.body).splitlines()
    if not said:
        raise ShipwayError("gh pr create: printed nothing, expected the address of the pull request")
    return said[-1]


def _push(repository: Repository, branch: str) -> None:
    """Brings the branch to origin, in place of nothing but what this verb itself pushed there before."""
    ref = f"refs/heads/{branch}"
    there = tip_at_origin(repository, branch)
    if there == repository.git("rev-parse", ref):
        return
    if holds_work(repository, there):
        raise ShipwayError(f"{branch}: origin holds commits of people, and is left as it is")
    # The lease names the commit that was judged: what was fetched meanwhile, by whomever, is no leave to overwrite it.
    repository.git("push", f"--force-with-lease={ref}:{there}", "--quiet", "origin", f"{ref}:{ref}")


def _gh(folder: Path, *words: str, given: str = "") -> str:
    try:
        done = subprocess.run(
            ["gh", *words], cwd=folder, input=given, capture_output=True, text=True, timeout=_GH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ShipwayError(f"gh {' '.join(words[:2])}: no answer after {_GH_SECONDS} s") from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ShipwayError(f"gh {' '.join(words[:2])}: {reason}")
    return done.stdout.strip()
