"""The project's git repository: trees as plain mappings, read and written without touching what is checked out."""

import io
import posixpath
import tarfile
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import ShipwayError
from shipway.scaffold.git import Git
from shipway.scaffold.origin import fingerprints

__all__ = ["Files", "Repository", "open_repository"]

# Path -> mode and git object, as `git ls-tree` shows them.
Files = Mapping[str, str]

# The first git whose merge needs no working tree (`git merge-tree --write-tree`).
_OLDEST_GIT = (2, 38)


@dataclass(frozen=True)
class Repository:
    """The repository that holds a project.

    Args:
        git: in its top folder.
        root: the project.
        prefix: of the project within the repository: empty, or a path that ends with a slash.
        commit: that services are updated from.
        base: what the person calls it: a branch, a tag or a commit.
    """

    git: Git
    root: Path
    prefix: str
    commit: str
    base: str

    def path(self, service: Path) -> str:
        """Returns the path of a service's folder within the repository."""
        return self.prefix + service.relative_to(self.root).as_posix()

    def files(self, tree: str) -> dict[str, str]:
        """Returns the files of `tree` (such as `COMMIT:folder`), empty when there is no such tree."""
        listed = self.git.ask("ls-tree", "-r", "-z", tree)
        found: dict[str, str] = {}
        for line in listed[1].decode().split("\0") if not listed[0] else ():
            what, _, path = line.partition("\t")
            if path:
                mode, _, name = what.split(" ")
                found[path] = f"{mode} {name}"
        return found

    def holds(self, files: Files) -> bool:
        """Returns whether the repository holds every object of `files`."""
        wanted = "".join(f"{each.partition(' ')[2]}\n" for each in files.values())
        return " missing" not in self.git("cat-file", "--batch-check", given=wanted.encode())

    def store(self, folder: Path) -> dict[str, str]:
        """Returns the files of `folder`, each of them written into the repository as an object."""
        files = fingerprints(folder)
        paths = "".join(f"{folder / path}\n" for path in files)
        names = self.git("hash-object", "-w", "--no-filters", "--stdin-paths", given=paths.encode()).split()
        modes = (each.partition(" ")[0] for each in files.values())
        return {path: f"{mode} {name}" for path, mode, name in zip(files, modes, names, strict=True)}

    def write(self, content: bytes) -> str:
        """Returns the mode and object of a new plain file."""
        return f"100644 {self.git('hash-object', '-w', '--stdin', given=content)}"

    def tree(self, files: Files) -> str:
        """Returns the tree that holds `files` and nothing else."""
        return self._tree("", "", files)

    def tree_with(self, folder: str, files: Files) -> str:
        """Returns the tree of the repository's commit with `files`, and nothing else, in `folder`."""
        return self._tree(self.commit, f"{folder}/", files)

    def _tree(self, start: str, folder: str, files: Files) -> str:
        with tempfile.TemporaryDirectory(prefix="shipway-index-") as scratch:
            git = self.git.with_index(Path(scratch) / "index")
            git("read-tree", *([start] if start else ["--empty"]))
            gone = [f"{folder}{path}" for path in self.files(f"{start}:{folder}")] if start else []
            lines = [f"0 {'0' * 40}\t{path}" for path in gone]
            lines += [f"{what}\t{folder}{path}" for path, what in files.items()]
            git("update-index", "-z", "--index-info", given="".join(f"{line}\0" for line in lines).encode())
            return git("write-tree")

    @contextmanager
    def exported(self, commit: str, path: str) -> Generator[Path]:
        """Yields a folder with what `commit` holds at `path`, at that path below it.

        Raises:
            ShipwayError: when it holds nothing there, or a link that leads out of it.
        """
        archive = self.git.raw("archive", "--format=tar", commit, "--", path)
        with tempfile.TemporaryDirectory(prefix="shipway-template-") as folder:
            try:
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    tar.extractall(folder, filter="data")
            except tarfile.TarError as error:
                raise ShipwayError(f"{posixpath.basename(path)} of {commit[:12]}: {error}") from error
            yield Path(folder)


def open_repository(root: Path, base: str = "HEAD") -> Repository:
    """Returns the repository that holds the project at `root`.

    Args:
        root: the project.
        base: the branch, tag or commit to update from.

    Raises:
        ShipwayError: outside git, with a git that is too old, and for a base that is no commit.
    """
    git = Git(root)
    top = git.maybe("rev-parse", "--show-toplevel")
    if not top:
        raise ShipwayError(
            f"{root} is in no git repository, expected one: an update is a branch; `git init` and commit"
        )
    version = git("version").split()[2]
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_GIT:
        oldest = ".".join(str(part) for part in _OLDEST_GIT)
        raise ShipwayError(f"git {version} cannot merge without a working tree, expected git {oldest} or newer")
    commit = git.maybe("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")
    if not commit:
        raise ShipwayError(f"{base!r} is no commit of {top}, expected a branch, a tag or a commit")
    prefix = git("rev-parse", "--show-prefix")
    name = git.maybe("rev-parse", "--abbrev-ref", base) or commit
    return Repository(Git(Path(top)), root, prefix, commit, commit if name == "HEAD" else name)
