"""The base of models' images: a Python image, the locked packages a slot needs, and the part of Shipway that serves."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import shipway
from shipway.contract.errors import ArtifactError, ShipwayError
from shipway.images.documents import Image, Layer, assemble
from shipway.images.layers import Blobs, Entry, write_layer
from shipway.images.packages import Pinned

__all__ = [
    "LIBRARY",
    "BaseLabels",
    "assemble_base",
    "buildx_command",
    "install_packages",
    "python_version",
    "read_labels",
    "write_context",
]

PACKAGES_LABEL, VERSION_LABEL = "shipway.packages", "shipway.version"
_HOME = "opt/shipway"
# Packages and Shipway, on the path by PYTHONPATH: no installation of the base's own Python is touched.
LIBRARY = f"{_HOME}/lib"
# What a slot's process imports, and no more: a change to how Shipway delivers makes no new base.
_SERVED = ("artifacts", "contract", "bundle", "drift", "features", "logs", "objects", "serving")
_USER = "65532:65532"
_ENTRYPOINT = ("python", "-m", "shipway.serving")
_VARIABLES = {
    # The root is read-only, so that nothing compiled could be kept.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"/{LIBRARY}",
    "PYTHONUNBUFFERED": "1",
}
# The C library that wheels may expect; Debian 12's and Ubuntu 22.04's are newer.
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_INSTALL_SECONDS = 1800


@dataclass(frozen=True)
class BaseLabels:
    """What a base says of itself: its packages and the version of Shipway in it."""

    packages: dict[str, str]
    version: str


def read_labels(base: Image, reference: str) -> BaseLabels:
    """Returns what a base says it holds.

    Raises:
        ArtifactError: when `shipway base` did not make it: what is in it would be anybody's guess.
    """
    labels = base.labels
    if PACKAGES_LABEL not in labels or VERSION_LABEL not in labels:
        raise ArtifactError(f"{reference}: found no label {PACKAGES_LABEL}, expected a base that `shipway base` made")
    pairs = (one.partition("==") for one in labels[PACKAGES_LABEL].split())
    return BaseLabels({name: version for name, _, version in pairs}, labels[VERSION_LABEL])


def assemble_base(python: Image, reference: str, packages: Sequence[Pinned], installed: Path, blobs: Blobs) -> Image:
    """Returns the base: `python` with two more layers, which are written into `blobs`.

    Args:
        python: the Python image.
        reference: it, by digest.
        packages: what is installed.
        installed: where.
        blobs: where the layers go.
    """
    layers: list[Layer] = [
        write_layer(_files(installed, LIBRARY), blobs, compressed=True),
        write_layer(_own_files(), blobs, compressed=True),
    ]
    return assemble(
        python,
        layers,
        labels=_labels(packages, reference),
        variables=_VARIABLES,
        entrypoint=_ENTRYPOINT,
        user=_USER,
    )


def python_version(python: Image, reference: str) -> str:
    """Returns which Python an image has, such as 3.11.9.

    Raises:
        ArtifactError: when it does not say so.
    """
    version = python.variables.get("PYTHON_VERSION", "")
    if not version:
        raise ArtifactError(
            f"{reference}: found no PYTHON_VERSION in its environment, expected one of Python's own images"
        )
    return version


def install_packages(packages: Sequence[Pinned], folder: Path, version: str, architecture: str) -> None:
    """Installs `packages` into `folder` as they would be in the image, from wheels alone: no code of theirs runs here.

    Args:
        packages: what to install, each with its hashes.
        folder: an empty folder.
        version, architecture: the Python they will run with.

    Raises:
        ShipwayError: when they cannot be installed, with the installer's own last words.
    """
    lock = folder.with_suffix(".lock")
    lock.write_text(_lock(packages), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(folder), "--no-deps"),
        *("--require-hashes", "--only-binary", ":all:", "--python-version", version),
        *("--python-platform", _PLATFORMS[architecture], "--requirement", str(lock)),
    ]
    _run(command)
    # Their first lines name the interpreter of this machine, and nothing in the image calls them.
    shutil.rmtree(folder / "bin", ignore_errors=True)


def write_context(python: str, packages: Sequence[Pinned], folder: Path) -> None:
    """Writes what `docker buildx build` makes the same base of: a Dockerfile, the lock and Shipway's code."""
    engine = Environment(
        loader=PackageLoader("shipway.images"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - no HTML
    )
    text = engine.get_template("Dockerfile.j2").render(
        python=python,
        home=f"/{_HOME}",
        library=f"/{LIBRARY}",
        variables=sorted(_VARIABLES.items()),
        labels=sorted(_labels(packages, python).items()),
        user=_USER,
        entrypoint=list(_ENTRYPOINT),
    )
    shutil.rmtree(folder, ignore_errors=True)
    for entry in _own_files():
        target = folder / Path(entry.path).relative_to(LIBRARY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(entry.source), target)
    (folder / "requirements.lock").write_text(_lock(packages), encoding="utf-8")
    (folder / "Dockerfile").write_text(text, encoding="utf-8")


def buildx_command(folder: Path, repository: str, architecture: str, metadata_file: Path) -> list[str]:
    """Returns the command that builds the context in `folder` and pushes the image by its digest, without a tag."""
    return [
        *("docker", "buildx", "build", "--platform", f"linux/{architecture}"),
        # An attestation would make an index of the one image that models stand on.
        *("--provenance=false", "--sbom=false", "--metadata-file", str(metadata_file)),
        *("--output", f"type=image,name={repository},push=true,push-by-digest=true,oci-mediatypes=true", str(folder)),
    ]


def run_buildx(command: Sequence[str], metadata_file: Path) -> str:
    """Runs it and returns the image's digest.

    Raises:
        ShipwayError: when there is no Docker, or it fails, with its own last words.
    """
    _run(command)
    return str(json.loads(metadata_file.read_text(encoding="utf-8"))["containerimage.digest"])


def _labels(packages: Sequence[Pinned], reference: str) -> dict[str, str]:
    name, _, digest = reference.partition("@")
    return {
        "org.opencontainers.image.base.digest": digest,
        "org.opencontainers.image.base.name": name,
        PACKAGES_LABEL: " ".join(f"{one.name}=={one.version}" for one in packages),
        VERSION_LABEL: metadata.version("shipway"),
    }


def _lock(packages: Sequence[Pinned]) -> str:
    return "".join(f"{one.text}\n" for one in packages)


def _own_files() -> Iterator[Entry]:
    home = Path(shipway.__file__).parent
    yield Entry(f"{LIBRARY}/shipway/__init__.py", home / "__init__.py")
    for package in _SERVED:
        yield from _files(home / package, f"{LIBRARY}/shipway/{package}")


def _files(folder: Path, within: str) -> Iterator[Entry]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ArtifactError(f"{path}: expected a plain file or folder, found a link")
        name = path.relative_to(folder)
        if path.is_file() and "__pycache__" not in name.parts and name.name != ".lock":
            yield Entry(f"{within}/{name.as_posix()}", path, executable=bool(path.stat().st_mode & 0o100))


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ShipwayError(f"{command[0]}: {type(error).__name__}, expected it to run and to end in time") from None
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise ShipwayError(f"{' '.join(command[:4])} failed ({done.returncode}): {' '.join(last)}")
