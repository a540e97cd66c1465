"""The update of one service: its branch, its tests, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.contract.errors import ShipwayError, SpecError
from shipway.scaffold.fleet.pristine import current_template
from shipway.scaffold.fleet.repository import open_repository
from shipway.scaffold.fleet.update import Options, State, Update, update_service
from shipway.scaffold.fleet.verifying import Outcome
from shipway.scaffold.rendering import render
from tests.shipway.scaffold.fleet.conftest import KIND, Project

QUICK = Options(tests=False)
BRANCH = "shipway/update-churn-1.1.0"


def update(project: Project, options: Options = QUICK, name: str = "churn") -> Update:
    repository = open_repository(project.root)
    with current_template(repository) as template:
        return update_service(repository, template, project.root / "services" / name, options, print)


def next_version(project: Project, change: Callable[[str], str] = lambda text: text + "\n# new\n") -> None:
    project.edit(project.kind_file("train.py"), change)
    project.version("1.1.0")
    project.commit("template 1.1.0")


def record(project: Project, **changes: object) -> None:
    path = project.root / "services" / "churn" / ".cruft.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    project.commit("record edited")


def branches(project: Project) -> list[str]:
    return project.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()


def test_a_service_of_the_newest_template_is_current(project: Project) -> None:
    """No branch is made for it, however it was edited."""
    folder = project.add("churn")
    project.edit("services/churn/train.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    assert update(project).state is State.CURRENT
    assert branches(project) == ["main"]
    assert folder.is_dir()


def test_a_dry_run_says_what_would_come_out_and_makes_no_branch(project: Project) -> None:
    """The files that would change, and conflicts, without a ref."""
    project.add("churn")
    next_version(project)
    made = update(project, replace(QUICK, dry_run=True))
    assert (made.state, made.changed) == (State.UPDATED, (".cruft.json", "train.py"))
    assert branches(project) == ["main"]


def test_the_services_own_tests_run_on_its_branch(project: Project) -> None:
    """They see the merged files; a branch whose tests fail is there for the reviewer, and says so in its commit."""
    for name in ("churn", "fraud", "spam"):
        folder = project.add(name)
        shutil.rmtree(folder / "tests")
    for name, claim in (("churn", "'# new' in text"), ("fraud", "'# new' not in text")):
        (project.root / "services" / name / "test_own.py").write_text(
            "from pathlib import Path\n\n"
            f"def test_own():\n    text = Path(__file__).with_name('train.py').read_text()\n    assert {claim}\n"
        )
    project.commit("tests of their own")
    next_version(project)
    seen = project.seen()
    options = Options(tests_limit_seconds=60)
    made = {name: update(project, options, name) for name in ("churn", "fraud", "spam")}
    assert {name: (one.state, one.tests) for name, one in made.items()} == {
        "churn": (State.UPDATED, Outcome.PASSED),
        "fraud": (State.TESTS_FAILED, Outcome.FAILED),
        "spam": (State.UNTESTED, Outcome.NONE),
    }
    assert "assert '# new' not in text" in made["fraud"].tail
    assert "Shipway-Tests: failed" in project.git("log", "-1", "--format=%B", made["fraud"].branch)
    assert update(project, options, "fraud").state is State.TESTS_FAILED
    assert project.seen() == seen


def test_tests_that_do_not_end_have_failed(project: Project) -> None:
    """What they started ends with them, and no working tree stays."""
    folder = project.add("churn")
    shutil.rmtree(folder / "tests")
    (folder / "test_own.py").write_text("import threading\n\ndef test_own():\n    threading.Event().wait()\n")
    project.commit("a test that waits")
    next_version(project)
    made = update(project, Options(tests_limit_seconds=3))
    assert (made.state, made.tail) == (State.TESTS_FAILED, "not done after 3 s")
    assert len(project.git("worktree", "list").splitlines()) == 1


def test_a_branch_that_nobody_worked_on_is_made_anew_when_the_service_changed(project: Project) -> None:
    """It holds the newest edit then, and is still one commit."""
    project.add("churn")
    next_version(project)
    first = update(project)
    project.edit("services/churn/schema.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    assert update(project).branch == first.branch == BRANCH
    assert project.show(BRANCH, "services/churn/schema.py").endswith("# by hand")
    assert project.git("rev-list", "--count", f"main..{BRANCH}") == "1"


def test_a_branch_with_commits_of_people_is_left_as_it_is(project: Project) -> None:
    """Whoever resolves conflicts on it loses nothing to the next run."""
    project.add("churn")
    next_version(project)
    update(project)
    project.git("switch", "--quiet", BRANCH)
    project.edit("services/churn/train.py", lambda text: text + "# resolved\n")
    work = project.commit("resolved")
    project.git("switch", "--quiet", "main")
    project.edit("services/churn/schema.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    made = update(project)
    assert (made.state, made.notes) == (
        State.IN_REVIEW,
        (f"{BRANCH} holds commits of people and is left as it is",),
    )
    assert project.git("rev-parse", BRANCH) == work


def test_a_branch_that_is_checked_out_is_not_moved(project: Project) -> None:
    """Whoever looks at it would find another commit under its files."""
    project.add("churn")
    next_version(project)
    update(project)
    project.git("switch", "--quiet", "--create", "other")
    project.edit("services/churn/schema.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    other = project.root.parent / "other"
    project.git("worktree", "add", "--quiet", str(other), BRANCH)
    with pytest.raises(ShipwayError, match=f"{BRANCH} is checked out .*; switch to another branch first"):
        update(project)


def test_a_merged_update_is_current_and_the_next_one_starts_from_it(project: Project) -> None:
    """The record is part of the branch; the next merge's base is found though the branch was squashed."""
    project.add("churn")
    project.edit("services/churn/train.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    next_version(project, lambda text: f"# first\n{text}")
    update(project)
    project.git("merge", "--quiet", "--squash", BRANCH)
    project.commit("squashed")
    assert update(project).state is State.CURRENT
    project.edit(project.kind_file("train.py"), lambda text: f"# second\n{text}")
    project.version("1.2.0")
    project.commit("template 1.2.0")
    made = update(project)
    assert (made.state, made.before, made.after) == (State.UPDATED, "1.1.0", "1.2.0")
    text = project.show(made.branch, "services/churn/train.py")
    assert text.startswith("# second\n# first\n")
    assert text.endswith("# by hand")


def test_edits_that_are_not_committed_are_named(project: Project) -> None:
    """They are not in the branch, and they stay where they are."""
    project.add("churn")
    next_version(project)
    project.edit("services/churn/train.py", lambda text: text + "# not yet\n")
    seen = project.seen()
    made = update(project)
    assert made.notes == ("services/churn has changes that are not committed, and they are not in the branch",)
    assert project.seen() == seen
    assert "# not yet" not in project.show(BRANCH, "services/churn/train.py")


def test_a_skipped_path_is_the_services_own(project: Project) -> None:
    """The template has no say in it, as with cruft."""
    project.add("churn")
    record(project, skip=[".cruft.json", "train.py"])
    next_version(project)
    made = update(project)
    assert made.changed == (".cruft.json",)
    assert json.loads(project.show(BRANCH, "services/churn/.cruft.json"))["skip"] == [".cruft.json", "train.py"]


def test_the_base_is_rendered_from_the_recorded_commit_where_git_has_the_files_not(project: Project) -> None:
    """A service that was edited before its first commit, as one made from a table is."""
    folder = project.add("churn")
    project.git("reset", "--quiet", "--hard", "HEAD~1")
    folder.mkdir(parents=True, exist_ok=True)
    project.git("checkout", "HEAD@{1}", "--", "services/churn")
    project.edit("services/churn/train.py", lambda text: text + "# before the first commit\n")
    project.commit("edited")
    project.git("reflog", "expire", "--expire=now", "--all")
    project.git("gc", "--quiet", "--prune=now")
    next_version(project, lambda text: f"# first\n{text}")
    made = update(project)
    assert made.conflicts == ()
    text = project.show(BRANCH, "services/churn/train.py")
    assert text.startswith("# first\n")
    assert text.endswith("# before the first commit")


@pytest.fixture
def lost(project: Project) -> Project:
    """A project that has neither the rendered files nor the commit that the record names."""
    folder = project.add("churn")
    old = project.root.parent / "old"
    shutil.copytree(project.template, old, symlinks=True)
    text = (folder / "train.py").read_text()
    (folder / "train.py").write_text(text + "# by hand\n")
    said = json.loads((folder / ".cruft.json").read_text())
    unknown = "0" * 39 + "1"
    said |= {"commit": unknown, "shipway": said["shipway"] | {"commit": unknown}}
    (folder / ".cruft.json").write_text(json.dumps(said))
    project.edit(project.kind_file("train.py"), lambda text: f"# first\n{text}")
    project.version("1.1.0")
    shutil.rmtree(project.root / ".git")
    project.git("init", "--quiet", "--initial-branch", "main")
    project.git("config", "user.name", "ada")
    project.git("config", "user.email", "ada@example.com")
    project.commit("history begins")
    return project


def test_a_commit_that_is_not_here_is_refused_with_what_to_do(lost: Project) -> None:
    """Nothing is guessed: the error names file, key, commit, and three ways on."""
    with pytest.raises(SpecError) as refused:
        update(lost)
    said = str(refused.value)
    assert "services/churn/.cruft.json: commit: got '000000000000" in said
    assert all(way in said for way in ("git fetch --unshallow", "--old-template FOLDER", "--without-base"))
    assert branches(lost) == ["main"]


def test_a_named_folder_takes_the_place_of_the_commit_when_it_renders_the_same(lost: Project) -> None:
    """Another version of the template is noticed by what it renders."""
    with pytest.raises(ShipwayError, match=r"does not render what .* records, the first difference is in train\.py"):
        update(lost, replace(QUICK, old_template=lost.template))
    with pytest.raises(SpecError, match=r"--old-template: got .*, expected a folder with the template of"):
        update(lost, replace(QUICK, old_template=lost.root))
    made = update(lost, replace(QUICK, old_template=lost.root.parent / "old"))
    assert made.state is State.UPDATED
    text = lost.show(BRANCH, "services/churn/train.py")
    assert text.startswith("# first\n")
    assert text.endswith("# by hand")


def test_without_a_base_each_file_that_differs_is_a_conflict(lost: Project) -> None:
    """Both versions are in it; files whose rendering git has, and files that are the same, are merged as ever."""
    made = update(lost, replace(QUICK, without_base=True))
    assert [one.path for one in made.conflicts] == ["train.py"]
    text = lost.show(BRANCH, "services/churn/train.py")
    assert "# first" in text
    assert "# by hand" in text
    assert "<<<<<<< shipway/churn/edited" in text


BAD_RECORDS: list[tuple[dict[str, object], str]] = [
    (
        {"context": {"cookiecutter": {"name": "churn", "_template_version": "0.9.0"}}},
        "got '0.9.0', expected 1.0.0 or",
    ),
    ({"context": {"cookiecutter": {"name": "churn", "_template_version": "3.0.0"}}}, "expected at most 1.1.0, the"),
    ({"context": {"cookiecutter": {"name": "churn"}}}, "_template_version: got 'nothing', expected numbers joined"),
    (
        {"context": {"cookiecutter": {"name": "fraud", "_template_version": "1.0.0"}}},
        "got 'fraud', expected 'churn'",
    ),
    (
        {"context": {"cookiecutter": {"name": "{{ 7 }}"}}},
        "context.cookiecutter.name: got '{{ 7 }}', expected plain",
    ),
    ({"context": {}}, "context.cookiecutter: got 'nothing', expected a mapping"),
    (
        {"directory": "templates/model-service/unknown"},
        "directory: got 'templates/model-service/unknown', expected",
    ),
    ({"directory": "../elsewhere"}, "expected a folder within the template's repository"),
    ({"commit": "main"}, "commit: got 'main', expected the 40 hexadecimal digits"),
    ({"skip": "train.py"}, "skip: got 'train.py', expected a list of paths"),
    ({"shipway": {"files": {"../x": "100644 " + "0" * 40}}}, "shipway.files.../x: got"),
    ({"template": ""}, "template: got '', expected a text"),
]


def test_a_record_that_was_edited_is_refused_by_its_key(project: Project) -> None:
    """One clear error for each, and no branch."""
    project.add("churn")
    next_version(project)
    for changes, message in BAD_RECORDS:
        record(project, **changes)
        with pytest.raises(SpecError) as refused:
            update(project)
        assert message in str(refused.value)
        assert ".cruft.json: " in str(refused.value)
        project.git("reset", "--quiet", "--hard", "HEAD~1")
    assert branches(project) == ["main"]


def test_a_service_beyond_recognition_is_refused_in_one_sentence(project: Project) -> None:
    """A record that is missing or no JSON, a model.yaml that is none, a service not committed, no git at all."""
    folder = project.add("churn")
    next_version(project)
    for name, content, message in (
        (".cruft.json", None, "no such file in main', expected the record of the template .* `cruft link`"),
        (".cruft.json", "{", "expected valid JSON"),
        ("model.yaml", "a: [", "model.yaml: got 'a text that cannot be read', expected a mapping"),
        ("model.yaml", None, "model.yaml: got 'no such file in main'"),
    ):
        before = (folder / name).read_text()
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content)
        project.commit("broken")
        with pytest.raises(SpecError, match=message):
            update(project)
        (folder / name).write_text(before)
        project.commit("mended")
    (project.root / "services" / "fraud").mkdir()
    with pytest.raises(ShipwayError, match="services/fraud is not in main, expected it committed"):
        update(project, name="fraud")
    with pytest.raises(ShipwayError, match="'nothing' is no commit of"):
        open_repository(project.root, "nothing")
    assert branches(project) == ["main"]
    shutil.rmtree(project.root / ".git")
    with pytest.raises(ShipwayError, match="is in no git repository, expected one: an update is a branch"):
        open_repository(project.root)


