"""Brings one service up to its template: a three-way merge onto a branch of its own, tested there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path

import yaml

from shipway.contract.compatibility import OLDEST_TEMPLATE, Standing, template_standing
from shipway.contract.documents import load_yaml
from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.fleet.merging import Conflict, Merged, merge
from shipway.scaffold.fleet.pristine import Template, base_of, render_now, template_version
from shipway.scaffold.fleet.repository import Files, Repository
from shipway.scaffold.fleet.reviewing import Branch, Holds, Proposed, commit_of, find_branch, message, write_branch
from shipway.scaffold.fleet.verifying import Outcome, run_tests
from shipway.scaffold.origin import RECORD, Origin, parse_origin

__all__ = ["Options", "State", "Update", "read_committed", "update_service"]


class State(StrEnum):
    """How far the update of a service is."""

    CURRENT = "current"
    UPDATED = "updated"
    UNTESTED = "untested"
    CONFLICTS = "conflicts"
    TESTS_FAILED = "tests failed"
    IN_REVIEW = "in review"
    REFUSED = "refused"

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do but to review and merge."""
        return self in (State.CURRENT, State.UPDATED, State.IN_REVIEW)


@dataclass(frozen=True)
class Options:
    """How services are updated.

    Args:
        tests: whether each service's own tests run on its branch.
        tests_limit_seconds: after which they have failed.
        dry_run: whether to say what would come out and write no branch.
        old_template: a folder with the template that services came from; None for the recorded commit.
        without_base: whether to merge where the old rendering is nowhere, with a conflict in each file that differs.
        ask_origin: whether the branch is to be pushed, so that commits of people at origin count too.
    """

    tests: bool = True
    tests_limit_seconds: float = 900
    dry_run: bool = False
    old_template: Path | None = None
    without_base: bool = False
    ask_origin: bool = False


@dataclass(frozen=True)
class Update:
    """What came of the update of one service.

    Args:
        model: its name.
        state: how far it is.
        before, after: versions of the template.
        branch: that holds it, empty where none is needed.
        changed: paths within the service that differ from what it is now.
        conflicts: that a person decides.
        tests: how the service's own went; `tail` is their last lines where they failed.
        notes: what else there is to know.
        proposed: what the branch is about, None where there is none.
    """

    model: str
    state: State
    before: str = ""
    after: str = ""
    branch: str = ""
    changed: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    tests: Outcome = Outcome.NOT_RUN
    tail: str = ""
    notes: tuple[str, ...] = ()
    proposed: Proposed | None = None


@dataclass(frozen=True)
class _Sides:
    base: Files
    ours: Files
    theirs: Files
    record: Origin

    @property
    def nothing_to_do(self) -> bool:
        return self.base == self.theirs


def update_service(
    repository: Repository, template: Template, folder: Path, options: Options, say: Callable[[str], None]
) -> Update:
    """Returns what came of bringing the service in `folder` up to `template`; what is checked out is never touched.

    The same call again finds the branch and makes nothing new; one that was broken off leaves nothing behind.

    Args:
        repository: the project's.
        template: the new one.
        folder: the service's.
        options: how.
        say: tells a person what takes time.

    Raises:
        ShipwayError: when the service cannot be updated, in one sentence with what to do.
    """
    model, path = folder.name.replace("_", "-"), repository.path(folder)
    ours, origin = read_committed(repository, folder)
    after = template_version(template.kind(origin, folder / RECORD))
    before = _updatable(origin, folder, after)
    sides = _sides(repository, template, folder, ours, origin, options)
    if sides.nothing_to_do and before == after:
        return Update(model, State.CURRENT, before, after)
    edited = sum(sides.ours.get(name) != what for name, what in sides.base.items())
    start, rendered = repository.tree(ours), repository.tree({**sides.theirs, RECORD: _record(repository, sides)})
    proposed = Proposed(model, before, after, start, rendered, (), Outcome.NOT_RUN, edited)
    branch = find_branch(repository, proposed, ask_origin=options.ask_origin)
    made = Update(model, State.IN_REVIEW, before, after, branch.name, notes=_uncommitted(repository, path))
    if branch.holds is Holds.WORK:
        where = f"{'origin/' if branch.at_origin else ''}{branch.name}"
        return replace(made, notes=(*made.notes, f"{where} holds commits of people and is left as it is"))
    merged = merge(repository, model, after, base=sides.base, ours=sides.ours, theirs=sides.theirs)
    files = {**merged.files, RECORD: _record(repository, sides)}
    changed = sorted(name for name in {**ours, **files} if ours.get(name) != files.get(name))
    made = replace(made, changed=tuple(changed), conflicts=merged.conflicts)
    tested_enough = branch.tests is not Outcome.NOT_RUN or bool(merged.conflicts) or not options.tests
    if branch.holds is Holds.SAME and tested_enough:
        return _told(made, replace(proposed, conflicts=merged.conflicts, tests=branch.tests))
    tree = repository.tree_with(path, files)
    if options.dry_run:
        return _told(made, replace(proposed, conflicts=merged.conflicts))
    return _branched(repository, branch, path, tree, made, merged, proposed, options, say)


