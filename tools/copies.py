"""A copy of this checkout that has a platform of its own: what git would commit now, on ports of its own."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.errors import ShipwayError

__all__ = ["change", "copy_checkout", "own_variables"]

# What a shell has that sourced another checkout's .shipway/env, or that runs below another make.
_FOREIGN = ("ENV", "GNUMAKEFLAGS", "MAKE", "MFLAGS", "ONLY", "PULUMI_", "PYTHON", "SHIPWAY_", "VIRTUAL_ENV")


def copy_checkout(root: Path, folder: Path, base: int) -> None:
    """Writes the project at `root`, as git would commit it now, into the new folder `folder`.

    Args:
        root: a checkout.
        folder: where the copy goes.
        base: the first port of its platform.
    """
    listed = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        # A link to a folder is a link in the copy, too.
        if name and ((root / name).is_file() or (root / name).is_symlink()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name, follow_symlinks=False)
    change(folder / "stacks" / "Pulumi.local.yaml", r"base: \d+", f"base: {base}")


def change(path: Path, pattern: str, instead: str) -> None:
    """Replaces the one place in the file where `pattern` matches.

    Raises:
        ShipwayError: when there is none, or more than one.
    """
    text, count = re.subn(pattern, lambda _: instead, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ShipwayError(
            f"{path}: found {pattern!r} {count} times, expected once; the copy's maker knows an older file"
        )
    path.write_text(text, encoding="utf-8")


def own_variables(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """Returns the variables of a shell that has sourced nothing of `root`, the base interpreter first on PATH."""
    path = [entry for entry in environ.get("PATH", "").split(os.pathsep) if not entry.startswith(str(root))]
    kept = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    # The interpreter behind this one: an environment made from an environment would depend on it.
    return kept | {"PATH": os.pathsep.join([str(Path(sys.base_prefix) / "bin"), *path])}
