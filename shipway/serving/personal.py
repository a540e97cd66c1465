"""Personal values never leave a request as they are: wherever one stands in a record, its keyed hash stands there."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shipway.contract.schema import FieldKind, Schema
from shipway.logs.schemas import HASHED

__all__ = ["HASH_KEY", "Redaction", "hash_key", "hashed"]

# A shorter personal value is hashed only where it stands alone: inside other text it is more likely part of a word.
_SHORTEST_INSIDE = 4


# The file of the secret, beside the logs that were hashed with it.
HASH_KEY = ".hash-key"


def hash_key(folder: Path) -> bytes:
    """Returns the secret with which personal values in `folder` are hashed, made at first use.

    Without a secret, hashing every tail number or postcode would undo the hash.
    """
    path = folder / HASH_KEY
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{HASH_KEY}.{secrets.token_hex(8)}"
    if not path.exists():
        made.touch(mode=0o600)
        made.write_bytes(secrets.token_bytes(32))
        try:
            # A link to an existing name fails: of two slots starting at once, one key wins.
            path.hardlink_to(made)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_bytes()


def hashed(key: bytes, value: str) -> str:
    """Returns what stands in a log where a personal `value` would."""
    return f"{HASHED}{hashlib.blake2b(value.encode(), key=key, digest_size=16).hexdigest()}"


def _spellings(personal: str) -> set[str]:
    """Returns the ways to write a personal value that are looked for inside other text."""
    written = {personal, personal.strip()}
    return {text for text in (*written, *(one.casefold() for one in written)) if len(text) >= _SHORTEST_INSIDE}


class Redaction:
    """Hashes what the schema calls personal, in its own field and wherever a record repeats it.

    Args:
        schema: says which fields are personal, and which hold nothing but what it lists itself.
        key: the secret of the hash.
    """

    def __init__(self, schema: Schema, key: bytes) -> None:
        self._personal = frozenset(field.name for field in schema.fields if field.personal)
        # What a caller may write freely; the others hold numbers, times, or one of the schema's own words.
        self._free = frozenset(
            field.name
            for field in schema.fields
            if field.kind is FieldKind.TEXT or (field.kind is FieldKind.CATEGORY and not field.values)
        )
        self._key = key

    def values(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Returns each personal value of a row -> its hash, the longest first."""
        if not self._personal:
            return {}
        found = {str(row[name]) for name in self._personal if row.get(name) is not None}
        return {value: self._hash(value) for value in sorted(found, key=lambda value: (-len(value), value)) if value}

    def fields(self, row: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
        """Returns a row with its personal fields hashed, and hashed too where a field of free text repeats them."""
        if not self._personal:
            return dict(row)
        return {name: self._field(name, value, values) for name, value in row.items()}

    def shown(self, value: object, values: Mapping[str, str]) -> object:
        """Returns a value that is no field: a key or a unit id, which may repeat a personal field or hold it."""
        if not values:
            return value
        if (known := values.get(str(value))) is not None:
            return known
        if not isinstance(value, str):
            return value
        # In whatever case and between whatever spaces a service makes a key of it.
        folded = value.casefold()
        spellings = {text: known for personal, known in values.items() for text in _spellings(personal)}
        inside = sorted((text for text in spellings if text.casefold() in folded), key=len, reverse=True)
        if not inside:
            alone = any(folded.strip() == personal.strip().casefold() for personal in values)
            return self._hash(value) if alone else value
        pattern = re.compile("|".join(map(re.escape, inside)), re.IGNORECASE)
        # A letter that is several in another case is not always found one by one.
        rest = pattern.sub("\0", value).casefold()
        if any(text.casefold() in rest for text in inside):
            return self._hash(value)
        by_case = {text.casefold(): spellings[text] for text in inside}
        # In one pass: a hash that stands there already is no text to look through.
        return pattern.sub(lambda found: by_case.get(found[0].casefold()) or self._hash(found[0]), value)

    def _field(self, name: str, value: Any, values: Mapping[str, str]) -> Any:
        if name in self._personal:
            return None if value is None else values.get(str(value), self._hash(str(value)))
        return self.shown(value, values) if name in self._free else value

    def _hash(self, value: str) -> str:
        return hashed(self._key, value)
