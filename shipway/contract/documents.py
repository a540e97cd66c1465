"""Reading and writing the documents people edit: YAML in, frozen spec out, one clear error between."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shipway.contract.credentials import credential_in, names_secret
from shipway.contract.errors import HIDDEN, SpecError

__all__ = [
    "Secret",
    "Spec",
    "load_yaml",
    "parse",
    "parse_json",
    "read_json",
    "read_yaml",
    "refuse_credentials",
    "write_atomic",
]

# libyaml's, where PyYAML was built with it: the same documents ten times as fast.
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Secret(ValueError):
    """A validator's refusal of a value that may hold a credential, so that the error does not repeat it."""


class Spec(BaseModel):
    """Base of every document type: frozen, strict about types, and refusing keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


T = TypeVar("T", bound=Spec)


def parse(kind: type[T], data: object, path: Path | str) -> T:
    """Returns `data` as a `kind`.

    Args:
        kind: the document type.
        data: the document as plain mappings, lists and scalars.
        path: where it came from, for the error.

    Raises:
        SpecError: naming the first wrong key, its value and what was expected.
    """
    try:
        # JSON mode keeps scalars strict ("500" is no int) while lists may become tuples and text may become enums.
        return kind.model_validate_json(json.dumps(data))
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt key is also a missing one; the one that was written says where to look.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        key = ".".join(str(part) for part in first["loc"])
        got = "nothing" if first["type"] == "missing" else first["input"]
        unknown = first["type"] == "extra_forbidden" and names_secret(key.rpartition(".")[2])
        if unknown or isinstance(first.get("ctx", {}).get("error"), Secret):
            got = HIDDEN
        raise SpecError(path, key, got, _expected(first, kind)) from None
    except (TypeError, ValueError) as error:
        raise SpecError(path, "", data, f"plain mappings, lists, text and finite numbers ({error})") from None


def _expected(first: Any, kind: type[BaseModel]) -> str:
    if first["type"] == "missing":
        return "a value: this key is required"
    if first["type"] == "extra_forbidden":
        known = _keys_at(kind, first["loc"][:-1])
        return "no such key" + (f"; known keys are {', '.join(known)}" if known else "")
    message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return message[:1].lower() + message[1:]


def _keys_at(kind: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        field = kind.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        kind = annotation
    return sorted(kind.model_fields)


def load_yaml(text: str) -> Any:
    """Returns the document in `text`, of plain mappings, lists and scalars.

    Raises:
        yaml.YAMLError: when it is not YAML.
    """
    return yaml.load(text, Loader=_YAML_LOADER)  # noqa: S506 - both are safe loaders


def read_yaml(path: Path) -> dict[str, Any]:
    """Returns the mapping in a YAML file.

    Raises:
        SpecError: when the file is missing, is not YAML, or holds something other than a mapping.
    """
    try:
        data: object = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(path, "", _place(error), "valid YAML") from None
    if not isinstance(data, dict):
        raise SpecError(path, "", data, "a mapping of keys to values")
    return cast(dict[str, Any], data)


def _place(error: Exception) -> str:
    """Returns where a text is no YAML; its own words may be a secret and are left out."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return "a text that cannot be read"
    return f"a text that cannot be read at line {mark.line + 1}, column {mark.column + 1}"


def refuse_credentials(document: object, path: Path, key: str = "") -> None:
    """Refuses a document that people keep in git and that holds something that looks like a credential.

    Args:
        document: what was read.
        path: the file, for the error.
        key: where in it `document` stands, empty for all of it.

    Raises:
        SpecError: naming the key and not the value.
    """
    if isinstance(document, dict):
        for name, one in cast(dict[object, object], document).items():
            refuse_credentials(str(name), path, key)
            refuse_credentials(one, path, f"{key}.{name}" if key else str(name))
    elif isinstance(document, list):
        for number, one in enumerate(cast(list[object], document)):
            refuse_credentials(one, path, f"{key}.{number}" if key else str(number))
    elif isinstance(document, str) and (kind := credential_in(document)):
        expected = f"nothing that looks like {kind}: it would lie in git and in Pulumi's state"
        raise SpecError(path, key, HIDDEN, expected)


def read_json(path: Path) -> dict[str, Any]:
    """Returns the mapping in a JSON file.

    Raises:
        SpecError: when the file is missing, is not JSON, or holds something other than a mapping.
    """
    try:
        return parse_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "a JSON file") from None


def parse_json(content: str | bytes, path: Path | str) -> dict[str, Any]:
    """Returns the mapping in a JSON document.

    Args:
        content: the document.
        path: where it came from, for the error.

    Raises:
        SpecError: when it is not JSON, or holds something other than a mapping.
    """
    try:
        data: object = json.loads(content if isinstance(content, str) else content.decode())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SpecError(path, "", str(error), "valid JSON") from None
    if not isinstance(data, dict):
        raise SpecError(path, "", data, "a mapping of keys to values")
    return cast(dict[str, Any], data)


def write_atomic(path: Path, content: str | bytes, mode: int = 0o644, *, seen_first: bool = False) -> None:
    """Writes a whole file or nothing: a reader sees the old content or the new, and a full disk keeps the old.

    Args:
        path: the file.
        content: what it will hold, a text as UTF-8.
        mode: its permissions.
        seen_first: let readers see it before the disk has it. It saves them the disk's time; a machine that loses its
            power in that moment may come up with an empty file, so somebody must be able to do without it.

    Raises:
        OSError: when the folder cannot be written; the previous file is then untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            if seen_first:
                Path(temporary).rename(path)
            os.fsync(stream.fileno())
        if not seen_first:
            Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
