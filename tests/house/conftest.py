"""What the structure tests look at: the files that git would commit."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Rendered before it is Python; its own tests look at what it renders.
TEMPLATES = "templates/"


def _listed(*patterns: str) -> list[Path]:
    # Also what is new and not ignored: a file is looked at before it is committed.
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for name in set(names) if (path := ROOT / name).is_file())


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """Every file of the repository."""
    return _listed()


@pytest.fixture(scope="session")
def modules() -> list[Path]:
    """Every Python file that is Python as it lies there."""
    return [path for path in _listed("*.py") if not str(path.relative_to(ROOT)).startswith(TEMPLATES)]


@pytest.fixture(scope="session")
def sources(modules: list[Path]) -> list[Path]:
    """Every Python file that is no test."""
    return [path for path in modules if "tests" not in path.relative_to(ROOT).parts]
