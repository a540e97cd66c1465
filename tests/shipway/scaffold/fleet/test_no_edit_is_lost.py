"""Fifty services with random hand edits, brought up to a template that changed in several ways: no edit is lost.

The law, for every service and every file in it:
- a line that a person wrote is in the file afterwards, in the merged text or between the marks of a shown conflict;
- a line that a person took out is not there, unless the file is a shown conflict;
- a file that a person added is there as it was; one that a person deleted is gone, or is a shown conflict;
- a file that nobody edited is what the new template renders; one edited without a conflict has its changes too.
"""

import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shipway.scaffold.fleet.pristine import current_template
from shipway.scaffold.fleet.repository import open_repository
from shipway.scaffold.fleet.update import Options, State, Update, update_service
from shipway.scaffold.rendering import find_kind, render, render_kind
from tests.shipway.scaffold.fleet.conftest import Project

SERVICES = 50
KINDS = ("tabular-classification", "tabular-regression")
EDITABLE = ("README.md", "inputs.py", "model.yaml", "schema.py", "service.py", "train.py", "tests/request.json")
NEW_LINES = {
    "README.md": "A line of the new template.",
    "train.py": "# A line of the new template.",
    "schema.py": "# A line of the new template.",
}


@dataclass
class Edited:
    """What was done to one service by hand."""

    folder: Path
    written: dict[str, list[str]] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    @property
    def touched(self) -> set[str]:
        return {*self.written, *self.taken, *self.added, *self.deleted}


@dataclass(frozen=True)
class Fleet:
    """The project, what was edited, the update of every service, and the checkout as it was before."""

    project: Project
    services: list[Edited]
    updates: dict[str, Update]
    before: tuple[str, ...]


def edit(folder: Path, rng: random.Random) -> Edited:
    """Edits a service at random: lines inserted, changed and deleted, files added and deleted."""
    done = Edited(folder)
    for number in range(rng.choice((0, 1, 2, 3, 5, 8))):
        name = rng.choice(EDITABLE)
        path = folder / name
        act = rng.choice(("insert", "insert", "change", "change", "delete", "add", "delete file"))
        if act == "add":
            new = f"extra_{number}.py"
            done.added[new] = f"# {folder.name} {number} {rng.random()}\n" * rng.randint(1, 4)
            (folder / new).write_text(done.added[new])
        elif act == "delete file" and rng.random() < 0.5 and path.exists() and name not in ("model.yaml",):
            path.unlink()
            done.deleted.append(name)
            done.written.pop(name, None)
            done.taken.pop(name, None)
        elif path.exists():
            edit_line(path, name, act, f"# by hand {folder.name} {number} {rng.random()}", done, rng)
    return done


def edit_line(path: Path, name: str, act: str, line: str, done: Edited, rng: random.Random) -> None:
    """Inserts, changes or deletes one line of a file, and notes what a merge has to keep."""
    lines = path.read_text().splitlines()
    at = rng.randrange(len(lines))
    if name == "model.yaml":
        # Any other edit of it at random is no YAML any more, and that is refused.
        act = "insert"
    gone = "" if act == "insert" else lines[at]
    if gone in done.written.get(name, []) or (gone and lines.count(gone) > 1):
        return
    lines[at : at + (act != "insert")] = [] if act == "delete" else [line]
    path.write_text("\n".join(lines) + "\n")
    if act != "delete":
        done.written.setdefault(name, []).append(line)
    # A blank line that is gone says nothing by itself, but its file was edited.
    done.taken.setdefault(name, []).extend([gone] if gone.strip() else [])


