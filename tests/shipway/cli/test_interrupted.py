"""Ctrl-C in a verb: one line that says what was interrupted and what is left, and what it says is so."""

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from shipway.cli.app import app
from shipway.cli.interrupted import EXIT_CODE, LEFT, sentence
from tests.shipway.scaffold.fleet.conftest import Project
from tests.shipway.scaffold.inferred.tables import columns, written

ROOT = Path(__file__).resolve().parents[3]
SECONDS, AGAIN_SECONDS = 60, 2


def interrupted(root: Path, awaited: str, *words: str, again: bool = False) -> list[str]:
    """Sends Ctrl-C to `shipway` and all it started when it has said `awaited`; returns the lines of standard error.

    With `again` it is sent until it was heard: just before a program begins to read its input, it hears none.
    """
    # As in a person's terminal: whatever a shell starts in the background ignores Ctrl-C, and so does all below it.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{heeding}\nfrom shipway.cli.main import main\nmain()", *words]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    said, sent = "", False
    with subprocess.Popen(
        command, cwd=root, env=variables, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stderr is not None
            while True:
                heard, _, _ = select.select([process.stderr], [], [], AGAIN_SECONDS)
                if heard:
                    if not (piece := os.read(process.stderr.fileno(), 4096)):
                        break
                    said += piece.decode()
                if awaited in said and (not sent or (again and not heard)):
                    os.killpg(process.pid, signal.SIGINT)
                    sent = True
            assert process.wait(SECONDS) == EXIT_CODE, said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return [line for line in said.splitlines() if line]


def test_every_verb_says_what_it_leaves() -> None:
    """A verb that is added says it too."""
    verbs: dict[str, object] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(LEFT) == set(verbs)


@pytest.mark.e2e
def test_a_new_service_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """Interrupted while its baseline is trained, it is not, and nothing of it is."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "templates", project / "templates", symlinks=True)
    (project / "Pulumi.yaml").touch()
    path = written(tmp_path, columns())
    said = interrupted(project, "training a baseline", "new", "--from-csv", str(path), "--target", "sold")
    assert said[-2:] == ["training a baseline", sentence("new")]
    assert list((project / "services").iterdir()) == []


@pytest.mark.e2e
def test_a_question_may_be_interrupted(tmp_path: Path) -> None:
    """Nothing was written before it is answered."""
    shutil.copytree(ROOT / "templates", tmp_path / "templates", symlinks=True)
    (tmp_path / "Pulumi.yaml").touch()
    said = interrupted(tmp_path, "Kind of model", "new", again=True)
    assert said[-1] == sentence("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.yaml", "templates"]


@pytest.mark.e2e
def test_an_update_of_services_leaves_what_was_done(tmp_path: Path) -> None:
    """The first service has its branch; the one whose tests ran has none and no working tree; the checkout stays."""
    project = Project(tmp_path / "project")
    for name in ("churn", "fraud"):
        shutil.rmtree(project.add(name) / "tests")
    own = project.root / "services" / "fraud" / "test_own.py"
    own.write_text("import threading\n\n\ndef test_own():\n    threading.Event().wait()\n", encoding="utf-8")
    project.edit(project.kind_file("train.py"), lambda text: f"# new\n{text}")
    project.version("1.1.0")
    project.commit("template 1.1.0")
    seen = project.seen()
    said = interrupted(project.root, "fraud: running its tests", "fleet", "update", "--all")
    assert said[-2:] == ["fraud: running its tests", sentence("fleet")]
    branches = project.git("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()
    assert branches == ["main", "shipway/update-churn-1.1.0"]
    assert project.seen() == seen
