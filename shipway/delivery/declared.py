"""The routes Pulumi declared, read one by one: a broken file is reported and never stands in another model's way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.documents import parse, read_json
from shipway.contract.errors import SpecError
from shipway.contract.route import RouteSpec

__all__ = ["Declared", "DeclaredRoutes", "read_declared"]

_Mark = tuple[int, int, int]


@dataclass(frozen=True)
class Declared:
    """What routes/ holds.

    Args:
        specs: model -> its route.
        broken: model -> what is wrong with its file, in one sentence.
        unlisted: why it is not known what else is declared, empty when all of it is here.
    """

    specs: Mapping[str, RouteSpec]
    broken: Mapping[str, str]
    unlisted: str = ""


class DeclaredRoutes:
    """The folder of declared routes; a file that did not change since it was read is not read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Mark, RouteSpec]] = {}

    def read(self) -> Declared:
        """Returns every declared route and every file that is not one."""
        specs: dict[str, RouteSpec] = {}
        broken: dict[str, str] = {}
        known: dict[str, tuple[_Mark, RouteSpec]] = {}
        try:
            paths = sorted(path for path in self._folder.iterdir() if _declares(path))
        except OSError as error:
            return Declared({}, {}, f"{self._folder}: cannot be listed ({error.strerror})")
        for path in paths:
            try:
                mark = _mark(path)
                before = self._known.get(path.stem)
                spec = before[1] if before is not None and before[0] == mark else _read(path)
                known[path.stem] = (mark, spec)
            except SpecError as error:
                broken[path.stem] = str(error)
            except OSError as error:
                broken[path.stem] = f"{path}: cannot be read ({error.strerror})"
            else:
                specs[path.stem] = spec
        self._known = known
        return Declared(specs, broken)


def read_declared(folder: Path) -> Declared:
    """Returns every declared route in `folder` and every file that is not one."""
    return DeclaredRoutes(folder).read()


def _declares(path: Path) -> bool:
    return path.suffix == ".json" and not path.name.startswith(".")


def _mark(path: Path) -> _Mark:
    # A file is replaced by a rename, so a changed one is another file.
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> RouteSpec:
    spec = parse(RouteSpec, read_json(path), path)
    if spec.model != path.stem:
        raise SpecError(path, "model", spec.model, f"the file's own model, {path.stem!r}")
    return spec
