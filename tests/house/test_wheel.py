"""What ships: the wheel, used without the repository around it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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
    """`shipway new` finds the whole model-service template inside the installed package."""
    source, packaged = root / "templates", site / "shipway" / "scaffold" / "templates"
    expected = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert expected
    assert {path.relative_to(packaged) for path in packaged.rglob("*") if path.is_file()} == expected
