"""Layers that depend on their content alone: sorted, owned by root, at one fixed time."""

import gzip
import hashlib
import io
import shutil
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from shipway.images.documents import Descriptor, Layer, digest_of

__all__ = ["Blobs", "Entry", "write_layer"]

# Every reader of images knows this one; some know no other.
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_CHUNK_BYTES = 1 << 20
# The most that one block of gzip's format holds as it is.
_STORED_BYTES = 65_535


class Blobs:
    """Blobs by digest in a folder: what was built and what is to be sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "sha256"

    def path(self, digest: str) -> Path:
        """Returns where a blob lies, or would lie."""
        return self._folder / digest.removeprefix("sha256:")

    def scratch(self) -> tempfile.TemporaryDirectory[str]:
        """Returns a folder from which a finished blob can be moved in one step."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-")

    def put(self, content: bytes) -> str:
        """Writes a blob, whole or not at all, and returns its digest."""
        digest = digest_of(content)
        with self.scratch() as folder:
            made = Path(folder) / "blob"
            made.write_bytes(content)
            made.rename(self.path(digest))
        return digest


@dataclass(frozen=True)
class Entry:
    """One file of a layer.

    Args:
        path: where it lies, relative to the root.
        source: the file with its content, or the content itself.
        executable: whether it may be run.
    """

    path: str
    source: Path | bytes
    executable: bool = False


def write_layer(entries: Iterable[Entry], blobs: Blobs, *, compressed: bool) -> Layer:
    """Writes a layer into `blobs` and returns it; equal entries give equal bytes.

    Args:
        entries: its files, in any order; folders come by themselves.
        blobs: where it goes.
        compressed: whether it is packed. How bytes are packed differs from one build of Python to another, so a layer
            whose digest must be the same on every machine is wrapped alone.
    """
    with blobs.scratch() as folder:
        plain, made = Path(folder) / "layer.tar", Path(folder) / "layer.tar.gz"
        with plain.open("wb") as stream:
            _write_tar(sorted(entries, key=lambda entry: entry.path), stream)
        (_pack if compressed else _wrap)(plain, made)
        layer = Layer(Descriptor(_LAYER_TYPE, _hash(made), made.stat().st_size), _hash(plain))
        made.rename(blobs.path(layer.blob.digest))
    return layer


def _pack(plain: Path, made: Path) -> None:
    with (
        plain.open("rb") as source,
        made.open("wb") as target,
        gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=6, mtime=0) as stream,
    ):
        shutil.copyfileobj(source, cast(BinaryIO, stream), _CHUNK_BYTES)


def _wrap(plain: Path, made: Path) -> None:
    """Writes gzip's format with nothing packed, byte by byte as RFC 1951 and 1952 have it."""
    check = 0
    with plain.open("rb") as source, made.open("wb") as target:
        # Its flags and time are zero, and the system it was made on is unknown.
        target.write(b"\x1f\x8b\x08" + bytes(6) + b"\xff")
        while chunk := source.read(_STORED_BYTES):
            target.write(struct.pack("<BHH", 0, len(chunk), len(chunk) ^ 0xFFFF) + chunk)
            check = zlib.crc32(chunk, check)
        target.write(struct.pack("<BHHLL", 1, 0, 0xFFFF, check, plain.stat().st_size & 0xFFFFFFFF))


def _write_tar(entries: list[Entry], stream: BinaryIO) -> None:
    made: set[str] = set()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            for parent in reversed(PurePosixPath(entry.path).parents[:-1]):
                if str(parent) not in made:
                    made.add(str(parent))
                    archive.addfile(_info(str(parent), 0, executable=True, kind=tarfile.DIRTYPE))
            if isinstance(entry.source, bytes):
                archive.addfile(
                    _info(entry.path, len(entry.source), executable=entry.executable), io.BytesIO(entry.source)
                )
            else:
                size = entry.source.stat().st_size
                with entry.source.open("rb") as content:
                    archive.addfile(_info(entry.path, size, executable=entry.executable), content)


def _info(path: str, size_bytes: int, *, executable: bool, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.size = kind, size_bytes
    info.mode = 0o755 if executable else 0o644
    return info


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
