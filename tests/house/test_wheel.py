"""What ships: the wheel, used without the repository around it."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from shipway.scaffold.origin import RECORD, WHEEL
from shipway.scaffold.rendering import render

# The installed packages stay, the repository (there by the editable install) goes, the unpacked wheel comes first.
ALONE = """
import sys
from pathlib import Path
site, root = map(Path, sys.argv[1:3])
sys.path[:] = [str(site), *(entry for entry in sys.path if Path(entry).resolve() != root)]
"""


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built here and now without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=root, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel installs."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_alone(site: Path, root: Path, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs `code` where only the wheel provides shipway."""
    command = [sys.executable, "-I", "-c", ALONE + code, str(site), str(root)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    """The wheel installs `shipway` and its metadata: no components, no services, no tests, no tools."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"shipway"}


def test_every_module_of_the_wheel_imports(site: Path, root: Path, tmp_path: Path) -> None:
    """Every module can be imported from the wheel, so nothing in it needs the repository around it."""
    code = """
import importlib, pkgutil
import shipway
assert Path(shipway.__file__).is_relative_to(site), shipway.__file__
for module in pkgutil.walk_packages(shipway.__path__, "shipway."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print("imported")
"""
    done = run_alone(site, root, code, tmp_path)
    assert done.stdout.strip().endswith("imported"), done.stderr


def test_the_command_of_the_wheel_explains_itself(site: Path, root: Path, tmp_path: Path) -> None:
    """`shipway --help` works from the wheel, in a folder that is no project."""
    code = """
sys.argv = ["shipway", "--help"]
from shipway.cli.main import main
main()
"""
    done = run_alone(site, root, code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage: shipway" in done.stdout


def test_the_template_travels_with_the_wheel(site: Path, root: Path) -> None:
    """`shipway new` finds every kind's whole template inside the installed package, the shared base included."""
    source, packaged = (
        root / "templates" / "model-service",
        site / "shipway" / "scaffold" / "templates" / "model-service",
    )
    expected = below(source)
    for shared in ("hooks", "templates"):
        expected -= {path for path in expected if path.parts[0] == shared}
    assert Path("cookiecutter.json") in expected
    # Only whoever changes the template asks for it.
    expected.remove(Path("rendered.json"))
    assert below(packaged) == expected


def test_the_wheel_renders_every_kind(site: Path, root: Path, tmp_path: Path) -> None:
    """`shipway new` makes the same service from the wheel, in a project without a template, as from the repository."""
    code = """
import json
from shipway.scaffold.rendering import kinds, render, template_folder
root = Path.cwd()
template = template_folder(root)
assert template.is_relative_to(site), template
for kind in kinds(template):
    render(root, {"name": f"a-{kind.name}"}, kind=kind.name)
print(json.dumps([kind.name for kind in kinds(template)]))
"""
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for project in (alone, beside):
        project.mkdir()
        (project / "Pulumi.yaml").touch()
    done = run_alone(site, root, code, alone)
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    shutil.copytree(root / "templates", beside / "templates")
    assert names == [render(beside, {"name": f"a-{name}"}, kind=name).name[2:].replace("_", "-") for name in names]
    made = below(beside / "services")
    assert below(alone / "services") == made
    for path in made:
        ours, theirs = ((project / "services" / path).read_bytes() for project in (alone, beside))
        if path.name == RECORD:
            # All the same but where the template lies.
            wheels, projects = json.loads(ours), json.loads(theirs)
            assert (wheels.pop("template"), projects.pop("template")) == (WHEEL, ".")
            assert wheels == projects
        else:
            assert ours == theirs, path


def below(folder: Path) -> set[Path]:
    """Returns every file below a folder, those behind links included."""
    return {
        Path(place, name).relative_to(folder)
        for place, _, names in os.walk(folder, followlinks=True)
        for name in names
        if not name.endswith(".pyc")
    }


def test_both_distributions_are_of_one_version(root: Path) -> None:
    """The components were tested with the library of their own version, and ask for no other."""
    library, stack = (
        tomllib.loads((root / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in (".", "packaging/shipway-stack")
    )
    assert stack["version"] == library["version"]
    assert stack["dependencies"] == [f"shipway[infra]=={library['version']}"]
