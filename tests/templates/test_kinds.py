"""Every kind that the template names, as it is rendered: clean, typed, tested, trained by the command, and served."""

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipway.bundle.loaders import every_loader, loaders_of
from shipway.cli.app import app
from shipway.contract.layout import LocalLayout
from shipway.scaffold.rendering import kinds, render, template_folder
from tests.e2e.slot_process import slot

# Five trainings are set up for one test.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
# What the template says it knows: a kind that is added is tested without a word here.
KINDS = [kind.name for kind in kinds(template_folder(ROOT))]

# As strictly as a data scientist's editor checks; the platform's own code is checked more strictly.
TYPES = {
    "include": ["services"],
    "exclude": ["**/tests"],
    "extraPaths": ["services", str(ROOT)],
    "pythonVersion": "3.11",
    "typeCheckingMode": "standard",
    "reportUnsupportedDunderAll": False,
}


@dataclass(frozen=True)
class Project:
    """A project with one service of each kind, by the kind's name."""

    root: Path
    services: dict[str, Path]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "templates", root / "templates", symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "Pulumi.yaml").touch()
    (root / "stacks").mkdir()
    shutil.copy(ROOT / "stacks" / "Pulumi.local.yaml", root / "stacks")
    return Project(root, {kind: render(root, {"name": f"one-{kind}"}, kind=kind) for kind in KINDS})


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_the_linter_has_no_wish(project: Project, check: list[str]) -> None:
    """Every file of every kind passes the project's own rules and is formatted as they say."""
    source = f"src = [{json.dumps(str(ROOT))}, {json.dumps(str(project.root / 'services'))}]"
    done = run("ruff", *check, "--no-cache", "--config", source, "services", cwd=project.root)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_fit(project: Project) -> None:
    """One look at the services of all kinds together finds nothing."""
    settings = project.root / "pyrightconfig.json"
    settings.write_text(json.dumps(TYPES), encoding="utf-8")
    done = run("pyright", "--pythonpath", sys.executable, "-p", settings, cwd=project.root)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "0 errors" in done.stdout


def test_their_own_tests_pass_as_rendered(project: Project) -> None:
    """Each trains, reproducibly, and serves, before a line is filled in."""
    done = run("pytest", "-q", "services", cwd=project.root)
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{sum(map(own_tests, project.services.values()))} passed" in done.stdout


def own_tests(service: Path) -> int:
    files = list((service / "tests").glob("test_*.py"))
    assert files, f"{service.name} has no test of its own"
    return sum(path.read_text(encoding="utf-8").count("\ndef test_") for path in files)


@pytest.fixture(scope="module")
def bundles(project: Project) -> dict[str, Path]:
    """What `shipway train` makes of each kind."""
    found: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        for kind in KINDS:
            done = CliRunner().invoke(app, ["train", f"one-{kind}", "--json"], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            digest = json.loads(done.stdout)["digest"]
            found[kind] = LocalLayout(project.root, "local").artifacts / digest.replace(":", "/")
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_slot_answers_what_is_right_and_refuses_what_is_wrong(
    project: Project, bundles: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """A process of its own serves the bundle: its sample request has an answer, a wrong one a reason by field."""
    sample = json.loads((project.services[kind] / "tests" / "request.json").read_text(encoding="utf-8"))
    with slot(bundles[kind], tmp_path) as (client, _):
        right = client.post("/predict", json=sample)
        assert right.status_code == 200, right.text
        assert right.json()["source"] == "model"
        assert len(right.json()["predictions"]) == len(right.json()["prediction_ids"]) == len(sample["rows"])
        for field in sample["rows"][0]:
            wrong = client.post("/predict", json={"rows": [{**sample["rows"][0], field: {"not": "a value"}}]})
            assert wrong.status_code == 400, wrong.text
            assert [(one["row"], one["field"]) for one in wrong.json()["violations"]] == [(0, field)]


def test_a_bundle_pins_what_opens_its_model(bundles: dict[str, Path]) -> None:
    """The artifact's package, and what decodes pictures, and neither where it is not used: a base must hold it."""
    for bundle in bundles.values():
        lines = (bundle / "bento" / "env" / "python" / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert loaders_of(bundle / "files") == {line.partition("==")[0] for line in lines} & every_loader()
    assert {"onnxruntime", "pillow"} <= {one for bundle in bundles.values() for one in loaders_of(bundle / "files")}


def test_every_kind_is_in_the_wheel() -> None:
    """A team that installs Shipway without the repository has the same choice."""
    build: Any = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    shipped = build["targets"]["wheel"]["force-include"]
    for kind in KINDS:
        place = f"templates/model-service/{kind}"
        assert shipped.get(place) == f"shipway/scaffold/{place}"
