"""Which of the locked packages a slot needs: a base holds those and no others."""

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from packaging.markers import Marker

from shipway.bundle.loaders import every_loader
from shipway.contract.errors import SpecError

__all__ = ["Pinned", "fitting", "needed", "parse_lock", "slot_roots"]

_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+))?")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Pinned:
    """One package of a lock.

    Args:
        name, version: which.
        text: the lines that pin it, with its hashes.
        needed_by: who needs it.
        marker: where this version counts; a lock for several Pythons may have several of one name.
    """

    name: str
    version: str
    text: str
    needed_by: frozenset[str] = frozenset()
    marker: str = ""


# Of the extra `cluster`, what a slot writes its logs into the object store with.
_STORE = "boto3"


def slot_roots() -> list[str]:
    """Returns the names of what a slot may need: Shipway's own dependencies, two of its extras', boto3, and loaders.

    Loaders are what opens models of other frameworks. All of them take 80 MiB beside the gigabyte of the others; a base
    for each model would take more.
    """
    roots: set[str] = {_STORE, *every_loader()}
    for requirement in importlib.metadata.requires("shipway") or []:
        name, _, marker = requirement.partition(";")
        if "extra" not in marker or re.search(r"extra == ['\"](serving|features)['\"]", marker):
            roots.add(_normal(re.split(r"[^\w.-]", name.strip())[0]))
    return sorted(roots)


def parse_lock(text: str, path: str) -> list[Pinned]:
    """Returns the packages of a lock as `uv pip compile --generate-hashes` writes it.

    Raises:
        SpecError: for an entry without an exact version or a hash.
    """
    found: list[Pinned] = []
    for entry in re.split(r"\n(?=[A-Za-z0-9])", f"\n{text}")[1:]:
        pinned = _PINNED.match(entry)
        if pinned is None or "--hash=sha256:" not in entry:
            raise SpecError(
                path, "", entry.splitlines()[0], "NAME==VERSION with --hash=sha256:..., as `make lock` does"
            )
        comments = [line.strip("# ") for line in entry.splitlines() if line.lstrip().startswith("#")]
        lines = [line for line in entry.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        needed_by = frozenset(_normal(one) for one in " ".join(comments).removeprefix("via").split())
        found.append(Pinned(_normal(pinned[1]), pinned[2], "\n".join(lines), needed_by, (pinned[3] or "").strip()))
    return found


def fitting(lock: Iterable[Pinned], python_version: str, architecture: str) -> dict[str, Pinned]:
    """Returns by name what of a lock counts for one Python on Linux, such as 3.11.9 on amd64."""
    environment = {
        "implementation_name": "cpython",
        "implementation_version": python_version,
        "os_name": "posix",
        "platform_machine": _MACHINES[architecture],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": python_version,
        "python_version": ".".join(python_version.split(".")[:2]),
        "sys_platform": "linux",
    }
    return {one.name: one for one in lock if not one.marker or Marker(one.marker).evaluate(environment)}


def needed(lock: Mapping[str, Pinned], roots: Iterable[str], path: str) -> list[Pinned]:
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
