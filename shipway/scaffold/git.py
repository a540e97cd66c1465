"""Git, as a program: one command at a time, and its last word as the error."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["Git"]

# What a person has set must not change what is merged here, nor may git ask or change what is checked out.
_SETTINGS = ("-c", "merge.conflictStyle=merge", "-c", "merge.renames=true", "-c", "merge.directoryRenames=false")
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _inherited() -> dict[str, str]:
    # In a hook of git's, these lead to its own repository and index.
    ours = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
    return {name: value for name, value in os.environ.items() if name not in ours}


class Git:
    """Git in the folder `folder`.

    Args:
        folder: in a working tree.
        environment: variables for every command, beside this process's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environment = dict(environment or {})

    def ask(self, *words: str, given: bytes | None = None) -> tuple[int, bytes, str]:
        """Returns exit status, standard output and the last line on standard error.

        Raises:
            ShipwayError: when there is no git on this machine.
        """
        try:
            done = subprocess.run(
                ["git", *_SETTINGS, "-C", str(self.folder), *words],
                input=given,
                capture_output=True,
                check=False,
                env={**_inherited(), **_ENVIRONMENT, **self._environment},
            )
        except FileNotFoundError:
            raise ShipwayError("git: no such program, expected git 2.38 or newer on PATH") from None
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return done.returncode, done.stdout, said[-1] if said else f"status {done.returncode}"

    def raw(self, *words: str, given: bytes | None = None) -> bytes:
        """Returns what a command prints.

        Raises:
            ShipwayError: when it fails, with its last word.
        """
        status, printed, reason = self.ask(*words, given=given)
        if status:
            raise ShipwayError(f"{self.folder}: git {words[0]}: {reason}")
        return printed

    def __call__(self, *words: str, given: bytes | None = None) -> str:
        """Returns what a command prints, as text without the space around it; raises ShipwayError when it fails."""
        return self.raw(*words, given=given).decode(errors="replace").strip()

    def maybe(self, *words: str) -> str:
        """Returns what a command prints, empty when it fails: outside a repository, or without an answer."""
        try:
            status, printed, _ = self.ask(*words)
        except ShipwayError:
            return ""
        return "" if status else printed.decode(errors="replace").strip()

    def with_index(self, index: Path) -> "Git":
        """Returns git with an index of its own, so that the person's stays as it is."""
        return Git(self.folder, {**self._environment, "GIT_INDEX_FILE": str(index)})
