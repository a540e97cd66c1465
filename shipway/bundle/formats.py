"""Which artifact formats a bundle may hold: those that cannot run code when they are loaded.

The suffix and the first bytes must both fit; a pickle is refused by its bytes whatever it is called.
"""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from shipway.contract.errors import ArtifactError

__all__ = ["ALLOWED_SUFFIXES", "check_formats"]

# Enough to recognise each format.
_HEAD_BYTES = 64

_PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth", ".cloudpickle", ".dill"})

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
    header_bytes = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 8 + header_bytes <= path.stat().st_size


def _starts(*prefixes: bytes) -> Callable[[Path, bytes], bool]:
    return lambda path, head: head.startswith(prefixes)


# Suffix -> whether a file really is of that format.
_FORMATS: dict[str, Callable[[Path, bytes], bool]] = {
    ".cbm": _starts(b"CBM1"),
    ".json": _starts(b"{", b"["),
    # An ONNX file is a protobuf message whose first field is the number of its format version.
    ".onnx": _starts(b"\x08"),
    ".safetensors": _safetensors,
    ".skops": _skops,
    ".txt": _starts(b"tree\n", b"tree\r\n"),
    ".ubj": _starts(b"{"),
}

ALLOWED_SUFFIXES: tuple[str, ...] = tuple(sorted(_FORMATS))


def check_formats(files: Path) -> None:
    """Refuses a bundle's `files` folder that holds an artifact which could run code when loaded.

    Raises:
        ArtifactError: naming the file, what it was found to be and what is allowed.
    """
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if path.suffix.lower() in _PICKLE_SUFFIXES or _PICKLE_MAGIC.match(head):
            raise _refused(path, "a pickle, which can run any code when it is loaded")
        if path.is_relative_to(files / "model") and not _is_allowed(path, head):
            raise _refused(path, f"content or suffix {path.suffix!r} of no allowed format")


def _is_allowed(path: Path, head: bytes) -> bool:
    check = _FORMATS.get(path.suffix.lower())
    try:
        return check is not None and check(path, head)
    except zipfile.BadZipFile:
        return False


def _refused(path: Path, found: str) -> ArtifactError:
    return ArtifactError(f"{path}: found {found}, expected one of {', '.join(ALLOWED_SUFFIXES)} with matching content")
