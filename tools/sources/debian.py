"""Prometheus and Alertmanager, unpacked from Debian packages: no root rights, nothing installed, no service started."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report
from tools.errors import CommandError

__all__ = ["unpack_alertmanager", "unpack_prometheus"]

SYSTEM_LISTS = Path("/var/lib/apt/lists")


def unpack_prometheus(root: Path, folder: Path, scratch: Path) -> None:
    """Puts `prometheus` and `promtool` into `folder`.

    Raises:
        ShipwayError: when apt-get or dpkg is missing, or no archive answers.
    """
    executables = {"prometheus": "prometheus", "promtool": "promtool"}
    _unpack("prometheus", "prometheus", "20 MB", executables, folder, scratch)


def unpack_alertmanager(root: Path, folder: Path, scratch: Path) -> None:
    """Puts `alertmanager`, which the package calls prometheus-alertmanager, and `amtool` into `folder`.

    Raises:
        ShipwayError: when apt-get or dpkg is missing, or no archive answers.
    """
    executables = {"prometheus-alertmanager": "alertmanager", "amtool": "amtool"}
    _unpack("alertmanager", "prometheus-alertmanager", "11 MB", executables, folder, scratch)


def _unpack(subject: str, package: str, size: str, executables: Mapping[str, str], folder: Path, scratch: Path) -> None:
    """Puts the executables of `package`, from its name for each to ours, into `folder`."""
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise ShipwayError(f"there is no {program} on PATH")
    download = folder / "download"
    download.mkdir()
    with report.step(subject, f"downloading the Debian package (about {size})"):
        _download(subject, package, download, scratch / f"apt-{package}")
    archive = next(download.glob("*.deb"))
    report.run(["dpkg", "-x", archive, download / "root"], subject=subject)
    for theirs, ours in executables.items():
        (download / "root" / "usr" / "bin" / theirs).rename(folder / ours)
    shutil.rmtree(download)


def _download(subject: str, package: str, folder: Path, own: Path) -> None:
    """Downloads with the system's package lists, else with lists of our own: none may be there, or long outdated."""
    if any(SYSTEM_LISTS.glob("*Packages*")):
        try:
            report.run(["apt-get", "-q", "download", package], subject=subject, cwd=folder)
        except CommandError:
            report.say(subject, "not to be had by the system's package lists; reading fresh ones")
        else:
            return
    options = own_lists(own)
    report.run(["apt-get", "-q", *options, "update"], subject=subject, cwd=folder)
    report.run(["apt-get", "-q", *options, "download", package], subject=subject, cwd=folder)
    shutil.rmtree(own)


def own_lists(folder: Path) -> list[str]:
    """Makes a place for package lists below `folder` and returns the options that make apt-get use it."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [
        "-o",
        f"Dir::State::lists={folder / 'lists'}",
        "-o",
        f"Dir::Cache={folder}",
        "-o",
        # apt-get update ends with status 0 when an archive does not answer, unless told otherwise.
        "APT::Update::Error-Mode=any",
        # Root hands downloads to the user _apt, who may not enter a private home folder.
        "-o",
        "APT::Sandbox::User=root",
    ]
