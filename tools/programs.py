"""Finds each external program: PATH first, then the cache, else obtains it into the cache, whole or not at all."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import disk, locks, report
from tools.errors import ToolError
from tools.pins import Tool, Version, parse_version

__all__ = ["Found", "cache_folder", "locate", "machine_path"]

CACHE_VARIABLE = "SHIPWAY_TOOL_CACHE"


@dataclass(frozen=True)
class Found:
    """Where a tool's executables are.

    Args:
        tool: which.
        folder: the folder that holds them.
        obtained: whether it is the cache's rather than the machine's own.
    """

    tool: Tool
    folder: Path
    obtained: bool


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Returns the tool cache: SHIPWAY_TOOL_CACHE, else shipway/tools in the person's cache folder."""
    if named := environ.get(CACHE_VARIABLE):
        return Path(named).expanduser().absolute()
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shipway" / "tools"


def locate(tool: Tool, root: Path, environ: Mapping[str, str], cache: Path) -> Found:
    """Returns a fitting `tool`, obtaining it where neither PATH nor the cache has one.

    Raises:
        ToolError: when it cannot be obtained; it names the three ways to get it.
    """
    on_path, seen = _on_path(tool, environ)
    if on_path:
        return Found(tool, on_path, obtained=False)
    cached = _cached(tool, cache)
    if cached:
        return Found(tool, cached, obtained=True)

    def wait(message: str) -> None:
        report.say(tool.name, message)

    with locks.exclusive(cache / f".{tool.name}.lock", f"getting {tool.name}", on_wait=wait):
        cached = _cached(tool, cache)  # by whoever held the lock before
        if cached is None:
            try:
                cached = _obtain(tool, root, cache)
            except (ShipwayError, OSError) as error:
                raise ToolError(
                    tool.name,
                    accepted=tool.accepted,
                    path=seen,
                    cache=cache / f"{tool.name}-{tool.pinned}" / tool.executables[0],
                    source=tool.source,
                    failure=str(error),
                ) from error
    return Found(tool, cached, obtained=True)


def machine_path(environ: Mapping[str, str]) -> list[str]:
    """Returns the folders on PATH without those of a checkout, whose links must not pass for the machine's programs."""
    entries = environ.get("PATH", os.defpath).split(os.pathsep)
    return [entry for entry in entries if entry and ".shipway" not in Path(entry).parts]


def version_of(executable: Path, tool: Tool) -> Version | None:
    """Returns the version that `executable` prints, None where it does not run or prints none."""
    try:
        printed = subprocess.run(
            [executable, *tool.version_arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(printed.stdout + printed.stderr)


def _on_path(tool: Tool, environ: Mapping[str, str]) -> tuple[Path | None, str]:
    """Returns the folder on PATH with all executables of a fitting version, and what was seen, in words."""
    seen = "none"
    for entry in machine_path(environ):
        executable = shutil.which(tool.executables[0], path=entry)
        if executable is None:
            continue
        version = version_of(Path(executable), tool)
        if not tool.accepts(version):
            seen = f"{executable}, version {'.'.join(map(str, version)) if version else 'unknown'}"
        elif missing := [name for name in tool.executables if not shutil.which(name, path=entry)]:
            seen = f"{executable}, without {', '.join(missing)}"
        else:
            return Path(entry), executable
    return None, seen


def _cached(tool: Tool, cache: Path) -> Path | None:
    """Returns the newest fitting folder of the cache."""
    fitting = {
        version: folder
        for folder in cache.glob(f"{tool.name}-*")
        if (version := parse_version(folder.name))
        and tool.accepts(version)
        and all(os.access(folder / name, os.X_OK) for name in tool.executables)
    }
    return fitting[max(fitting)] if fitting else None


def _obtain(tool: Tool, root: Path, cache: Path) -> Path:
    disk.require_room(cache, tool.needed_mib, f"getting {tool.name}")
    unfinished = cache / f".{tool.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed; nobody else is here, we hold the lock
    unfinished.mkdir(parents=True)
    try:
        tool.obtain(root, unfinished, cache)
        version = version_of(unfinished / tool.executables[0], tool)
        if version is None or not tool.accepts(version):
            got = ".".join(map(str, version)) if version else "a program that does not run here"
            raise ShipwayError(f"it gave {got}, expected {tool.accepted}")
        # Named by what it is: an archive may hold a newer version than the pin.
        folder = cache / f"{tool.name}-{'.'.join(map(str, version))}"
        shutil.rmtree(folder, ignore_errors=True)  # incomplete, or it would have been found
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
