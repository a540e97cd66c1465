"""Which of the locked packages a slot needs: a base holds those and no others."""

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shipway.contract.errors import SpecError

__all__ = ["Pinned", "needed", "parse_lock", "slot_roots"]

_NAME = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)")


@dataclass(frozen=True)
class Pinned:
    """One package of a lock: name and version, the lines that pin it with its hashes, and who needs it."""

    name: str
    version: str
    text: str
    needed_by: frozenset[str]


def slot_roots() -> list[str]:
    """Returns the names of what Shipway itself needs to serve: its own dependencies and two of its extras'."""
    roots: set[str] = set()
    for requirement in importlib.metadata.requires("shipway") or []:
        name, _, marker = requirement.partition(";")
        if "extra" not in marker or re.search(r"extra == ['\"](serving|features)['\"]", marker):
            roots.add(_normal(re.split(r"[^\w.-]", name.strip())[0]))
    return sorted(roots)


def parse_lock(text: str, path: str) -> dict[str, Pinned]:
    """Returns the packages of a lock as `uv pip compile --generate-hashes` writes it, by name.

    Raises:
        SpecError: for an entry without an exact version or a hash.
    """
    found: dict[str, Pinned] = {}
    for entry in re.split(r"\n(?=[A-Za-z0-9])", f"\n{text}")[1:]:
        pinned = _NAME.match(entry)
        if pinned is None or "--hash=sha256:" not in entry:
            raise SpecError(
                path, "", entry.splitlines()[0], "NAME==VERSION with --hash=sha256:..., as `make lock` does"
            )
        lines = entry.splitlines()
        via = "\n".join(line.strip("# ") for line in lines if line.lstrip().startswith("#")).removeprefix("via")
        text_without = "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
        name = _normal(pinned[1])
        found[name] = Pinned(name, pinned[2], text_without, frozenset(_normal(one) for one in via.split()))
    return found


def needed(lock: dict[str, Pinned], roots: Iterable[str], path: str) -> list[Pinned]:
    """Returns `roots` and all that they need, directly or through others, sorted by name.

    Raises:
        SpecError: when a root is not in the lock.
    """
    waiting, found = list(roots), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in lock:
            raise SpecError(path, name, None, "a pinned version: a slot needs this package")
        if name not in found:
            found.add(name)
            waiting += [one.name for one in lock.values() if name in one.needed_by]
    return [lock[name] for name in sorted(found)]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
