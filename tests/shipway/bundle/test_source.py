import sys
from pathlib import Path

import pytest

from shipway.bundle.source import import_from
from shipway.contract.errors import ArtifactError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service's package in a folder that no other test has imported."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "imported_toy"]:
        monkeypatch.delitem(sys.modules, name)
    folder = tmp_path / "imported_toy"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Toy."""\n')
    (folder / "schema.py").write_text("SCHEMA = 1\n")
    (folder / "inputs.py").write_text("from imported_toy.schema import SCHEMA\n")
    return folder


def test_a_service_imports_its_own_modules_by_their_full_name(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same import statement works in a checkout and in a bundle, and nothing is written beside the source."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert import_from(package.parent, "imported_toy", "inputs").SCHEMA == 1
    assert sorted(path.name for path in package.iterdir()) == ["__init__.py", "inputs.py", "schema.py"]


def test_one_process_holds_one_version(package: Path, tmp_path: Path) -> None:
    """The same package from another folder is refused, not silently mixed."""
    import_from(package.parent, "imported_toy", "schema")
    other = tmp_path / "other" / "imported_toy"
    other.mkdir(parents=True)
    (other / "schema.py").write_text("SCHEMA = 2\n")
    with pytest.raises(ArtifactError, match=r"imported_toy was already imported from .*, expected .*other"):
        import_from(other.parent, "imported_toy", "schema")


def test_a_missing_module_is_named(package: Path) -> None:
    """The error names the file that is expected."""
    with pytest.raises(ArtifactError, match=r"service\.py: no such file, expected the service's service module"):
        import_from(package.parent, "imported_toy", "service")
