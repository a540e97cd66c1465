"""Same content, same bytes: canonical JSON, and skops archives without the traces of the run that wrote them."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any, cast

from shipway.contract.errors import ArtifactError

__all__ = ["canonical_json", "canonicalise_skops"]

# The earliest time a zip archive can hold; any fixed one would do.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
# An array file is called by its address, a bytes file by a random UUID.
_DATA_FILE = re.compile(r"([0-9a-f-]+)(\.\w+)\Z")


def canonical_json(data: object) -> bytes:
    """Returns `data` as JSON with sorted keys, no spaces and UTF-8, so that equal data gives equal bytes.

    >>> canonical_json({"b": 1, "a": [1.5, None]})
    b'{"a":[1.5,null],"b":1}'
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def canonicalise_skops(path: Path) -> None:
    """Rewrites a skops archive in place so that it depends on the estimator alone.

    skops names objects and their array files by memory address and stamps each entry with the current time; here
    the addresses become numbers in order of appearance, entries are sorted and times fixed. Loading is unaffected:
    the numbers only have to be equal where the addresses were.

    Raises:
        ArtifactError: when the file is not a skops archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        schema = json.loads(entries.pop("schema.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ArtifactError(f"{path}: expected a skops archive with schema.json, found {error}") from None
    numbers: dict[str, int] = {}
    schema = _renumber(schema, numbers)
    renamed = {_rename(name, numbers): content for name, content in entries.items()}
    renamed["schema.json"] = canonical_json(schema)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as archive:
        for name in sorted(renamed):
            info = zipfile.ZipInfo(name, date_time=_ZIP_TIME)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, renamed[name])
    path.write_bytes(buffer.getvalue())


def _renumber(node: Any, numbers: dict[str, int]) -> Any:
    if isinstance(node, list):
        return [_renumber(part, numbers) for part in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    renewed: dict[str, Any] = {}
    # Document order, not sorted order: the order of appearance is the same in every run, the addresses are not.
    for key, value in cast(dict[str, Any], node).items():
        if key == "__id__":
            renewed[key] = numbers.setdefault(str(value), len(numbers))
        elif key == "file" and isinstance(value, str):
            renewed[key] = _rename(value, numbers)
        else:
            renewed[key] = _renumber(value, numbers)
    return renewed


def _rename(name: str, numbers: dict[str, int]) -> str:
    found = _DATA_FILE.match(name)
    return f"{numbers.setdefault(found[1], len(numbers))}{found[2]}" if found else name
