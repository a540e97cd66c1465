"""What every verb needs first: the project, the service, who acts, and how to print."""

import contextlib
import difflib
import getpass
import json
import math
import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

from shipway.contract.environment import PortsSpec, environment_path, load_environment
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import LocalLayout, find_root, services
from shipway.contract.model import ModelSpec, load_model
from shipway.delivery.process import local_ports

__all__ = ["actor", "emit", "in_order", "local", "own_code", "progress", "project", "service", "table"]


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
        SpecError: when its model.yaml has another name, as in a copied folder, whose code would import the original's.
    """
    folders = {folder.name.replace("_", "-"): folder for folder in services(root)}
    if model not in folders:
        near = difflib.get_close_matches(model, folders, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known models: {', '.join(folders) or 'none'}"
        raise ShipwayError(f"no model {model!r} in {root / 'services'}; {hint}")
    folder = folders[model]
    spec = load_model(folder / "model.yaml")
    if folder.name != spec.package:
        raise SpecError(folder / "model.yaml", "name", spec.name, f"{model!r}, after its folder")
    return folder, spec


def actor() -> str:
    """Returns who acts, for the ledger: SHIPWAY_ACTOR where a pipeline sets it, else the login name.

    Raises:
        SpecError: where there is neither, as in a container whose user has no name.
    """
    if named := os.environ.get("SHIPWAY_ACTOR", "").strip():
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        expected = f"who acts: user {os.getuid()} of this machine has no name"
        raise SpecError("the environment", "SHIPWAY_ACTOR", "", expected) from None


def progress(message: str) -> None:
    """Tells the person what is going on, on standard error, so that standard output stays for results."""
    print(message, file=sys.stderr, flush=True)


def emit(result: dict[str, Any] | list[Any], text: str, *, as_json: bool) -> None:
    """Prints the result: one line of JSON where asked for, else the text."""
    print(json.dumps(_finite(result), sort_keys=True, allow_nan=False) if as_json else text, flush=True)


def _finite(value: Any) -> Any:
    """Returns `value` with null for what JSON has no number for: NaN and the infinities, which its readers refuse."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in cast(Sequence[Any], value)]
    return value


@contextmanager
def own_code() -> Generator[None]:
    """Sends to standard error what a service's own code prints meanwhile, and what that starts: output is the result's.

    A `print` in a train.py would otherwise stand before the one line of JSON that a pipeline reads.
    """
    with contextlib.ExitStack() as undone:
        # What it starts, and libraries of other languages, print to the descriptor, whatever Python's name for it is.
        with contextlib.suppress(OSError):
            kept = os.dup(1)
            undone.callback(os.close, kept)
            os.dup2(2, 1)
            undone.callback(os.dup2, kept, 1)
        undone.enter_context(contextlib.redirect_stdout(sys.stderr))
        yield


@contextmanager
def in_order() -> Generator[None]:
    """Lets SIGTERM, which a build server says that gives up, end the block as Ctrl-C does: what it started ends too."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns `rows` below `head`, in columns as wide as they need to be."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)
