"""A service's own tests, run on a commit in a working tree of its own."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from shipway.scaffold.fleet.repository import Repository

__all__ = ["Outcome", "Run", "run_tests"]

_TAIL_LINES = 30
# Pytest's own exit statuses: https://docs.pytest.org/en/stable/reference/exit-codes.html
_PASSED, _NONE_COLLECTED = 0, 5


class Outcome(StrEnum):
    """How a service's tests went; one that has none is not known to work."""

    PASSED = "passed"
    FAILED = "failed"
    NONE = "none"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Run:
    """One run of a service's tests: how it went, and the last lines it printed."""

    tests: Outcome
    tail: str


def run_tests(repository: Repository, commit: str, folder: str, limit_seconds: float) -> Run:
    """Returns how the tests of the service in `folder` go at `commit`; nothing that is checked out moves.

    Args:
        repository: the project's.
        commit: to check out, into a temporary working tree.
        folder: of the service, within the repository.
        limit_seconds: after which they have failed.
    """
    git = repository.git
    # A working tree of a run that was killed: git forgets it when its folder is gone.
    git("worktree", "prune")
    with tempfile.TemporaryDirectory(prefix="shipway-fleet-") as scratch:
        tree = Path(scratch) / "tree"
        # A person's hooks are for a person's checkouts.
        git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            root = tree / repository.prefix
            return _pytest(root, (tree / folder).relative_to(root), limit_seconds)
        finally:
            git("worktree", "remove", "--force", str(tree))


def _pytest(root: Path, service: Path, limit_seconds: float) -> Run:
    command = [sys.executable, "-m", "pytest", "-q", service.as_posix()]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    # A group of its own, so that what the tests start ends with them.
    process = subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=limit_seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        return Run(Outcome.FAILED, f"not done after {limit_seconds:g} s")
    tail = "\n".join(printed.strip().splitlines()[-_TAIL_LINES:])
    verdicts = {_PASSED: Outcome.PASSED, _NONE_COLLECTED: Outcome.NONE}
    return Run(verdicts.get(process.returncode, Outcome.FAILED), tail)
