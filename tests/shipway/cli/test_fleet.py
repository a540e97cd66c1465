"""`shipway fleet` as a person meets it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shipway.cli.app import app
from shipway.contract.compatibility import CONTRACT_VERSION, FIRST_VERSION
from shipway.contract.errors import ShipwayError, SpecError
from tests.shipway.scaffold.fleet.conftest import Project

BRANCH = "shipway/update-churn-1.1.0"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path / "project")
    for name in ("churn", "fraud"):
        made.add(name)
    monkeypatch.chdir(made.root)
    return made


def next_version(project: Project) -> None:
    project.edit(project.kind_file("train.py"), lambda text: f"# new\n{text}")
    project.version("1.1.0")
    project.commit("template 1.1.0")


def fleet(*words: str) -> Result:
    return CliRunner().invoke(app, ["fleet", *words])


def told(done: Result) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def test_the_status_of_a_fleet(project: Project) -> None:
    """Kind, versions, compatibility and hand edits of every service, whatever state its files are in."""
    next_version(project)
    churn, fraud = (project.root / "services" / name for name in ("churn", "fraud"))
    (churn / "train.py").write_text("# by hand\n")
    (churn / "schema.py").unlink()
    (churn / "extra.py").write_text("# mine\n")
    (churn / "releases" / "prod.yaml").write_text("blue: ''\n")
    (fraud / "model.yaml").write_text(f'name: fraud\ncontract_version: "{FIRST_VERSION}"\n')
    done = fleet("status", "--json")
    said = told(done)
    assert (said["template_version"], said["contract_version"]) == ("1.1.0", CONTRACT_VERSION)
    one, two = said["services"]
    assert (one["model"], one["kind"], one["template_version"], one["template"]) == (
        "churn",
        "tabular-regression",
        "1.0.0",
        "behind",
    )
    edits = one["edits"]
    assert (edits["changed"], edits["deleted"], edits["added"]) == (1, 1, 1)
    assert (one["contract"], one["deploys"], one["problems"]) == ("current", True, [])
    assert (two["contract"], two["deploys"]) == ("behind", True)
    assert two["problems"][0].endswith("`shipway fleet update fraud`")
    assert done.exit_code == 0
    shown = fleet("status").stdout
    assert "1.0.0 (behind)" in shown
    assert f"1 changed, 1 deleted, 1 added of {edits['rendered']}" in shown


def test_a_service_that_would_not_deploy_ends_the_status_with_one(project: Project) -> None:
    """Too old, too new, or not to be read; each with its reason, and the rest of the table is there."""
    fraud = project.root / "services" / "fraud"
    for text, reason in (
        ('contract_version: "0.1"', "the oldest that deploys is"),
        ('contract_version: "9.0"', "it needs a newer Shipway"),
        ("contract_version: 1.1", "expected a version in quotes"),
        ("a: [", "expected valid YAML"),
    ):
        (fraud / "model.yaml").write_text(text)
        done = fleet("status")
        assert (done.exit_code, reason in done.stdout, "churn" in done.stdout) == (1, True, True), done.stdout
    (fraud / ".cruft.json").write_text("{")
    assert ".cruft.json: got" in fleet("status").stdout


def test_an_update_of_all_goes_on_past_one_that_is_refused(project: Project) -> None:
    """It is named with its reason, and the exit code is 1; the others have their branch."""
    next_version(project)
    (project.root / "services" / "fraud" / ".cruft.json").unlink()
    project.commit("record lost")
    done = fleet("update", "--all", "--no-tests", "--json")
    assert done.exit_code == 1
    churn, fraud = told(done)["services"]
    assert (churn["state"], churn["branch"], churn["tests"]) == ("updated", BRANCH, "not run")
    assert churn["next"] == f"git push -u origin {BRANCH} && gh pr create --head {BRANCH} --base main --fill"
    assert fraud["state"] == "refused"
    assert "expected the record of the template" in fraud["notes"][0]
    alone = fleet("update", "fraud", "--no-tests")
    assert isinstance(alone.exception, SpecError)


def test_conflicts_end_the_update_with_one_and_are_listed(project: Project) -> None:
    """Each with git's own words, and what to type next."""
    project.edit("services/churn/train.py", lambda text: f"# mine\n{text}")
    project.commit("edited")
    next_version(project)
    done = fleet("update", "churn", "--no-tests")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"churn: conflicts, template 1.0.0 -> 1.1.0, branch {BRANCH}, tests not run"
    assert lines[1] == "  conflict: train.py: CONFLICT (content): Merge conflict in train.py"
    assert lines[2].endswith("--fill --draft")
    dry = fleet("update", "churn", "--dry-run")
    assert (dry.exit_code, dry.stdout.splitlines()[0]) == (1, "churn: would be conflicts, template 1.0.0 -> 1.1.0")


