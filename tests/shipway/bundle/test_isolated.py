"""Two versions of one package in one process, each with its own modules."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from shipway.bundle.isolated import forget, import_isolated
from shipway.bundle.source import import_from
from shipway.contract.errors import ArtifactError

PACKAGE = "toy_twice"
SERVICE = """
from dataclasses import dataclass
import toy_twice.inputs
import toy_twice.inputs as renamed
from toy_twice import inputs
from toy_twice.inputs import COLUMNS
from .inputs import COLUMNS as RELATIVE

@dataclass
class Held:
    value: "int" = 0

def later():
    from toy_twice.late import WHEN
    return WHEN, renamed.COLUMNS, inputs.COLUMNS, toy_twice.inputs.COLUMNS, RELATIVE
"""


def version(folder: Path, name: str) -> Path:
    home = folder / name / PACKAGE
    home.mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "inputs.py").write_text(f"COLUMNS = {name!r}")
    (home / "late.py").write_text(f"WHEN = 'late in {name}'")
    (home / "service.py").write_text(SERVICE)
    return folder / name


def isolated(folder: Path, suffix: str) -> ModuleType:
    return import_isolated(folder, PACKAGE, "service", suffix)


def test_each_version_sees_its_own_modules(tmp_path: Path) -> None:
    """However they import each other, and also when they do so later; the served version stays as it was."""
    new, old, older = (version(tmp_path, name) for name in ("new", "old", "older"))
    served = import_from(new, PACKAGE, "service")
    path = list(sys.path)
    held, before = isolated(old, "old"), isolated(older, "older")
    for module, name in ((held, "old"), (before, "older"), (served, "new")):
        assert name == module.COLUMNS
        assert module.later() == (f"late in {name}", name, name, name, name)
    assert sys.path == path
    assert sys.modules[PACKAGE].__path__ == [str(new / PACKAGE)]
    assert not list(tmp_path.rglob("old/**/__pycache__"))
    forget(PACKAGE, "old")
    assert [name for name in sys.modules if name.startswith(f"{PACKAGE}__")] == [
        f"{PACKAGE}__older{rest}" for rest in ("", ".inputs", ".service", ".late")
    ]
    forget(PACKAGE, "older")


def test_a_version_that_cannot_be_imported_leaves_nothing(tmp_path: Path) -> None:
    """Neither a half module nor a way to it."""
    folder = version(tmp_path, "bad")
    (folder / PACKAGE / "service.py").write_text("import toy_twice.inputs\nraise ValueError('no')")
    finders = list(sys.meta_path)
    with pytest.raises(ValueError, match=r"^no$"):
        isolated(folder, "bad")
    assert sys.meta_path == finders
    assert not [name for name in sys.modules if name.startswith(f"{PACKAGE}__")]


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    """The error says which file was expected."""
    with pytest.raises(ArtifactError, match=r"toy_twice/service\.py: no such file, expected the service's service"):
        isolated(tmp_path, "none")
