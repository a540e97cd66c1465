"""The two executables that the engine looks for on PATH: the language host and the server of dynamic providers."""

import shlex
import shutil
from pathlib import Path

__all__ = ["HOST", "PROVIDER", "has_host", "place"]

HOST = "pulumi-language-python"
PROVIDER = "pulumi-resource-pulumi-python"


def has_host(pulumi: Path, path: str) -> bool:
    """Returns whether `pulumi` comes with a Python language host: beside its executable, or on the person's PATH."""
    beside = pulumi.resolve().with_name(HOST)
    return beside.exists() or shutil.which(HOST, path=path) is not None


def place(folder: Path, venv: Path, pulumi: Path, *, wanted: bool) -> None:
    """Puts the launchers into `folder`, or takes them away where the person's own host is to be found instead.

    Args:
        folder: one that is on PATH; never the environment's bin, where they would shadow an official host for good.
        venv: the environment that runs the host, and programs that name none while none is active.
        pulumi: the engine's executable.
        wanted: whether our host is the one to use.
    """
    if wanted:
        _put_beside(folder, pulumi)
    server, provider = (
        shlex.quote(str(Path(__file__).resolve().with_name(name))) for name in ("server.py", "provider.py")
    )
    interpreter = shlex.quote(str(venv / "bin" / "python3"))
    # The engine names a project's own environment in the first variable, a shell the active one in the second.
    chosen = f'"${{PULUMI_RUNTIME_VIRTUALENV:-${{VIRTUAL_ENV:-{venv}}}}}/bin/python3"'
    commands = {HOST: f"{interpreter} {server}", PROVIDER: f"{chosen} -u {provider}"}
    for name, command in commands.items():
        if not wanted:
            (folder / name).unlink(missing_ok=True)
            continue
        fresh = folder / f".{name}.new"
        fresh.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        fresh.chmod(0o755)
        fresh.replace(folder / name)


def _put_beside(folder: Path, pulumi: Path) -> None:
    """Makes `pulumi` a file of `folder`: the engine warns about a host that is not beside its own executable."""
    own = folder / "pulumi"
    if own.is_file() and not own.is_symlink() and own.stat().st_mtime_ns == pulumi.stat().st_mtime_ns:
        return
    fresh = folder / ".pulumi.new"
    fresh.unlink(missing_ok=True)
    try:
        fresh.hardlink_to(pulumi)
    except OSError:  # another disk
        shutil.copy2(pulumi, fresh)
    fresh.replace(own)
