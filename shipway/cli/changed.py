"""`shipway changed`: which models a pipeline has to look at again."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from shipway.cli.context import emit, progress, project
from shipway.contract.changes import changed_services
from shipway.contract.errors import ShipwayError, SpecError
from shipway.contract.layout import services

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the verb to `app`."""
    app.command(epilog="Example: shipway changed --base origin/main --json")(changed)


def changed(
    base: Annotated[str, typer.Option(help="the commit to compare with: where the change began")],
    as_json: Annotated[bool, typer.Option("--json", help="print the names as one line of JSON")] = False,
) -> None:
    """List the models whose service, or what all services stand on, changed since BASE, committed or not."""
    root = project()
    packages = [folder.name for folder in services(root)]
    names = [package.replace("_", "-") for package in changed_services(_paths(root, base), packages)]
    if not names:
        progress(f"no model changed since {base}")
    emit(names, "\n".join(names), as_json=as_json)


def _paths(root: Path, base: str) -> list[str]:
    """Returns the files below `root` that differ from where `base` and this checkout parted."""
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if commit is None:
        raise SpecError("the command line", "--base", base, "a commit that this checkout holds (is it a shallow one?)")
    # A file that moved counts in both places.
    listed = _git(root, "diff", "--name-only", "-z", "--no-renames", "--relative", "--merge-base", commit.strip())
    added = _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    if listed is None or added is None:
        raise ShipwayError(
            f"{root}: git finds no commit that {base} and this checkout share; fetch more of the history"
        )
    return [path for path in f"{listed}{added}".split("\0") if path]


def _git(root: Path, *arguments: str) -> str | None:
    """Returns what git printed, None where it refused."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8", check=False
        )
    except FileNotFoundError:
        raise ShipwayError("git is not on PATH, and it alone knows what changed") from None
    return done.stdout if done.returncode == 0 else None
