"""What every verb needs first: the project, the service, who acts, and how to print."""

import difflib
import getpass
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipway.contract.environment import PortsSpec, environment_path, load_environment
from shipway.contract.errors import ShipwayError
from shipway.contract.layout import LocalLayout, find_root, services
from shipway.contract.model import ModelSpec, load_model
from shipway.delivery.process import local_ports

__all__ = ["actor", "emit", "local", "progress", "project", "service", "table"]


def project() -> Path:
    """Returns the root of the project the command runs in.

    Raises:
        SpecError: outside any project.
    """
    return find_root(Path.cwd())


def local(root: Path, env: str) -> tuple[LocalLayout, PortsSpec]:
    """Returns where the local environment `env` keeps its files, and its ports.

    Raises:
        SpecError: when there is no such environment, or it is on another target.
    """
    return LocalLayout(root, env), local_ports(load_environment(root, env), environment_path(root, env))


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


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns `rows` below `head`, in columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)
