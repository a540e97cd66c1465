"""A second version of a service's code in one process, under a name of its own, so that neither sees the other.

The modules of a package `flight_delay` import each other by that name, whichever version they are. Here they are run
as `flight_delay__<suffix>`, and an import of `flight_delay` that stands in their own code leads to their own modules,
also one that is carried out later, inside a function. Names that are looked up as text (`importlib.import_module`,
types in a model's file) are not led there.
"""

import builtins
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from shipway.contract.errors import ArtifactError

__all__ = ["forget", "import_isolated"]


def import_isolated(folder: Path, package: str, module: str, suffix: str) -> ModuleType:
    """Returns `package.module` from below `folder` as `<package>__<suffix>.<module>`; `sys.path` stays as it is.

    Args:
        folder: `files/src/` of a bundle.
        package: the service's package.
        module: a module in it.
        suffix: tells this version from any other, such as its short digest.

    Raises:
        ArtifactError: when there is no such module.
    """
    home, alias = (folder / package).resolve(), _alias(package, suffix)
    if not (home / f"{module}.py").is_file():
        raise ArtifactError(f"{home / f'{module}.py'}: no such file, expected the service's {module} module")
    forget(package, suffix)
    sys.meta_path.insert(0, _Finder(home, package, alias))
    try:
        return builtins.__import__(f"{alias}.{module}", fromlist=[module])
    except BaseException:
        forget(package, suffix)
        raise


def forget(package: str, suffix: str) -> None:
    """Lets go of a version's modules; what still uses them keeps them alive, and imports nothing more."""
    alias = _alias(package, suffix)
    sys.meta_path[:] = [one for one in sys.meta_path if not (isinstance(one, _Finder) and one.alias == alias)]
    for name in [name for name in sys.modules if name == alias or name.startswith(f"{alias}.")]:
        del sys.modules[name]


def _alias(package: str, suffix: str) -> str:
    return f"{package}__{suffix}"


class _Finder(MetaPathFinder):
    """Finds the modules of one version below its alias."""

    def __init__(self, home: Path, package: str, alias: str) -> None:
        self.alias, self._home = alias, home
        self._builtins = {**vars(builtins), "__import__": _redirected(package, alias)}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.alias and not fullname.startswith(f"{self.alias}."):
            return None
        place = self._home.joinpath(*fullname.split(".")[1:])
        if (place / "__init__.py").is_file():
            file = place / "__init__.py"
            loader = _Loader(fullname, str(file), self._builtins)
            return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=[str(place)])
        file = place.with_name(f"{place.name}.py")
        if not file.is_file():
            return None
        return spec_from_file_location(fullname, file, loader=_Loader(fullname, str(file), self._builtins))


class _Loader(SourceFileLoader):
    """Runs a module's source with imports that lead to its own version."""

    def __init__(self, fullname: str, path: str, own_builtins: Mapping[str, Any]) -> None:
        super().__init__(fullname, path)
        self._own_builtins = own_builtins

    def get_code(self, fullname: str) -> CodeType:
        # From the source alone: it is what the digest covers, and no bytecode is written beside it.
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module: ModuleType) -> None:
        # Every function that the module defines looks its builtins up here, whenever it runs.
        vars(module)["__builtins__"] = self._own_builtins
        super().exec_module(module)


def _redirected(package: str, alias: str) -> Callable[..., ModuleType]:
    def find(name: str, *others: Any, **options: Any) -> ModuleType:
        level = options.get("level", others[3] if len(others) > 3 else 0)
        if level == 0 and (name == package or name.startswith(f"{package}.")):
            name = alias + name.removeprefix(package)
        return builtins.__import__(name, *others, **options)

    return find
