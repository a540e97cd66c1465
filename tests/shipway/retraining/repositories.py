"""A bare git repository that a job clones from and pushes to."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["Remote"]


class Remote:
    """A repository with one commit on `main`, and the file of a token for it."""

    def __init__(self, folder: Path) -> None:
        self.path, self.token, seed = folder / "origin.git", folder / "token", folder / "seed"
        self.token.write_text("secret\n")
        self._git(folder, "init", "-q", "--bare", "-b", "main", str(self.path))
        self._git(folder, "init", "-q", "-b", "main", str(seed))
        (seed / ".gitignore").write_text("/.shipway\n")
        self.send(seed)

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def send(self, project: Path, message: str = "first") -> None:
        """Commits all of `project`, which is a repository, and makes it the newest commit of `main`."""
        self._git(project, "add", ".")
        self._git(project, "commit", "-qm", message)
        self._git(project, "push", "-q", str(self.path), "HEAD:main")

    def commit(self, project: Path, branch: str) -> None:
        """Makes `branch` in a checkout, with one commit."""
        tree = self._git(project, "rev-parse", "HEAD^{tree}")
        made = self._git(project, "commit-tree", tree, "-p", "HEAD", "-m", f"for {branch}")
        self._git(project, "update-ref", f"refs/heads/{branch}", made)

    def branches(self) -> set[str]:
        return set(self._git(self.path, "for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines())

    def git(self, *words: str) -> str:
        """Returns what git says in the repository."""
        return self._git(self.path, *words)

    def refuse(self) -> None:
        """Takes no push from now on."""
        hook = self.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho no pushes today >&2\nexit 1\n")
        hook.chmod(0o755)

    def take_away(self) -> None:
        shutil.rmtree(self.path)

    @staticmethod
    def _git(folder: Path, *words: str) -> str:
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
