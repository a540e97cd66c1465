"""Reading and writing the documents people edit: YAML in, frozen spec out, one clear error between."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from shipway.contract.credentials import credential_in, names_secret
from shipway.contract.errors import HIDDEN, TOGETHER, SpecError

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
# A lifetime of releases, or a fleet's rules; nine aliases of nine aliases, nine times over, are a billion.
_MOST_VALUES = 1_000_000


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
        got: object = "nothing" if first["type"] == "missing" else first["input"]
        unknown = first["type"] == "extra_forbidden" and names_secret(key.rpartition(".")[2])
        if unknown or isinstance(first.get("ctx", {}).get("error"), Secret):
            got = HIDDEN
        elif first["type"] == "value_error" and isinstance(got, dict):
            # A rule about several keys, which names them; the whole section would hide what it says.
            got = TOGETHER
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
    """Returns the document in `text`, of plain mappings, lists and scalars; None for a text that holds none.

    Raises:
        yaml.YAMLError: when it is not one YAML document, when a mapping has a key twice, of which YAML's own readers
            keep the last, or when its aliases make it larger than anything that people write.
    """
    loader = _YAML_LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _size(node, {})
        return loader.construct_document(node)
    except (ValueError, RecursionError) as error:
        # Such as the 45th of a month, which looks like a day.
        raise yaml.YAMLError(type(error).__name__) from None
    finally:
        loader.dispose()


class _Doubled(yaml.MarkedYAMLError):
    """A mapping has a key twice; the mark is that of the second."""


class _Unfolded(yaml.MarkedYAMLError):
    """Aliases of aliases make a document too large."""


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Returns how many values a node holds, with whatever its aliases repeat; `known` holds nodes seen before."""
    if id(node) in known:
        return known[id(node)]
    # Whoever comes back to it below holds itself.
    known[id(node)] = _MOST_VALUES
    size = 1
    if isinstance(node, yaml.MappingNode):
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise _Doubled(problem=key.value, problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
            size += _size(key, known) + _size(value, known)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(one, known) for one in node.value)
    if size > _MOST_VALUES:
        raise _Unfolded(problem_mark=node.start_mark)
    known[id(node)] = size
    return size


def read_yaml(path: Path) -> dict[str, Any]:
    """Returns the mapping in a YAML file.

    Raises:
        SpecError: when the file cannot be read, is not YAML, has a key twice, or holds something other than a mapping.
    """
    try:
        data: object = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "a YAML file") from None
    except OSError as error:
        raise SpecError(path, "", error.strerror, "a YAML file that can be read") from None
    except _Doubled as error:
        raise SpecError(path, str(error.problem), f"it a second time{_line(error)}", "each key once") from None
    except _Unfolded as error:
        expected = f"at most {_MOST_VALUES} values, those that aliases repeat among them"
        raise SpecError(path, "", f"more{_line(error)}", expected) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(path, "", f"a text that cannot be read{_line(error)}", "valid YAML") from None
    if not isinstance(data, dict):
        raise SpecError(path, "", data, "a mapping of keys to values")
    return cast(dict[str, Any], data)


def _line(error: Exception) -> str:
    """Returns where a text is no YAML; its own words may be a secret and are left out."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"


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
        SpecError: when the file cannot be read, is not JSON, or holds something other than a mapping.
    """
    try:
        return parse_json(path.read_bytes(), path)
    except FileNotFoundError:
        raise SpecError(path, "", "no such file", "a JSON file") from None
    except OSError as error:
        raise SpecError(path, "", error.strerror, "a JSON file that can be read") from None


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
