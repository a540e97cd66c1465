"""Prometheus and promtool, unpacked from the Debian package: no root rights, nothing installed, no service started."""

import shutil
from pathlib import Path

from shipway.contract.errors import ShipwayError
from tools import report
from tools.errors import CommandError

__all__ = ["unpack_prometheus"]

PACKAGE = "prometheus"
SYSTEM_LISTS = Path("/var/lib/apt/lists")


def unpack_prometheus(root: Path, folder: Path, scratch: Path) -> None:
    """Puts `prometheus` and `promtool` into `folder`.

    Raises:
        ShipwayError: when apt-get or dpkg is missing, or no archive answers.
    """
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise ShipwayError(f"there is no {program} on PATH")
    download = folder / "download"
    download.mkdir()
    with report.step(PACKAGE, "downloading the Debian package (about 20 MB)"):
        _download(download, scratch / "apt")
    package = next(download.glob("*.deb"))
    report.run(["dpkg", "-x", package, download / "root"], subject=PACKAGE)
    for name in ("prometheus", "promtool"):
        (download / "root" / "usr" / "bin" / name).rename(folder / name)
    shutil.rmtree(download)


def _download(folder: Path, own: Path) -> None:
    """Downloads with the system's package lists, else with lists of our own: none may be there, or long outdated."""
    if any(SYSTEM_LISTS.glob("*Packages*")):
        try:
            report.run(["apt-get", "-q", "download", PACKAGE], subject=PACKAGE, cwd=folder)
        except CommandError:
            report.say(PACKAGE, "not to be had by the system's package lists; reading fresh ones")
        else:
            return
    options = own_lists(own)
    report.run(["apt-get", "-q", *options, "update"], subject=PACKAGE, cwd=folder)
    report.run(["apt-get", "-q", *options, "download", PACKAGE], subject=PACKAGE, cwd=folder)
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
