"""The project on a volume of its own: cloned anew for each run, its branch pushed when the run has ended."""

import os
import shutil
import subprocess
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["Checkout"]

# Longer than a repository without large files takes to come; a server that never answers must not take the whole run.
_GIT_SECONDS = 600.0
# Asked for a password, git runs this with a shell: the token is in the file alone, in no argument and no variable.
_HELPER = """!f() { echo username=shipway; printf 'password=%s\\n' "$(cat "$SHIPWAY_REPOSITORY_TOKEN")"; }; f"""


class Checkout:
    """One clone of the project's default branch, the newest commit alone.

    Args:
        folder: where it lies.
        url: of the repository.
        token: the file with the token that may read the repository and push branches to it.
    """

    def __init__(self, folder: Path, url: str, token: Path) -> None:
        self.folder, self._url, self._token = folder, url, token

    def make(self) -> None:
        """Clones it in place of what is there.

        Raises:
            ShipwayError: when that fails, in git's own words.
        """
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self._git("clone", "--quiet", "--depth", "1", self._url, str(self.folder))

    def push(self, branch: str) -> bool:
        """Sends `branch`, and returns False where the repository has one of that name: it proposes the same version.

        Raises:
            ShipwayError: when it was not taken, in git's own words.
        """
        where = ("-C", str(self.folder))
        commit = self._git(*where, "rev-parse", f"refs/heads/{branch}")
        there = self._git(*where, "ls-remote", "origin", f"refs/heads/{branch}")
        if there and not there.startswith(commit):
            return False
        self._git(*where, "push", "--quiet", "origin", f"{commit}:refs/heads/{branch}")
        return True

    def _git(self, *words: str) -> str:
        command = ["git", "-c", "credential.helper=", "-c", f"credential.helper={_HELPER}", *words]
        verb = next(word for word in words if word in ("clone", "ls-remote", "push", "rev-parse"))
        environment = os.environ | {"SHIPWAY_REPOSITORY_TOKEN": str(self._token), "GIT_TERMINAL_PROMPT": "0"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_GIT_SECONDS, env=environment
            )
        except subprocess.TimeoutExpired:
            raise ShipwayError(f"{self._url}: git {verb} took longer than {_GIT_SECONDS:g} s") from None
        if done.returncode:
            reason = " ".join(done.stderr.split()) or f"status {done.returncode}"
            raise ShipwayError(f"{self._url}: git {verb}: {reason}")
        return done.stdout.strip()