def test_a_template_that_is_not_committed_is_refused(project: Project) -> None:
    """An update names the commit that it came from."""
    project.add("churn")
    project.git("rm", "-r", "--quiet", "--cached", "templates")
    project.git("commit", "--quiet", "--message", "out")
    with (
        pytest.raises(ShipwayError, match="model-service is not in main: commit it first"),
        current_template(open_repository(project.root)),
    ):
        pass


def test_the_installed_packages_template_needs_no_history(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a project without a template of its own, the service's own history holds what the old version rendered."""
    packaged = tmp_path / "site" / "shipway" / "scaffold" / "templates" / "model-service"
    shutil.copytree(project.template, packaged, symlinks=True)
    shutil.rmtree(project.root / "templates")
    project.commit("no template here")
    render(project.root, {"name": "churn"}, kind=KIND, template=packaged)
    project.commit("new churn")
    project.edit("services/churn/train.py", lambda text: text + "# by hand\n")
    project.commit("edited")
    # The package is upgraded: the old template is nowhere any more.
    project.template = packaged
    train = packaged / KIND / "{{cookiecutter.__package}}" / "train.py"
    train.write_text(f"# new\n{train.read_text()}")
    project.version("1.1.0")
    monkeypatch.setattr("shipway.scaffold.fleet.pristine.template_folder", lambda _: packaged)
    made = update(project)
    assert (made.state, made.conflicts) == (State.UPDATED, ())
    text = project.show(BRANCH, "services/churn/train.py")
    assert text.startswith("# new\n")
    assert text.endswith("# by hand")
    said = json.loads(project.show(BRANCH, "services/churn/.cruft.json"))
    assert (said["template"], said["commit"], said["directory"]) == ("shipway", None, f"templates/model-service/{KIND}")


def test_a_project_below_the_top_of_its_repository_is_updated_too(tmp_path: Path) -> None:
    """Paths in records and branches are the repository's."""
    project = Project(tmp_path / "project")
    shutil.rmtree(project.root / ".git")
    top = tmp_path / "top"
    top.mkdir()
    shutil.move(project.root, top / "ml")
    project.root, project.template = top, top / "ml" / "templates" / "model-service"
    project.git("init", "--quiet", "--initial-branch", "main")
    project.git("config", "user.name", "ada")
    project.git("config", "user.email", "ada@example.com")
    project.commit("template 1.0.0")
    folder = render(top / "ml", {"name": "churn"}, kind=KIND)
    assert json.loads((folder / ".cruft.json").read_text())["directory"] == f"ml/templates/model-service/{KIND}"
    project.commit("new churn")
    project.edit(f"ml/{project.kind_file('train.py')}", lambda text: f"# first\n{text}")
    project.version("1.1.0")
    project.commit("template 1.1.0")
    repository = open_repository(top / "ml")
    with current_template(repository) as template:
        made = update_service(repository, template, folder, QUICK, print)
    assert made.state is State.UPDATED
    assert project.show(made.branch, "ml/services/churn/train.py").startswith("# first")