def test_without_a_choice_or_with_an_unknown_model_nothing_is_done(project: Project) -> None:
    """Which services are meant is said, not guessed."""
    for words in ((), ("churn", "--all")):
        done = fleet("update", *words)
        assert isinstance(done.exception, SpecError)
        assert "expected names of models, or --all" in str(done.exception)
    done = fleet("update", "chrun")
    assert isinstance(done.exception, ShipwayError)
    assert "no model 'chrun'" in str(done.exception)
    assert "known models: churn, fraud" in str(done.exception)


# Not GitHub's own program: it keeps how it is called, a line a call, and answers as it is told. A request is open once
# it was made.
_RECORDING_GH = """#!/bin/sh
echo "$(pwd): $@" >> "{log}"
case "$2" in
  list) {on_list} test -e "{log}.open" && echo '[{{"url": "https://example.com/pull/1"}}]' || echo '[]' ;;
  create) cat > "{log}.body"; {on_create} touch "{log}.open"; echo https://example.com/pull/1 ;;
esac
"""


@pytest.fixture
def origin(project: Project) -> Path:
    """A repository that the project's branches can be pushed to."""
    bare = project.root.parent / "origin.git"
    project.git("clone", "--quiet", "--bare", str(project.root), str(bare))
    project.git("remote", "add", "origin", str(bare))
    return bare


