"""The three-way merge of one service: git's own, between trees, so that nothing that is checked out moves."""

from dataclasses import dataclass

from shipway.contract.errors import ShipwayError
from shipway.scaffold.fleet.repository import Files, Repository
from shipway.scaffold.git import Git

__all__ = ["IDENTITY", "Conflict", "Merged", "merge"]

# Whose commits these are; their time is that of the commit they start from, so the same update is the same commit.
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Shipway fleet"), ("EMAIL", "fleet@localhost"), ("DATE", "1970-01-01T00:00:00Z"))
}


@dataclass(frozen=True)
class Conflict:
    """A file that template and service changed in ways that do not go together; a person decides.

    Args:
        path: within the service.
        message: git's own, in one line.
    """

    path: str
    message: str


@dataclass(frozen=True)
class Merged:
    """The outcome of a merge.

    Args:
        files: of the service afterwards; a file in conflict holds git's markers, or the side that still has it.
        conflicts: by path.
    """

    files: Files
    conflicts: tuple[Conflict, ...]


def merge(repository: Repository, model: str, version: str, *, base: Files, ours: Files, theirs: Files) -> Merged:
    """Returns the service `ours` with what changed from `base` to `theirs`.

    Args:
        repository: holds every object of the three.
        model, version: of the service and the new template, for the markers of conflicts.
        base: what the old template rendered.
        ours: what the service is now.
        theirs: what the new template rendered.

    Raises:
        ShipwayError: when git cannot merge.
    """
    git = Git(repository.git.folder, IDENTITY)
    start = git("commit-tree", repository.tree(base), "-m", "rendered")
    edited, rendered = (git("commit-tree", repository.tree(each), "-p", start, "-m", "side") for each in (ours, theirs))
    # Names and not numbers stand in the markers of a conflict.
    names = {f"shipway/{model}/edited": edited, f"shipway/{model}/template-{version}": rendered}
    git("update-ref", "--stdin", given="".join(f"update refs/{one} {each}\n" for one, each in names.items()).encode())
    try:
        status, printed, reason = git.ask("merge-tree", "--write-tree", "--name-only", "--messages", "-z", *names)
    finally:
        git("update-ref", "--stdin", given="".join(f"delete refs/{one}\n" for one in names).encode())
    if status not in (0, 1):
        raise ShipwayError(f"{model}: git merge-tree: {reason}")
    tree, *rest = printed.decode(errors="replace").split("\0")
    conflicts = _conflicts(rest) if status else ()
    return Merged(repository.files(tree), conflicts)


def _conflicts(fields: list[str]) -> tuple[Conflict, ...]:
    """Returns the conflicts in the fields that follow the tree: paths, an empty one, then messages with their paths."""
    end = fields.index("")
    paths, told = dict.fromkeys(fields[:end]), iter(fields[end + 1 :])
    said: dict[str, str] = {}
    for count in told:
        if not count:
            break
        about = [next(told) for _ in range(int(count))]
        kind, message = next(told), next(told)
        if kind.startswith("CONFLICT"):
            said |= {path: message.strip() for path in about if path not in said}
    return tuple(Conflict(path, said.get(path, "CONFLICT")) for path in sorted(paths))
