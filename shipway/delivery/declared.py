"""The routes Pulumi declared, read one by one: a broken file is reported and never stands in another model's way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.documents import parse, read_json
from shipway.contract.errors import SpecError
from shipway.contract.route import RouteSpec

__all__ = ["Declared", "read_declared"]


@dataclass(frozen=True)
class Declared:
    """What routes/ holds.

    Args:
        specs: model -> its route.
        broken: model -> what is wrong with its file, in one sentence.
    """

    specs: Mapping[str, RouteSpec]
    broken: Mapping[str, str]


def read_declared(folder: Path) -> Declared:
    """Returns every declared route in `folder` and every file that is not one."""
    specs: dict[str, RouteSpec] = {}
    broken: dict[str, str] = {}
    for path in sorted(folder.glob("[!.]*.json")):
        try:
            spec = parse(RouteSpec, read_json(path), path)
            if spec.model != path.stem:
                raise SpecError(path, "model", spec.model, f"the file's own model, {path.stem!r}")
        except SpecError as error:
            broken[path.stem] = str(error)
        except OSError as error:
            broken[path.stem] = f"{path}: cannot be read ({error.strerror})"
        else:
            specs[path.stem] = spec
    return Declared(specs, broken)
