"""`shipway check` on real bundles: a rendered service and digits hold, a model that ends its process is caught."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipway.scaffold.rendering import render

# Each takes seconds; on a machine that is busy with other things, many more.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]

TRAIN = """
import sys
from pathlib import Path
from shipway.scaffold.testing import train_service
for name in sys.argv[1:]:
    print(train_service(Path("services", name).resolve(), Path(".shipway", "local").resolve()).digest)
"""
# Ends the process, as a segmentation fault in a library would, on a value that the schema allows.
DEADLY = """        if len(rows) > 1:
            __import__("os")._exit(139)
"""


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )


def check(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    entry = "import sys; sys.argv[0] = 'shipway'; from shipway.cli.main import main; main()"
    return run(project, "-c", entry, "check", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of its own with digits and two rendered services, one of them deadly."""
    root = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "Pulumi.yaml"):
        shutil.copy(ROOT / name, root)
    for name in ("templates", "stacks"):
        shutil.copytree(ROOT / name, root / name)
    shutil.copytree(ROOT / "services" / "digits", root / "services" / "digits")
    render(root, {"name": "my-model"})
    service = render(root, {"name": "deadly"}) / "service.py"
    text = service.read_text()
    assert text.count("        columns = ") == 1
    service.write_text(text.replace("        columns = ", f"{DEADLY}        columns = "))
    return root


@pytest.fixture(scope="module")
def digests(project: Path) -> dict[str, str]:
    """Service -> its bundle, trained as `shipway train` trains it."""
    names = ("my_model", "digits", "deadly")
    done = run(project, "-c", TRAIN, *names)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(names, done.stdout.split(), strict=True))


def found(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], Any]:
    return {(one["check"], one["subject"]): one for one in json.loads(done.stdout)["findings"]}


def test_a_rendered_service_holds_as_rendered(project: Path, digests: dict[str, str]) -> None:
    """Every check runs, in order; what is not known is named with the command that brings it, and stops nothing."""
    done = check(project, "my-model", "--digest", digests["my_model"], "--json", "--markdown", "check.md")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = found(done)
    assert not [key for key, one in told.items() if one["status"] in ("failed", "undecided")]
    assert {key for key, one in told.items() if one["status"] == "missing"} == {("regression", "frozen set")}
    assert list(dict.fromkeys(name for name, _ in told)) == [
        *("schema", "unit", "regression", "metamorphic", "fairness"),
        *("adversarial", "parity", "latency", "cost"),
    ]
    assert told["unit", "tests"]["sentence"].endswith(" passed, 0 failed, 0 skipped")
    assert "shipway loadtest my-model" in told["cost", "1,000 predictions"]["sentence"]
    assert "unit ..." in done.stderr
    page = (project / "check.md").read_text()
    assert page.startswith("### shipway check my-model\n")
    assert page.count("\n| ") == len(told) + 1


def test_digits_clear_their_frozen_set(project: Path, digests: dict[str, str]) -> None:
    """The set that lies in git is read, and its bar is the gate's."""
    options = [option for name in ("schema", "regression", "metamorphic", "adversarial") for option in ("--only", name)]
    done = check(project, "digits", "--digest", digests["digits"], "--json", *options)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    told = found(done)
    assert {one["status"] for one in told.values()} == {"passed"}
    assert told["regression", "accuracy"]["bound"] == 0.93


def test_a_model_that_ends_its_process_is_caught(project: Path, digests: dict[str, str]) -> None:
    """The check that was asking has failed, the next one did not run, and whoever asked lives to tell it."""
    options = ["--only", "metamorphic", "--only", "adversarial", "--only", "latency"]
    done = check(project, "deadly", "--digest", digests["deadly"], *options)
    assert done.returncode == 1
    assert "its process ended with exit code 139" in done.stdout
    assert "not run: the process that serves the bundle ended" in done.stdout
    assert "stopped by metamorphic" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("my-model", "--only", "speed"), 2, "Invalid value for '--only'"),
        (("my-model", "--digest", "sha256:1"), 2, "--digest: got 'sha256:1', expected"),
        (("my-model",), 1, "found no registered bundle of my-model; `shipway train my-model` makes one"),
        (("my-modle",), 1, "did you mean 'my-model'?"),
        (("my-model", "--digest", "sha256:" + "0" * 64), 1, "no bundle sha256:0000"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    project: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """In one line, with the next step."""
    done = check(project, *arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
