"""Whether a new model may have a name: the contract's rules, names already taken, and names Python means otherwise."""

import importlib.util
import sys
from pathlib import Path

from shipway.contract.naming import MODEL_NAME_MAX_LENGTH, check_model_name

__all__ = ["check_new_name"]


def check_new_name(name: str, services: Path, *, rendering: bool = False) -> str:
    """Returns what is wrong with `name` for a new model, with a suggestion, or an empty string when it is free.

    Args:
        name: the name asked for.
        services: the folder that holds the services.
        rendering: whether the new service's own folder is there already, empty.
    """
    if problem := check_model_name(name):
        return problem
    package = name.replace("-", "_")
    if (services / package).exists() and not rendering:
        return f"a free name: {services / package} exists already; try {_free(name, services)!r}"
    if _means_something_else(package, services):
        return f"a name that Python does not import already, not {name!r}; try {_free(name, services)!r}"
    return ""


def _means_something_else(package: str, services: Path) -> bool:
    # A service's folder comes first on the path, so `json` or `numpy` would hide the real one from every library.
    if package in sys.stdlib_module_names:
        return True
    found = importlib.util.find_spec(package)
    origins = [found.origin or "", *(found.submodule_search_locations or [])] if found else []
    return any(origin and not Path(origin).resolve().is_relative_to(services.resolve()) for origin in origins)


def _free(name: str, services: Path) -> str:
    stem = f"{name.removesuffix('-model')[: MODEL_NAME_MAX_LENGTH - 9].strip('-')}-model"
    for candidate in [stem, *(f"{stem}-{number}" for number in range(2, 100))]:
        package = candidate.replace("-", "_")
        if not ((services / package).exists() or _means_something_else(package, services)):
            return candidate
    return stem
