"""The manifest: what a bundle is made of, and the one number that names it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import Field, model_validator

from shipway.bundle.canonical import canonical_json
from shipway.contract.documents import Spec
from shipway.contract.errors import ArtifactError

__all__ = ["BUNDLE_FORMAT", "CoveredFile", "Manifest", "covered_files", "hash_file"]

# Version of the bundle's own layout; a slot refuses one it does not know.
BUNDLE_FORMAT = 1


class CoveredFile(Spec):
    """One file below `files/`, by its path there."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        pure = PurePosixPath(self.path)
        if not self.path or pure.is_absolute() or ".." in pure.parts or str(pure) != self.path:
            raise ValueError(f"a plain relative path, not {self.path!r}")
        return self


class Manifest(Spec):
    """What the digest covers.

    Args:
        model: the model's name.
        service: import string of the served class, such as `flight_delay.service:FlightDelay`.
        feature_views: the versioned names of the feature views the model reads.
        trusted_types: types outside skops' own allow-list that the artifact may hold.
        files: every file below `files/`, sorted by path.
    """

    format: Annotated[int, Field(ge=BUNDLE_FORMAT, le=BUNDLE_FORMAT)] = BUNDLE_FORMAT
    model: str
    service: Annotated[str, Field(pattern=r"^[a-z_][\w.]*:[A-Za-z_]\w*$")]
    feature_views: tuple[str, ...] = ()
    trusted_types: tuple[str, ...] = ()
    files: Annotated[tuple[CoveredFile, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _sorted(self) -> Self:
        paths = [file.path for file in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("files sorted by path, each once")
        return self

    def canonical_bytes(self) -> bytes:
        """Returns the exact content of manifest.json."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """The bundle's digest: the sha256 of the manifest's bytes."""
        return f"sha256:{hashlib.sha256(self.canonical_bytes()).hexdigest()}"


def hash_file(path: Path) -> str:
    """Returns the sha256 of a file's content as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def covered_files(folder: Path) -> tuple[CoveredFile, ...]:
    """Returns every file below `folder` with its hash, sorted by path.

    Raises:
        ArtifactError: for a symbolic link, a socket or a device: only plain files can be covered.
    """
    return tuple(
        CoveredFile(path=name, sha256=hash_file(path), size_bytes=path.stat().st_size)
        for name, path in sorted(_plain_files(folder))
    )


def _plain_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise ArtifactError(f"{path}: expected a plain file or folder, found a link or a special file")
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path
