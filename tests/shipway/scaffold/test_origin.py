"""The record of what a service was rendered from is cruft's own, whichever program rendered it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.contract.errors import SpecError
from shipway.scaffold.origin import RECORD, fingerprints, make_origin, parse_origin, read_origin
from shipway.scaffold.rendering import render
from tests.shipway.scaffold.fleet.conftest import KIND, ROOT, Project

DIRECTORY = f"templates/model-service/{KIND}"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder.parent)}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose template has its hooks, as it is shipped."""
    made = Project(tmp_path / "project")
    made.git("rm", "-r", "--quiet", "templates")
    subprocess.run(["cp", "-a", str(ROOT / "templates"), str(made.root)], check=True)
    made.commit("the template as it is shipped")
    return made


def test_cruft_itself_accepts_the_record(project: Project) -> None:
    """`cruft check` finds the template's commit, `cruft diff` nothing but what was edited by hand."""
    folder = render(project.root, {"name": "churn", "team": "growth"}, kind=KIND)
    done = run(project.root, "cruft", "check", "--project-dir", "services/churn")
    assert (done.returncode, done.stdout[:8]) == (0, "SUCCESS:"), done.stdout + done.stderr
    done = run(project.root, "cruft", "diff", "--exit-code", "--project-dir", "services/churn")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    (folder / "train.py").write_text((folder / "train.py").read_text() + "# by hand\n")
    done = run(project.root, "cruft", "diff", "--exit-code", "--project-dir", "services/churn")
    assert done.returncode == 1
    changed = [
        line for line in done.stdout.splitlines() if line.startswith(("-", "+")) and line[:3] not in ("---", "+++")
    ]
    assert changed == ["-# by hand"]


def test_plain_cookiecutter_leaves_the_same_record(project: Project) -> None:
    """Byte for byte, from the template's folder or by its list of kinds, with the commit of the template."""
    folder = render(project.root, {"name": "churn"}, kind=KIND)
    expected = (folder / RECORD).read_bytes()
    said = json.loads(expected)
    assert (said["template"], said["directory"], said["skip"]) == (".", DIRECTORY, [RECORD])
    assert said["commit"] == project.git("log", "-1", "--format=%H", "--", "templates")
    assert said["context"]["cookiecutter"]["name"] == "churn"
    folder.rename(project.root.parent / "first")
    done = run(project.root, "cookiecutter", "--no-input", "-o", "services", DIRECTORY, "name=churn")
    assert done.returncode == 0, done.stderr
    assert (folder / RECORD).read_bytes() == expected


def test_a_template_that_was_edited_since_its_commit_is_described_by_none(project: Project) -> None:
    """The record then says null, and nothing that would render something else."""
    project.edit(project.kind_file("train.py"), lambda text: text + "# not committed\n")
    said = read_origin(render(project.root, {"name": "churn"}, kind=KIND))
    assert (said.source.commit, said.source.template) == ("", ".")
    assert said.rendered["train.py"]


def test_a_template_of_another_repository_is_named_without_a_password(project: Project, tmp_path: Path) -> None:
    """Its address is what the clone knows as origin; a token in it is no part of a file that is committed."""
    project.git("remote", "add", "origin", "https://ada:token@example.com/team/templates.git")
    other = tmp_path / "other"
    other.mkdir()
    (other / "Pulumi.yaml").touch()
    folder = render(other, {"name": "churn"}, kind=KIND, template=project.template)
    assert read_origin(folder).source.template == "https://example.com/team/templates.git"
    assert "token" not in (folder / RECORD).read_text()


def test_fingerprints_are_gits_own(project: Project) -> None:
    """Mode and object, as `git ls-tree` shows them."""
    folder = render(project.root, {"name": "churn"}, kind=KIND)
    project.commit("new churn")
    listed = project.git("ls-tree", "-r", "HEAD:services/churn").splitlines()
    objects = {path: what.replace(" blob ", " ") for what, _, path in (line.partition("\t") for line in listed)}
    del objects[RECORD]
    assert fingerprints(folder) == objects == dict(read_origin(folder).rendered)


def test_after_crufts_own_update_the_rendered_files_are_not_known(project: Project) -> None:
    """It moves the commit and leaves what it does not know: then these are the files of an older rendering."""
    origin = read_origin(render(project.root, {"name": "churn"}, kind=KIND))
    moved = {**origin.document, "commit": "1" * 40}
    assert parse_origin(json.dumps(moved).encode(), Path(RECORD)).rendered == {}
    kept = make_origin(
        origin.source, {"name": "churn"}, {}, parse_origin(json.dumps(moved | {"mine": 1}).encode(), Path(RECORD))
    )
    assert json.loads(kept.text())["mine"] == 1


def test_a_service_without_a_record_is_told_so(tmp_path: Path) -> None:
    """By the file that is missing."""
    with pytest.raises(
        SpecError, match="no such file', expected the record of the template that the service came from"
    ):
        read_origin(tmp_path)
