"""`shipway fleet` as a person meets it."""

import json
import os
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


# What gh is asked, a line a call; a request is open once it was made.
_GH = """#!/bin/sh
echo "$@" >> "{log}"
case "$2" in
  list) test -e "{log}.open" && echo '[{{"url": "https://example.com/pull/1"}}]' || echo '[]' ;;
  create) cat > "{log}.body"; touch "{log}.open"; echo https://example.com/pull/1 ;;
esac
"""


def test_a_pull_request_is_opened_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch is pushed, `gh` is asked first what is open, and a second run opens no second request."""
    next_version(project)
    bare, programs = project.root.parent / "origin.git", project.root.parent / "bin"
    project.git("clone", "--quiet", "--bare", str(project.root), str(bare))
    project.git("remote", "add", "origin", str(bare))
    programs.mkdir()
    log = programs / "log"
    (programs / "gh").write_text(_GH.format(log=log))
    (programs / "gh").chmod(0o755)
    without = fleet("update", "churn", "--no-tests", "--pr", "--json")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for _ in range(2):
        done = fleet("update", "churn", "--no-tests", "--pr", "--json")
        assert done.exit_code == 0, done.output
        (one,) = told(done)["services"]
        assert (one["pull_request"], one["next"]) == ("https://example.com/pull/1", "")
    create = f"pr create --head {BRANCH} --base main --title Update churn to template 1.1.0 --body-file -"
    assert [line for line in log.read_text().splitlines() if "create" in line] == [create]
    assert "The service's own tests: not run." in Path(f"{log}.body").read_text()
    assert project.git("ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == project.git("rev-parse", BRANCH)
    (one,) = told(without)["services"]
    assert (one["notes"], one["pull_request"]) == (["gh is not installed"], "")
    assert one["next"].startswith("git push -u origin")
