"""What every verb needs first: the project, the service, who acts, and how to print."""

import difflib
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

from shipway.contract.errors import ShipwayError
from shipway.contract.layout import find_root, services
from shipway.contract.model import ModelSpec, load_model

__all__ = ["actor", "emit", "progress", "project", "service"]


def project() -> Path:
    """Returns the root of the project the command runs in.

    Raises:
        SpecError: outside any project.
    """
    return find_root(Path.cwd())


def service(root: Path, model: str) -> tuple[Path, ModelSpec]:
    """Returns the folder and the spec of `model`.

    Raises:
        ShipwayError: when there is no such model, with the nearest name as a suggestion.
    """
    folders = {folder.name.replace("_", "-"): folder for folder in services(root)}
    if model not in folders:
        near = difflib.get_close_matches(model, folders, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known models: {', '.join(folders) or 'none'}"
        raise ShipwayError(f"no model {model!r} in {root / 'services'}; {hint}")
    return folders[model], load_model(folders[model] / "model.yaml")


def actor() -> str:
    """Returns who acts, for the ledger: SHIPWAY_ACTOR where a pipeline sets it, else the login name."""
    return os.environ.get("SHIPWAY_ACTOR") or getpass.getuser()


def progress(message: str) -> None:
    """Tells the person what is going on, on standard error, so that standard output stays for results."""
    print(message, file=sys.stderr, flush=True)


def emit(result: dict[str, Any] | list[Any], text: str, *, as_json: bool) -> None:
    """Prints the result: one line of JSON where asked for, else the text."""
    print(json.dumps(result, sort_keys=True) if as_json else text, flush=True)