def read_committed(repository: Repository, folder: Path) -> tuple[Files, Origin]:
    """Returns the files of a service as they are committed, and its record.

    Raises:
        ShipwayError: when it is not committed, or has no record.
        SpecError: when its record or its model.yaml cannot be read.
    """
    path = repository.path(folder)
    files = repository.files(f"{repository.commit}:{path}")
    if not files:
        raise ShipwayError(f"{path} is not in {repository.base}, expected it committed: an update starts from a commit")
    for name, what in ((RECORD, _NO_RECORD), ("model.yaml", "the service's model.yaml")):
        if name not in files:
            raise SpecError(folder / name, "", f"no such file in {repository.base}", what)
    model = repository.git.raw("cat-file", "blob", files["model.yaml"].partition(" ")[2])
    try:
        document: object = load_yaml(model.decode())
    except (yaml.YAMLError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict):
        raise SpecError(folder / "model.yaml", "", "a text that cannot be read", "a mapping of keys to values")
    origin = parse_origin(repository.git.raw("cat-file", "blob", files[RECORD].partition(" ")[2]), folder / RECORD)
    if origin.answers["name"].replace("-", "_") != folder.name:
        expected = f"{folder.name.replace('_', '-')!r}, after its folder"
        raise SpecError(folder / RECORD, "context.cookiecutter.name", origin.answers["name"], expected)
    return files, origin


_NO_RECORD = (
    "the record of the template that the service came from; `cruft link` writes one, see docs/fleet.md, or render it "
    "anew (`shipway new`) and move its code"
)


def _updatable(origin: Origin, folder: Path, after: str) -> str:
    """Returns the version of the template that a service came from; raises SpecError where it cannot be updated."""
    key, before = "context.cookiecutter._template_version", origin.template_version
    try:
        standing = template_standing(before, after)
    except ValueError as error:
        raise SpecError(folder / RECORD, key, before or "nothing", str(error)) from None
    if standing is Standing.TOO_OLD:
        expected = f"{OLDEST_TEMPLATE} or newer: render it anew (`shipway new`) and move its code"
        raise SpecError(folder / RECORD, key, before, expected)
    if standing is Standing.TOO_NEW:
        raise SpecError(folder / RECORD, key, before, f"at most {after}, the template's own: update the template first")
    return before


def _sides(
    repository: Repository, template: Template, folder: Path, ours: Files, origin: Origin, options: Options
) -> _Sides:
    path = folder / RECORD
    now = render_now(repository, template, origin, path)
    base = base_of(repository, origin, path, old=options.old_template, without=options.without_base)

    def shared(files: Files) -> dict[str, str]:
        # What is skipped is the service's own: the template has no say in it.
        return {name: what for name, what in files.items() if not any(_skips(one, name) for one in now.origin.skip)}

    own = {name: what for name, what in ours.items() if name != RECORD}
    return _Sides(shared(base), own, shared(now.files), now.origin)


def _skips(pattern: str, name: str) -> bool:
    return fnmatch(name, pattern) or name.startswith(f"{pattern.rstrip('/')}/")


def _record(repository: Repository, sides: _Sides) -> str:
    return repository.write(sides.record.text().encode())


def _uncommitted(repository: Repository, path: str) -> tuple[str, ...]:
    dirty = repository.git("status", "--porcelain", "--", path)
    return (f"{path} has changes that are not committed, and they are not in the branch",) if dirty else ()


def _branched(
    repository: Repository,
    branch: Branch,
    path: str,
    tree: str,
    made: Update,
    merged: Merged,
    proposed: Proposed,
    options: Options,
    say: Callable[[str], None],
) -> Update:
    if options.tests and not merged.conflicts:
        say(f"{made.model}: running its tests")
        trial = commit_of(repository, tree, message(proposed))
        run = run_tests(repository, trial, path, options.tests_limit_seconds)
        made = replace(made, tests=run.tests, tail=run.tail if run.tests is not Outcome.PASSED else "")
    proposed = replace(proposed, conflicts=merged.conflicts, tests=made.tests)
    # Only now: a run that is broken off leaves no branch, and the next one starts anew.
    if not write_branch(repository, branch, commit_of(repository, tree, message(proposed))):
        raise ShipwayError(f"{branch.name} is checked out and holds {branch.holds}; switch to another branch first")
    return _told(made, proposed)


def _told(made: Update, proposed: Proposed) -> Update:
    if proposed.conflicts:
        state = State.CONFLICTS
    else:
        # Who asks for no tests gets none; a service that has none is not known to work.
        states = {Outcome.FAILED: State.TESTS_FAILED, Outcome.NONE: State.UNTESTED}
        state = states.get(proposed.tests, State.UPDATED)
    return replace(made, state=state, tests=proposed.tests, proposed=proposed)
