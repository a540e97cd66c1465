"""Tables of the keys a document may hold, made from its pydantic models and their docstrings."""

from collections.abc import Iterator, Mapping
from inspect import getdoc
from typing import Any, cast, get_args, get_origin

from shipway.contract.documents import Spec

__all__ = ["key_table", "keys_page"]


def keys_page(title: str, head: str, kind: type[Spec], elsewhere: Mapping[type[Spec], str]) -> str:
    """Returns a page with a table of the keys of `kind` and one for each section below it.

    Args:
        title, head: what the page begins with.
        kind: the whole document.
        elsewhere: sections that have a page of their own -> its address.

    Raises:
        ValueError: when a key has no line in the docstring of its model, or a line no key.
    """
    lines = [f"# {title}", "", head, "", *key_table(kind)]
    for name, section in _sections("", kind, elsewhere):
        lines += ["", f"## `{name}`", ""]
        lines += [f"See [{elsewhere[section]}]({elsewhere[section]})."] if section in elsewhere else key_table(section)
    return "\n".join(lines) + "\n"


def key_table(kind: type[Spec]) -> list[str]:
    """Returns the lines of the table of the keys of `kind`.

    Raises:
        ValueError: when a key has no line in the docstring of its model, or a line no key.
    """
    fields, meanings = kind.model_fields, _meanings(getdoc(kind) or "")
    if fields.keys() != meanings.keys():
        raise ValueError(f"Args of {kind.__name__}: expected {sorted(fields)}, got {sorted(meanings)}")
    lines = ["| key | default | what it says |", "|---|---|---|"]
    for name, field in fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        lines.append(f"| `{name}` | {default} | {meanings[name]} |")
    return lines


def _sections(prefix: str, kind: type[Spec], elsewhere: Mapping[type[Spec], str]) -> Iterator[tuple[str, type[Spec]]]:
    """Yields the dotted name and the model of each section below `kind`, depth first."""
    for name, field in kind.model_fields.items():
        for section, many in _specs(field.annotation):
            dotted = f"{prefix}{name}{'[]' if many else ''}"
            yield dotted, section
            if section not in elsewhere:
                yield from _sections(f"{dotted}.", section, elsewhere)


def _specs(annotation: Any, many: bool = False) -> Iterator[tuple[type[Spec], bool]]:
    """Yields the models in a type, and whether several of them may stand there."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation, many
        return
    several = many or get_origin(annotation) in (tuple, list, dict)
    for inner in get_args(annotation):
        yield from _specs(inner, several)


def _meanings(docstring: str) -> dict[str, str]:
    """Returns argument -> what the `Args:` of a docstring say of it, over all its lines."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.partition("Args:\n")[2].splitlines():
        begins = line.startswith("    ") and not line.startswith("     ")
        if begins:
            listed, _, said = line.strip().partition(": ")
            names = listed.split(", ")
            found |= dict.fromkeys(names, said.strip())
        elif line.startswith("        ") and names:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found


def _plain(value: object) -> str:
    """Returns a value as YAML writes it."""
    return f"[{', '.join(map(str, cast(tuple[object, ...], value)))}]" if isinstance(value, tuple) else str(value)


def _default(value: Any) -> str:
    if isinstance(value, Spec):
        return "below"
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, dict):
        rows = cast(dict[object, object], value).items()
        return f"`{', '.join(f'{key}: {_plain(one)}' for key, one in rows)}`"
    return f"`{list(cast(tuple[object, ...], value))}`" if isinstance(value, tuple) else f"`{value}`"