def change_template(project: Project) -> None:
    """Makes the next version: lines in, changed and out, in shared and own files; a file in, a file out."""
    for kind in KINDS:
        project.edit(project.kind_file("train.py", kind), lambda text: text + f"\n\n{NEW_LINES['train.py']}\n")
        project.edit(project.kind_file("schema.py", kind), lambda text: f"{NEW_LINES['schema.py']}\n{text}")
        project.edit(
            project.kind_file("inputs.py", kind), lambda text: text.replace("import numpy as np\n", "import numpy\n")
        )
        (project.root / project.kind_file("notes.md", kind)).write_text("Of {{ cookiecutter.name }}.\n")
        (project.root / project.kind_file("tests/request.json", kind)).unlink()
    shared = "templates/model-service/templates/base/"
    project.edit(f"{shared}model.yaml", lambda text: text.replace("latency_seconds: 0.1", "latency_seconds: 0.2"))
    project.edit(f"{shared}README.md", lambda text: f"{text.rstrip()}\n\n{NEW_LINES['README.md']}\n")
    project.edit(f"{shared}service.py", lambda text: text.replace("Loads the model.", "Reads the model."))
    project.version("1.1.0")
    project.commit("template 1.1.0")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Fifty services, rendered, edited, and brought up to the next template."""
    project, rng = Project(tmp_path_factory.mktemp("fleet") / "project"), random.Random(20261127)
    folders = [render(project.root, {"name": f"model-{i}"}, kind=KINDS[i % 2]) for i in range(SERVICES)]
    project.commit("services as rendered")
    edited = [edit(folder, rng) for folder in folders]
    project.commit("edited by hand")
    change_template(project)
    # A checkout in the middle of something: none of it may move.
    (folders[0] / "train.py").write_text("# not committed\n")
    (project.root / "staged.txt").write_text("staged\n")
    project.git("add", "staged.txt")
    before = project.seen()
    repository = open_repository(project.root)
    with current_template(repository) as template:
        updates = [update_service(repository, template, each, Options(tests=False), print) for each in folders]
    return Fleet(project, edited, {update.model: update for update in updates}, before)


def rendered_now(project: Project, edited: Edited, kind: str, scratch: Path) -> dict[str, str]:
    """Returns what the new template renders for a service."""
    name = edited.folder.name.replace("_", "-")
    made, _ = render_kind(find_kind(project.template, kind), {"name": name}, scratch)
    return {path.relative_to(made).as_posix(): path.read_text() for path in made.rglob("*") if path.is_file()}


def test_no_edit_is_lost(fleet: Fleet) -> None:
    """The law above, on the branch of every service."""
    project, services, updates = fleet.project, fleet.services, fleet.updates
    lines_kept = 0
    for edited in services:
        update = updates[edited.folder.name.replace("_", "-")]
        conflicts = {one.path for one in update.conflicts}
        home = f"services/{edited.folder.name}"
        there = set(project.git("ls-tree", "-r", "--name-only", f"{update.branch}:{home}").splitlines())
        for name, lines in edited.written.items():
            found = project.show(update.branch, f"{home}/{name}").splitlines()
            assert set(lines) <= set(found), (update.model, name)
            lines_kept += len(lines)
        for name, lines in edited.taken.items():
            if name not in conflicts:
                found = project.show(update.branch, f"{home}/{name}").splitlines()
                assert not set(lines) & set(found), (update.model, name)
        for name, content in edited.added.items():
            assert project.show(update.branch, f"{home}/{name}") == content.strip()
        assert not (set(edited.deleted) & there) - conflicts, update.model
    assert lines_kept > SERVICES


def test_what_nobody_edited_is_what_the_new_template_renders(fleet: Fleet, tmp_path: Path) -> None:
    """Of each file that was left alone, and in files that were edited without a conflict the template's own change."""
    project, services, updates = fleet.project, fleet.services, fleet.updates
    for number, edited in enumerate(services):
        update = updates[edited.folder.name.replace("_", "-")]
        home, conflicts = f"services/{edited.folder.name}", {one.path for one in update.conflicts}
        (tmp_path / edited.folder.name).mkdir()
        for name, content in rendered_now(project, edited, KINDS[number % 2], tmp_path / edited.folder.name).items():
            if name not in edited.touched:
                assert project.show(update.branch, f"{home}/{name}") == content.strip(), (update.model, name)
        for name in set(NEW_LINES) & edited.touched - conflicts - set(edited.deleted):
            assert NEW_LINES[name] in project.show(update.branch, f"{home}/{name}"), (update.model, name)
        if "tests/request.json" not in edited.touched:
            assert "tests/request.json" not in project.git("ls-tree", "-r", "--name-only", f"{update.branch}:{home}")


def test_conflicts_are_shown_as_conflicts(
    fleet: Fleet,
) -> None:
    """Each is named with git's own words and marked in the file; a file without one has no mark; both sorts exist."""
    project, updates = fleet.project, fleet.updates
    states = [update.state for update in updates.values()]
    assert states.count(State.CONFLICTS) + states.count(State.UPDATED) == SERVICES
    assert min(states.count(State.CONFLICTS), states.count(State.UPDATED)) >= 5
    for update in updates.values():
        home = f"services/{update.model.replace('-', '_')}"
        marked = {line.rpartition(f"{home}/")[2] for line in grep(project, update.branch, home)}
        content = {one.path for one in update.conflicts if "CONFLICT (content)" in one.message}
        assert marked == content, update.model
        for one in update.conflicts:
            assert one.path in one.message
        subject = project.git("log", "-1", "--format=%s", update.branch)
        assert ("to resolve" in subject) == bool(update.conflicts)


def grep(project: Project, branch: str, home: str) -> list[str]:
    """Returns the files of a branch in which a conflict is marked."""
    mark = f"^<<<<<<< shipway/{home.rpartition('/')[2].replace('_', '-')}/edited$"
    # It ends with 1 where it finds nothing.
    command = ["git", "-C", str(project.root), "grep", "--name-only", "-e", mark, branch, "--", home]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def test_each_service_has_one_branch_with_one_commit_and_nothing_else_moved(
    fleet: Fleet,
) -> None:
    """A branch changes its own service alone; main, index, working tree and other refs are as before."""
    project, updates = fleet.project, fleet.updates
    assert project.seen() == fleet.before
    branches = project.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    assert sorted(branches) == sorted(["main", *(f"shipway/update-{model}-1.1.0" for model in updates)])
    for update in updates.values():
        assert project.git("rev-list", "--count", f"main..{update.branch}") == "1"
        changed = project.git("diff", "--name-only", "main", update.branch).splitlines()
        home = f"services/{update.model.replace('-', '_')}/"
        assert changed
        assert all(name.startswith(home) for name in changed), changed
        assert sorted(update.changed) == sorted(name.removeprefix(home) for name in changed)
        assert '"_template_version": "1.1.0"' in project.show(update.branch, f"{home}.cruft.json")


def test_the_same_again_makes_nothing_new(
    fleet: Fleet,
) -> None:
    """Every branch stays the commit it was, and its state is told from it."""
    project, services, updates = fleet.project, fleet.services, fleet.updates
    refs = project.git("for-each-ref", "refs/heads")
    repository = open_repository(project.root)
    with current_template(repository) as template:
        for edited in services[:10]:
            again = update_service(repository, template, edited.folder, Options(tests=False), print)
            first = updates[again.model]
            assert (again.state, again.branch, again.conflicts) == (first.state, first.branch, first.conflicts)
    assert project.git("for-each-ref", "refs/heads") == refs
