"""The one way a service's code is imported, from a checkout and from a bundle alike."""

import importlib
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from shipway.contract.errors import ArtifactError

__all__ = ["import_from"]


def import_from(folder: Path, package: str, module: str) -> ModuleType:
    """Returns `package.module` from below `folder`, which stays on `sys.path` for the service's own imports.

    Args:
        folder: `services/` of a checkout, or `files/src/` of a bundle.
        package: the service's package, such as `flight_delay`.
        module: a module in it, such as `schema`.

    Raises:
        ArtifactError: when there is no such module, or the package was already imported from another folder: one
            process holds one version of a service's code.
    """
    home = (folder / package).resolve()
    if not (home / f"{module}.py").is_file():
        raise ArtifactError(f"{home / f'{module}.py'}: no such file, expected the service's {module} module")
    if str(home.parent) not in sys.path:
        sys.path.insert(0, str(home.parent))
    with _no_bytecode():
        imported = importlib.import_module(f"{package}.{module}")
    found = Path(str(imported.__file__)).resolve()
    if found.parent != home:
        raise ArtifactError(
            f"{package} was already imported from {found.parent}, expected {home}: "
            "one process holds one version of a service's code"
        )
    return imported


@contextmanager
def _no_bytecode() -> Generator[None, None, None]:
    # A bundle's folder is covered by its digest: a __pycache__ written into it would make it corrupt.
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
