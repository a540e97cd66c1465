"""The Python environment below .shipway/venv, exactly as requirements.lock says, and the installer that fills it."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import disk, report
from tools.errors import CommandError

__all__ = ["ensure", "folder", "install", "python"]

# Unpacked packages, and uv's or pip's cache of them where the two cannot share blocks.
NEEDED_MIB = 3000


def folder(root: Path) -> Path:
    """Returns where the environment of the project at `root` lies."""
    return root / ".shipway" / "venv"


def python(root: Path) -> Path:
    """Returns the environment's interpreter."""
    return folder(root) / "bin" / "python"


def ensure(root: Path, cache: Path) -> None:
    """Makes the environment match the lock; costs nothing when it does already.

    Args:
        root: the repository.
        cache: where uv and pip keep what they downloaded.

    Raises:
        ShipwayError: when there is no way to make or fill it.
    """
    stamp = folder(root) / "shipway.stamp"
    wanted = key(root)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted and python(root).exists():
        report.say("python", "environment is up to date")
        return
    disk.require_room(root, NEEDED_MIB, "the Python environment")
    stamp.unlink(missing_ok=True)
    if _interpreter_version(root) != sys.version_info[:2]:
        shutil.rmtree(folder(root), ignore_errors=True)
        with report.step("python", f"making {folder(root)} with Python {sys.version.split()[0]}"):
            _create(root)
    with report.step("python", "installing what requirements.lock names (a minute, more where nothing is cached)"):
        install(root, ["-r", str(root / "requirements.lock")], subject="python", cache=cache, exact=True)
    with report.step("python", "installing shipway itself, editable"):
        arguments = ["--no-deps", "--no-build-isolation", "--editable", str(root)]
        install(root, arguments, subject="python", cache=cache, hashed=False)
    stamp.write_text(wanted, encoding="utf-8")


def key(root: Path) -> str:
    """Returns what the environment depends on, as one hash: packages, metadata, interpreter and its own place."""
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    digest.update(f"{folder(root)} {sys.version}".encode())
    return digest.hexdigest()


def install(
    root: Path, arguments: Sequence[str], *, subject: str, cache: Path, exact: bool = False, hashed: bool = True
) -> None:
    """Installs packages with uv, or with pip where uv is not to be had or fails.

    Args:
        root: the repository whose environment is meant.
        arguments: those of `pip install`, which uv understands too.
        subject: whose progress it is.
        cache: where downloads are kept.
        exact: also remove what is not named (uv only); `arguments` is then one requirements file.
        hashed: refuse what has no pinned hash.

    Raises:
        ShipwayError: when the environment has no installer at all.
        CommandError: when each installer failed; the last one's output.
    """
    env = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CACHE_DIR": str(cache / "pip")}
    env.setdefault("UV_CACHE_DIR", str(cache / "uv"))
    hashes = ["--require-hashes"] if hashed else []
    into = ["--python", str(python(root))]
    uv = _uv(root, env)
    if uv is not None:
        if exact:
            command = [uv, "pip", "sync", *hashes, *into, *arguments[1:]]
        else:
            command = [uv, "pip", "install", *hashes, *into, *arguments]
        try:
            report.run(command, subject=subject, env=env)
        except CommandError as error:
            # The indexes that a person set up for pip alone are unknown to uv.
            report.say(subject, f"uv could not ({_gist(error)}); trying pip, which takes minutes")
        else:
            return
    report.run([*_pip(root), "install", "--quiet", *hashes, *arguments], subject=subject, env=env)


def _create(root: Path) -> None:
    # Debian keeps ensurepip in a package of its own; uv and a system-wide pip do without.
    without_pip = bool(shutil.which("uv")) or not _has("ensurepip")
    options = ["--without-pip"] if without_pip else []
    report.run([sys.executable, "-m", "venv", *options, folder(root)], subject="python")


def _uv(root: Path, env: dict[str, str]) -> str | None:
    """Returns uv: the one on PATH, else the environment's own, put there by pip at the version and hash of the lock."""
    own = folder(root) / "bin" / "uv"
    found = shutil.which("uv") or (str(own) if own.exists() else None)
    if found:
        return found
    try:
        pinned = folder(root) / "uv.requirements"
        pinned.write_text(lock_entry((root / "requirements.lock").read_text(encoding="utf-8"), "uv"), encoding="utf-8")
        report.say("python", "getting uv by pip, to install the rest with")
        command = [*_pip(root), "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(pinned)]
        report.run(command, subject="python", env=env)
    except CommandError as error:
        report.say("python", f"no uv ({_gist(error)})")
        return None
    return str(own)


def lock_entry(lock: str, package: str) -> str:
    """Returns the lines of a compiled requirements file that pin `package` and its hashes.

    Raises:
        ShipwayError: when the file does not name it.
    """
    found = re.search(rf"^{re.escape(package)}==.*(?:\n +--hash=.*)*", lock, flags=re.MULTILINE)
    if not found:
        raise ShipwayError(f"requirements.lock pins no {package}")
    return found[0] + "\n"


def _pip(root: Path) -> list[str]:
    interpreter = str(python(root))
    probe = subprocess.run([interpreter, "-c", "import pip"], capture_output=True, check=False)
    if probe.returncode == 0:
        return [interpreter, "-m", "pip"]
    if _has("pip"):
        return [sys.executable, "-m", "pip", "--python", interpreter]
    raise ShipwayError(
        f"{sys.executable} can make no environment with an installer in it: put uv on PATH, "
        "or add the interpreter's ensurepip (Debian: apt-get install python3-venv)"
    )


def _interpreter_version(root: Path) -> tuple[int, int] | None:
    """Returns the environment's Python version, None where there is no environment that runs."""
    ask = "import sys; print(*sys.version_info[:2])"
    try:
        printed = subprocess.run([python(root), "-I", "-c", ask], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor = printed.split()
    return int(major), int(minor)


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _gist(error: CommandError) -> str:
    """Returns the line of an installer's output that says what went wrong: pip goes on after it."""
    lines = [line.strip() for line in error.output.splitlines() if line.strip()] or [str(error)]
    return next((line for line in lines if line.lower().startswith("error")), lines[-1])
