"""What tests need besides programs of one version: each in a folder of the tool cache that its pins' hash names."""

import hashlib
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import disk, locks, report, venv
from tools.sources import go_module

__all__ = ["CHECKOV_LOCK", "PEERS", "WORKFLOWS_LOCK", "checkov", "definitions", "peer", "workflow_checkers"]

CHECKOV_LOCK = Path("tools", "checkov", "requirements.lock")
WORKFLOWS_LOCK = Path("tools", "workflows", "requirements.lock")
# What benchmarks are held against: the packages' names, each with its lock.
PEERS = {name: Path("tools", name, "requirements.lock") for name in ("evidently", "nannyml")}
_DEFINITIONS_SUM = Path("tools", "crds", "go.sum")
# Unpacked packages; the modules that hold the definitions, which are removed again.
_CHECKOV_MIB, _DEFINITIONS_MIB, _PEER_MIB, _WORKFLOWS_MIB = 400, 600, 1500, 150


def checkov(root: Path, cache: Path) -> Path:
    """Returns the program `checkov`, installed as its lock says where it is not there yet.

    It has an environment of its own, because its pins contradict Pulumi's.

    Args:
        root: the repository.
        cache: the tool cache.

    Raises:
        ShipwayError: when no index answers or the disk is full.
    """
    # The interpreter too: its packages hold compiled code, and the launcher names it.
    interpreter = Path(sys.executable).resolve()
    key = (root / CHECKOV_LOCK).read_bytes() + f"{interpreter} {sys.version}".encode()

    def make(unfinished: Path, folder: Path) -> None:
        with report.step("checkov", f"installing what {CHECKOV_LOCK} names"):
            packages = ["--no-deps", "--target", str(unfinished / "packages"), "-r", str(root / CHECKOV_LOCK)]
            venv.install(root, packages, subject="checkov", cache=cache)
        if not (unfinished / "packages" / "checkov" / "main.py").exists():
            raise ShipwayError(f"{CHECKOV_LOCK} brought no checkov")
        _launch(unfinished / "checkov", folder / "packages", interpreter, "checkov.main")

    return _folder("checkov", key, cache, _CHECKOV_MIB, make) / "checkov"


def workflow_checkers(root: Path, cache: Path) -> Path:
    """Returns the folder of `zizmor` and `check-jsonschema`, installed as their lock says where they are not there yet.

    Args:
        root: the repository.
        cache: the tool cache.

    Raises:
        ShipwayError: when no index answers or the disk is full.
    """
    interpreter = Path(sys.executable).resolve()
    key = (root / WORKFLOWS_LOCK).read_bytes() + f"{interpreter} {sys.version}".encode()

    def make(unfinished: Path, folder: Path) -> None:
        packages = unfinished / "packages"
        with report.step("workflows", f"installing what {WORKFLOWS_LOCK} names"):
            arguments = ["--no-deps", "--target", str(packages), "-r", str(root / WORKFLOWS_LOCK)]
            venv.install(root, arguments, subject="workflows", cache=cache)
        for program in (packages / "bin" / "zizmor", packages / "check_jsonschema" / "__main__.py"):
            if not program.exists():
                raise ShipwayError(f"{WORKFLOWS_LOCK} brought no {program.relative_to(packages)}")
        (unfinished / "zizmor").symlink_to(Path("packages", "bin", "zizmor"))
        _launch(unfinished / "check-jsonschema", folder / "packages", interpreter, "check_jsonschema")

    return _folder("workflows", key, cache, _WORKFLOWS_MIB, make)


def _launch(path: Path, packages: Path, interpreter: Path, module: str) -> None:
    """Writes a program that runs `module` from `packages`, which will lie there when it is called."""
    # -S: the interpreter's own packages, whatever they are, stay out of it.
    launcher = f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(packages))} PYTHONWARNINGS=ignore "
    launcher += f'exec {shlex.quote(str(interpreter))} -S -m {module} "$@"\n'
    path.write_text(launcher, encoding="utf-8")
    path.chmod(0o755)


def peer(root: Path, cache: Path, name: str) -> Path:
    """Returns the folder of a peer's packages, installed as its lock says where they are not there yet.

    Args:
        root: the repository.
        cache: the tool cache.
        name: one of PEERS.

    Raises:
        ShipwayError: when no index answers or the disk is full.
    """
    lock = PEERS[name]
    key = (root / lock).read_bytes() + f"{Path(sys.executable).resolve()} {sys.version}".encode()

    def make(unfinished: Path, _folder: Path) -> None:
        with report.step(name, f"installing what {lock} names"):
            packages = ["--no-deps", "--target", str(unfinished), "-r", str(root / lock)]
            venv.install(root, packages, subject=name, cache=cache)
        if not (unfinished / name / "__init__.py").exists():
            raise ShipwayError(f"{lock} brought no {name}")

    return _folder(name, key, cache, _PEER_MIB, make)


def definitions(root: Path, cache: Path) -> Path:
    """Returns a folder with the custom resource definitions that charts would bring, as tools/crds pins them.

    Args:
        root: the repository.
        cache: the tool cache.

    Raises:
        ShipwayError: when Go is missing or too old, or no proxy answers.
    """
    key = (root / _DEFINITIONS_SUM).read_bytes()

    def make(unfinished: Path, _folder: Path) -> None:
        go_module.gather_definitions(root, unfinished, cache)

    return _folder("crds", key, cache, _DEFINITIONS_MIB, make)


def _folder(name: str, key: bytes, cache: Path, needed_mib: int, make: Callable[[Path, Path], None]) -> Path:
    """Returns the folder of `key`, whole or not at all; `make` fills it and is told where it will lie."""
    folder = cache / f"{name}-{hashlib.sha256(key).hexdigest()[:16]}"
    if folder.exists():
        return folder

    def wait(message: str) -> None:
        report.say(name, message)

    with locks.exclusive(cache / f".{name}.lock", f"getting {name}", on_wait=wait):
        if folder.exists():  # by whoever held the lock before
            return folder
        disk.require_room(cache, needed_mib, f"getting {name}")
        unfinished = cache / f".{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed; nobody else is here, we hold the lock
        unfinished.mkdir(parents=True)
        try:
            make(unfinished, folder)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder
