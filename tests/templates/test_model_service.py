"""The template is never trusted, only what it renders is: by `shipway new` and by plain cookiecutter alike."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipway.contract.layout import services
from shipway.contract.model import load_model
from shipway.scaffold.origin import RECORD
from shipway.scaffold.rendering import kinds, render, template_folder

ROOT = Path(__file__).resolve().parents[2]
KINDS = [kind.name for kind in kinds(template_folder(ROOT))]

# Names around `shipway` in the alphabet, one letter, the longest, with digits.
NAMES = ["a", "my-model", "zeta-2", "x" * 40]

# What the next service takes as it is; everything else is filled in.
SHARED = {"tests/conftest.py", "tests/test_service.py"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "templates", root / "templates")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "Pulumi.yaml").touch()
    return root


@pytest.fixture(scope="module")
def rendered(project: Path) -> dict[str, Path]:
    return {name: render(project, {"name": name}) for name in NAMES} | {
        f"a-{kind}": render(project, {"name": f"a-{kind}"}, kind=kind) for kind in KINDS
    }


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(argument) for argument in arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize("name", [*NAMES, *(f"a-{kind}" for kind in KINDS)])
def test_a_rendered_service_is_clean_source(rendered: dict[str, Path], project: Path, name: str) -> None:
    """Every file compiles, nothing of the template's own language is left, and the linter has no wish."""
    folder = rendered[name]
    assert load_model(folder / "model.yaml").name == name
    for path in folder.rglob("*"):
        # The record says of itself that it is cookiecutter's.
        if path.is_file() and path.name != RECORD:
            assert not any(
                mark in path.read_text(encoding="utf-8", errors="replace") for mark in ("cookiecutter", "{{", "{%")
            ), path
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"))
    source = f"src = [{json.dumps(str(ROOT))}, {json.dumps(str(folder.parent))}]"
    for check in (["check"], ["format", "--check"]):
        done = run(sys.executable, "-m", "ruff", *check, "--no-cache", "--config", source, folder, cwd=project)
        assert done.returncode == 0, done.stdout


def cookiecutter(
    project: Path, *answers: str, template: str = "templates/model-service"
) -> subprocess.CompletedProcess[str]:
    settings = project / "settings.yaml"
    settings.write_text(json.dumps({"replay_dir": str(project / "replay")}), encoding="utf-8")
    options = ["--no-input", "--config-file", settings, "-o", "services"]
    return run(sys.executable, "-m", "cookiecutter", template, *options, *answers, cwd=project)


@pytest.mark.parametrize("kind", ["", *KINDS])
def test_plain_cookiecutter_renders_the_same(
    rendered: dict[str, Path], project: Path, tmp_path: Path, kind: str
) -> None:
    """There is one template, and no step that only `shipway new` takes; without a kind it takes the first."""
    name = f"a-{kind}" if kind else "my-model"
    folder = shutil.move(rendered[name], tmp_path / "rendered")
    done = cookiecutter(project, f"name={name}", template=f"templates/model-service/{kind}")
    assert done.returncode == 0, done.stderr
    again = rendered[name]
    assert files(again) == files(folder)
    for name in files(again):
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize(
    ("name", "suggestion"), [("Big Model", "big-model"), ("gateway", "gateway-model"), ("../x", "x")]
)
def test_plain_cookiecutter_refuses_a_bad_name_with_a_suggestion(project: Path, name: str, suggestion: str) -> None:
    """The hook speaks the same words and leaves nothing behind."""
    before = files(project / "services")
    done = cookiecutter(project, f"name={name}")
    assert done.returncode != 0
    assert f"try '{suggestion}'" in done.stdout + done.stderr
    assert files(project / "services") == before


@pytest.mark.parametrize("service", services(ROOT), ids=lambda folder: folder.name)
def test_every_service_is_the_template_filled_in(rendered: dict[str, Path], service: Path) -> None:
    """Whoever knows one service finds everything in the next: the same files, each with the same names in it."""
    template = rendered["zeta-2"]
    # A model that reads features is tested with a feature store, which the template's tests have not.
    shared = set() if load_model(service / "model.yaml").features.reads else SHARED
    assert files(template) - SHARED <= files(service)
    for name in shared:
        assert (service / name).read_bytes() == (template / name).read_bytes(), name
    for name in ("inputs.py", "schema.py", "train.py"):
        assert exported(template / name) <= exported(service / name), name


def exported(path: Path) -> set[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return set(ast.literal_eval(node.value))
    return set()
