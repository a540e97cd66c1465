"""Which artifact formats a bundle may hold: those that cannot run code when they are loaded.

Suffix and content must both fit, to the last byte where a format says how long it is; a pickle is refused by its bytes
whatever it is called.
"""

import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from shipway.contract.errors import ArtifactError

__all__ = ["ALLOWED_SUFFIXES", "LOADERS", "PICKLE_SUFFIXES", "check_file", "check_formats"]

# Enough to recognise each format.
_HEAD_BYTES = 64

PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth", ".cloudpickle", ".dill"})

# Suffix -> the package beside Shipway's own that opens it, where Shipway itself opens such files. A base of images
# holds them all; a bundle pins those that it needs.
LOADERS: Mapping[str, str] = {".onnx": "onnxruntime", ".safetensors": "safetensors", ".txt": "lightgbm"}

# As much as the reader of safetensors takes.
_MOST_HEADER_BYTES = 100_000_000

# Of ONNX's message: the field with the graph, and the kind of field that says its own length.
_GRAPH, _WITH_LENGTH = 7, 2

# Protocol 2 and later open with PROTO and the protocol's number; earlier ones are refused by the allow-list alone.
_PICKLE_MAGIC = re.compile(rb"\x80[\x02-\x05]")


def _skops(path: Path, head: bytes) -> bool:
    if not head.startswith(b"PK\x03\x04"):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = [name for name in names if _PICKLE_MAGIC.match(archive.open(name).read(2))]
    return "schema.json" in names and not pickled


def _safetensors(path: Path, head: bytes) -> bool:
    """Eight bytes with the length of a JSON header, the header, and exactly the bytes that its tensors take."""
    header_bytes = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or header_bytes > _MOST_HEADER_BYTES:
        return False
    with path.open("rb") as stream:
        stream.seek(8)
        try:
            header: Any = json.loads(stream.read(header_bytes))
            ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            return False
    return 8 + header_bytes + max(cast(list[int], ends), default=0) == path.stat().st_size


def _onnx(path: Path, head: bytes) -> bool:
    """A protobuf message that opens with its format version, has a graph, and ends where the file ends."""
    if not head.startswith(b"\x08"):
        return False
    size, has_graph = path.stat().st_size, False
    with path.open("rb") as stream:
        while (place := stream.tell()) < size:
            tag = _varint(stream)
            kind, number = (-1, 0) if tag is None else (tag & 7, tag >> 3)
            skipped = _varint(stream) if kind in (0, 2) else {1: 8, 5: 4}.get(kind)
            if skipped is None or not number or (kind != 0 and skipped > size):
                return False
            # Of a whole number the value itself was read; what has a length is passed over.
            stream.seek(0 if kind == 0 else skipped, os.SEEK_CUR)
            has_graph |= number == _GRAPH and kind == _WITH_LENGTH
            if stream.tell() > size or stream.tell() <= place:
                return False
    return has_graph


def _varint(stream: BinaryIO) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None


def _booster(path: Path, head: bytes) -> bool:
    """LightGBM's text, whole: `end of trees` follows the last one."""
    if not head.startswith((b"tree\n", b"tree\r\n")):
        return False
    with path.open("rb") as stream:
        return any(line.rstrip() == b"end of trees" for line in stream)


def _starts(*prefixes: bytes) -> Callable[[Path, bytes], bool]:
    return lambda path, head: head.startswith(prefixes)


# Suffix -> whether a file really is of that format.
_FORMATS: dict[str, Callable[[Path, bytes], bool]] = {
    ".cbm": _starts(b"CBM1"),
    ".json": _starts(b"{", b"["),
    ".onnx": _onnx,
    ".safetensors": _safetensors,
    ".skops": _skops,
    ".txt": _booster,
    ".ubj": _starts(b"{"),
}

ALLOWED_SUFFIXES: tuple[str, ...] = tuple(sorted(_FORMATS))


def check_formats(files: Path) -> None:
    """Refuses a bundle's `files` folder that holds an artifact which could run code when loaded.

    Raises:
        ArtifactError: naming the file, what it was found to be and what is allowed.
    """
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        _check(path, is_artifact=path.is_relative_to(files / "model"))


def check_file(path: Path) -> None:
    """Refuses an artifact that could run code when loaded, or is not what its suffix says.

    Raises:
        ArtifactError: as `check_formats`, or when the file cannot be read.
    """
    try:
        _check(path, is_artifact=True)
    except OSError as error:
        raise ArtifactError(f"{path}: found no file to read ({error.strerror}), expected an artifact") from None


def _check(path: Path, *, is_artifact: bool) -> None:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if path.suffix.lower() in PICKLE_SUFFIXES or _PICKLE_MAGIC.match(head):
        raise _refused(path, "a pickle, which can run any code when it is loaded")
    if is_artifact and not _is_allowed(path, head):
        raise _refused(path, f"content or suffix {path.suffix!r} of no allowed format, or a file that is cut off")


def _is_allowed(path: Path, head: bytes) -> bool:
    check = _FORMATS.get(path.suffix.lower())
    try:
        return check is not None and check(path, head)
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - a file that was made to break its reader is of no format either
        return False


def _refused(path: Path, found: str) -> ArtifactError:
    return ArtifactError(f"{path}: found {found}, expected one of {', '.join(ALLOWED_SUFFIXES)} with matching content")
