"""The branch of an update: what its one commit says, and whether a branch that is there already may be made anew."""

import re
from dataclasses import dataclass
from enum import StrEnum

from shipway.contract.errors import ShipwayError
from shipway.scaffold.fleet.merging import IDENTITY, Conflict
from shipway.scaffold.fleet.repository import Repository
from shipway.scaffold.fleet.verifying import Outcome
from shipway.scaffold.git import Git

__all__ = [
    "Branch",
    "Holds",
    "Proposed",
    "branch_name",
    "commit_of",
    "find_branch",
    "holds_work",
    "message",
    "tip_at_origin",
    "write_branch",
]


@dataclass(frozen=True)
class Proposed:
    """What an update's commit is about.

    Args:
        model: the service's.
        before, after: versions of the template.
        start, rendered: trees of the service before, and as the new template renders it: of the same two, the same
            update comes out.
        conflicts: that a person has to decide.
        tests: how the service's own went.
        edited: how many files were edited by hand since they were rendered.
    """

    model: str
    before: str
    after: str
    start: str
    rendered: str
    conflicts: tuple[Conflict, ...]
    tests: Outcome
    edited: int


class Holds(StrEnum):
    """What the branch of an update holds already."""

    NOTHING = "nothing"
    SAME = "the same update"
    OLDER = "an update of an older state, which nobody worked on"
    WORK = "commits of people"


@dataclass(frozen=True)
class Branch:
    """The branch of an update.

    Args:
        name: without `refs/heads/`.
        holds: what is on it.
        tip: its last commit, empty where there is no such branch.
        conflicts, tests: as its commit says, where it holds the same update.
        at_origin: whether it is origin's that holds it.
    """

    name: str
    holds: Holds
    tip: str = ""
    conflicts: tuple[Conflict, ...] = ()
    tests: Outcome = Outcome.NOT_RUN
    at_origin: bool = False


def branch_name(model: str, version: str) -> str:
    """Returns the branch that brings `model` to `version` of the template."""
    return f"shipway/update-{model}-{version}"


def message(proposed: Proposed) -> str:
    """Returns the message of the commit: for a reviewer, and at its end for the next run of the same verb."""
    subject = f"Update {proposed.model} to template {proposed.after}"
    if proposed.conflicts:
        count = len(proposed.conflicts)
        subject += f": {count} conflict{'' if count == 1 else 's'} to resolve"
    body = [
        f"A three-way merge from template {proposed.before}. Of the rendered files {proposed.edited} were edited by",
        "hand, and the edits are kept.",
    ]
    if proposed.conflicts:
        body += ["", "Template and service changed the same lines, marked in these files:"]
        body += [f"- {one.path}: {one.message}" for one in proposed.conflicts]
    else:
        body += ["", f"The service's own tests: {proposed.tests}."]
    trailers = [
        f"Shipway-Update: {proposed.model} {proposed.before} -> {proposed.after}",
        f"Shipway-Merged: {proposed.start} {proposed.rendered}",
        f"Shipway-Tests: {proposed.tests}",
        *(f"Shipway-Conflict: {one.path}" for one in proposed.conflicts),
    ]
    return "\n".join([subject, "", *body, "", *trailers]) + "\n"


def tip_at_origin(repository: Repository, name: str) -> str:
    """Returns the last commit of the branch `name` at origin, fetched; empty where origin has no such branch.

    Raises:
        ShipwayError: when there is no origin, or it does not answer.
    """
    git, ref = repository.git, f"refs/heads/{name}"
    # Asked by its end, a name may have others before it.
    listed = [line.split("\t") for line in git("ls-remote", "origin", ref).splitlines()]
    tip = next((commit for commit, found in listed if found == ref), "")
    if tip and git.ask("cat-file", "-e", f"{tip}^{{commit}}")[0]:
        # Into no ref: what a person knows of origin stays as they fetched it.
        git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "origin", ref)
    return tip


def holds_work(repository: Repository, tip: str) -> bool:
    """Returns whether there is more at `tip` than this verb makes: a commit of a person, also one that amends its own.

    One that was merged long ago is only a name.
    """
    git = repository.git
    if not tip or _merged(repository, tip):
        return False
    committer, _, said = git("log", "-1", "--format=%ce%n%B", tip).partition("\n")
    return committer != IDENTITY["GIT_COMMITTER_EMAIL"] or "\nShipway-Update: " not in said


def _merged(repository: Repository, tip: str) -> bool:
    return repository.git.ask("merge-base", "--is-ancestor", tip, repository.commit)[0] == 0


def find_branch(repository: Repository, proposed: Proposed, *, ask_origin: bool = False) -> Branch:
    """Returns the branch for `proposed` as it is now, here or, where `ask_origin`, with people's commits at origin."""
    git, name = repository.git, branch_name(proposed.model, proposed.after)
    tip = git.maybe("rev-parse", "--verify", "--quiet", f"refs/heads/{name}")
    if holds_work(repository, tip):
        return Branch(name, Holds.WORK, tip)
    if ask_origin and holds_work(repository, _tip_where_known(repository, name)):
        return Branch(name, Holds.WORK, tip, at_origin=True)
    if not tip or _merged(repository, tip):
        return Branch(name, Holds.NOTHING, tip)
    said = git("log", "-1", "--format=%B", tip)
    if f"Shipway-Merged: {proposed.start} {proposed.rendered}\n" not in f"{said}\n":
        return Branch(name, Holds.OLDER, tip)
    paths: list[str] = re.findall(r"^Shipway-Conflict: (.*)$", said, re.MULTILINE)
    told = dict(re.findall(r"^- (.*?): (.*)$", said, re.MULTILINE))
    found = re.search(r"^Shipway-Tests: (.*)$", said, re.MULTILINE)
    tests = next((one for one in Outcome if found and found[1] == one), Outcome.NOT_RUN)
    return Branch(name, Holds.SAME, tip, tuple(Conflict(path, told.get(path, "")) for path in paths), tests)


def _tip_where_known(repository: Repository, name: str) -> str:
    try:
        return tip_at_origin(repository, name)
    except ShipwayError:
        # The branch can be made all the same; who pushes it asks again, and says why not.
        return ""


def commit_of(repository: Repository, tree: str, text: str) -> str:
    """Returns the commit of `tree` on top of the commit that services are updated from: of the same, the same."""
    date = repository.git("log", "-1", "--format=%cI", repository.commit)
    git = Git(repository.git.folder, IDENTITY | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date})
    return git("commit-tree", tree, "-p", repository.commit, "-F", "-", given=text.encode())


def write_branch(repository: Repository, branch: Branch, commit: str) -> bool:
    """Returns whether `branch` is at `commit` now; false where somebody has it checked out, who would lose its place.

    Raises:
        ShipwayError: when somebody else wrote the branch meanwhile.
    """
    checked_out = repository.git("worktree", "list", "--porcelain").splitlines()
    if branch.tip and f"branch refs/heads/{branch.name}" in checked_out:
        return False
    repository.git("update-ref", f"refs/heads/{branch.name}", commit, branch.tip or "0" * 40)
    return True