@pytest.fixture
def recording_gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a recording `gh` on PATH; returns where it keeps its calls. What it runs before an answer may be given."""

    def place(*, on_list: str = "", on_create: str = "") -> Path:
        programs = tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        log = programs / "log"
        (programs / "gh").write_text(_RECORDING_GH.format(log=log, on_list=on_list, on_create=on_create))
        (programs / "gh").chmod(0o755)
        if str(programs) not in os.environ["PATH"]:
            monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        return log

    return place


def pushed(project: Project, branch: str) -> bool:
    """Returns whether origin holds the branch as it is here."""
    there = project.git("ls-remote", "origin", f"refs/heads/{branch}").split()
    return there[:1] == [project.git("rev-parse", branch)]


@pytest.mark.usefixtures("origin")
def test_a_pull_request_is_opened_once(project: Project, recording_gh: Callable[..., Path]) -> None:
    """The branch is pushed, `gh` is asked first what is open, and a second run opens no second request."""
    next_version(project)
    without = fleet("update", "churn", "--no-tests", "--pr", "--json")
    log = recording_gh()
    for _ in range(2):
        done = fleet("update", "churn", "--no-tests", "--pr", "--json")
        assert done.exit_code == 0, done.output
        (one,) = told(done)["services"]
        assert (one["pull_request"], one["next"]) == ("https://example.com/pull/1", "")
    asked = f"{project.root}: pr list --head {BRANCH} --state open --json url"
    made = f"{project.root}: pr create --head {BRANCH} --base main --title Update churn to template 1.1.0 --body-file -"
    assert log.read_text().splitlines() == [asked, made, asked]
    assert "The service's own tests: not run." in Path(f"{log}.body").read_text()
    assert pushed(project, BRANCH)
    (one,) = told(without)["services"]
    assert (one["notes"], one["pull_request"]) == (["gh is not installed"], "")
    assert one["next"].startswith("git push -u origin")


def colleague_pushes(project: Project, origin: Path, branch: str = BRANCH, *, amends: bool = False) -> str:
    """A fix on the branch of the update, by somebody else, in a clone of their own; returns their commit."""
    clone = project.root.parent / "colleague"
    project.git("clone", "--quiet", "--branch", branch, str(origin), str(clone))
    (clone / "services" / "churn" / "schema.py").write_text("# fixed\n")
    for words in (
        ("add", "--all"),
        ("commit", "--quiet", *(("--amend", "--no-edit") if amends else ("--message", "fixed"))),
        ("push", "--quiet", *(("--force",) if amends else ()), "origin", branch),
    ):
        project.git("-C", str(clone), "-c", "user.name=grace", "-c", "user.email=grace@example.com", *words)
    return project.git("-C", str(clone), "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("here", "amends"),
    [("fetched", False), ("not fetched", True), ("a fresh clone", False), ("changed meanwhile", True)],
)
def test_what_a_colleague_pushed_to_the_branch_stays(
    project: Project,
    origin: Path,
    recording_gh: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    here: str,
    amends: bool,
) -> None:
    """Whatever is known of it here, the branch is in review and origin's tip is theirs; nothing here moves either."""
    next_version(project)
    recording_gh()
    assert fleet("update", "churn", "--no-tests", "--pr").exit_code == 0
    project.git("push", "--quiet", "origin", "main")
    theirs = colleague_pushes(project, origin, amends=amends)
    if here == "fetched":
        project.git("fetch", "--quiet", "origin")
    elif here == "changed meanwhile":
        project.edit("services/churn/model.yaml", lambda text: f"# by hand\n{text}")
        project.commit("edited")
    elif here == "a fresh clone":
        fresh = project.root.parent / "fresh"
        project.git("clone", "--quiet", "--single-branch", str(origin), str(fresh))
        monkeypatch.chdir(fresh)
    before = project.git("for-each-ref")
    done = fleet("update", "--all", "--no-tests", "--pr", "--json")
    assert done.exit_code == 0, done.output
    churn, fraud = told(done)["services"]
    assert (churn["state"], churn["pull_request"]) == ("in review", "")
    assert churn["notes"] == [f"origin/{BRANCH} holds commits of people and is left as it is"]
    assert fraud["pull_request"] == "https://example.com/pull/1"
    assert project.git("ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == theirs
    assert [line for line in project.git("for-each-ref").splitlines() if "fraud" not in line] == before.splitlines()


def test_what_a_colleague_pushes_between_look_and_push_stays(
    project: Project, origin: Path, recording_gh: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests take minutes: the branch is judged again before the push, which names the commit it takes the place of."""
    from shipway.scaffold.fleet import proposing, reviewing, update

    next_version(project)
    recording_gh()
    assert fleet("update", "churn", "--no-tests", "--pr").exit_code == 0
    theirs: list[str] = []

    def late(repository: Any, name: str) -> str:
        tip = reviewing.tip_at_origin(repository, name)
        theirs.append(colleague_pushes(project, origin))
        return tip

    def seen_before_the_push(repository: Any, proposed: Any, *, ask_origin: bool) -> reviewing.Branch:
        assert ask_origin
        return reviewing.find_branch(repository, proposed)

    project.edit("services/churn/model.yaml", lambda text: f"# by hand\n{text}")
    project.commit("edited")
    monkeypatch.setattr(proposing, "tip_at_origin", late)
    done = fleet("update", "churn", "--no-tests", "--pr")
    assert (done.exit_code, "git push: error: failed to push" in done.stdout) == (1, True), done.output
    assert project.git("ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == theirs[0]
    monkeypatch.setattr(proposing, "tip_at_origin", reviewing.tip_at_origin)
    monkeypatch.setattr(update, "find_branch", seen_before_the_push)
    done = fleet("update", "churn", "--no-tests", "--pr")
    assert (done.exit_code, f"note: {BRANCH}: origin holds commits of people" in done.stdout) == (1, True), done.output
    assert project.git("ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == theirs[0]


def test_a_branch_of_ours_at_origin_is_made_anew_without_one_here(
    project: Project, origin: Path, recording_gh: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline has a fresh clone each time: what nobody worked on gives way to the newer update."""
    next_version(project)
    recording_gh()
    assert fleet("update", "churn", "--no-tests", "--pr").exit_code == 0
    before = project.git("rev-parse", BRANCH)
    project.edit("services/churn/schema.py", lambda text: f"{text}\n# by hand\n")
    project.commit("edited")
    project.git("push", "--quiet", "origin", "main")
    fresh = project.root.parent / "fresh"
    project.git("clone", "--quiet", str(origin), str(fresh))
    monkeypatch.chdir(fresh)
    done = fleet("update", "churn", "--no-tests", "--pr")
    assert (done.exit_code, "pull request: https" in done.stdout) == (0, True), done.output
    there = project.git("ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0]
    assert there == project.git("-C", str(fresh), "rev-parse", BRANCH) != before


@pytest.mark.usefixtures("origin")
def test_conflicts_are_proposed_as_a_draft(project: Project, recording_gh: Callable[..., Path]) -> None:
    """Nobody merges git's markers by a click."""
    project.edit("services/churn/train.py", lambda text: f"# mine\n{text}")
    project.commit("edited")
    next_version(project)
    log = recording_gh()
    assert fleet("update", "churn", "--no-tests", "--pr").exit_code == 1
    assert log.read_text().splitlines()[-1].endswith("--body-file - --draft")
    assert "train.py" in Path(f"{log}.body").read_text()


@pytest.mark.usefixtures("origin")
@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        ({"on_list": "echo 'gh auth login first' >&2; exit 4;"}, "gh pr list: gh auth login first"),
        ({"on_list": "exit 1;"}, "gh pr list: status 1"),
        ({"on_list": "echo no pull requests; exit 0;"}, "gh pr list: printed 'no pull requests', expected a JSON list"),
        ({"on_create": "echo 'HTTP 422: no commits' >&2; exit 1;"}, "gh pr create: HTTP 422: no commits"),
        ({"on_create": "exit 0;"}, "gh pr create: printed nothing, expected the address of the pull request"),
    ],
    ids=["not logged in", "silent", "no JSON", "refused", "no address"],
)
def test_a_request_that_cannot_be_opened_is_one_error(
    project: Project, recording_gh: Callable[..., Path], failing: dict[str, str], expected: str
) -> None:
    """It is told in gh's own words with what to type; the branch stays, here and pushed, and the next run opens it.

    The other services have their requests meanwhile.
    """
    next_version(project)
    recording_gh(**failing)
    done = fleet("update", "churn", "--no-tests", "--pr")
    assert done.exit_code == 1
    assert done.exception is None or isinstance(done.exception, SystemExit)
    notes = [line for line in done.stdout.splitlines() if line.startswith("  note: ")]
    assert len(notes) == 1
    assert notes[0].startswith(f"  note: {expected}")
    assert f"  next: git push -u origin {BRANCH} && gh pr create" in done.stdout
    assert pushed(project, BRANCH)
    recording_gh()
    done = fleet("update", "--all", "--no-tests", "--pr", "--json")
    assert done.exit_code == 0, done.output
    assert {one["pull_request"] for one in told(done)["services"]} == {"https://example.com/pull/1"}


def test_a_push_that_is_refused_is_one_error(project: Project, recording_gh: Callable[..., Path]) -> None:
    """Without a remote to push to, gh is not asked, and the branch stays."""
    next_version(project)
    log = recording_gh()
    done = fleet("update", "churn", "--no-tests", "--pr")
    assert done.exit_code == 1
    assert "  note: " in done.stdout
    assert "git ls-remote: " in done.stdout
    assert not log.exists()
    assert project.git("rev-parse", "--verify", BRANCH)


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_the_tests_that_the_template_brings_decide(project: Project) -> None:
    """Each service trains and serves on its branch: an edit that breaks a promise is found, the others are updated."""
    project.add("spam", "text")
    # By hand: churn says more about itself, fraud answers something else than it was trained to.
    project.edit("services/churn/README.md", lambda text: f"{text}\nAsk ada.\n")
    answer = "return self._estimator.predict(matrix(columns))"
    project.edit("services/fraud/service.py", lambda text: text.replace(answer, f"{answer} * 2"))
    project.commit("edited")
    base = "templates/model-service/templates/base/service.py"
    project.edit(base, lambda text: text.replace('"""Loads the model."""', '"""Loads the model from the bundle."""'))
    project.version("1.1.0")
    project.commit("template 1.1.0")
    seen = project.seen()
    done = fleet("update", "--all", "--json")
    assert done.exit_code == 1
    found = {one["model"]: one for one in told(done)["services"]}
    assert {model: (one["state"], one["tests"]) for model, one in found.items()} == {
        "churn": ("updated", "passed"),
        "fraud": ("tests failed", "failed"),
        "spam": ("updated", "passed"),
    }, done.output
    assert (
        "FAILED services/fraud/tests/test_service.py::test_the_slot_answers_what_training_measured"
        in (found["fraud"]["tail"])
    )
    assert "1 failed" in found["fraud"]["tail"]
    for model, one in found.items():
        code = project.show(one["branch"], f"services/{model}/service.py")
        assert "Loads the model from the bundle." in code
        assert (f"{answer} * 2" in code) == (model == "fraud")
    assert "Ask ada." in project.show(found["churn"]["branch"], "services/churn/README.md")
    assert "Shipway-Tests: failed" in project.git("log", "-1", "--format=%B", found["fraud"]["branch"])
    assert project.seen() == seen
