"""Which services deploy on this platform: the contract's versions, what each changed, and how far behind one may be.

The contract is what a service's folder and the platform promise each other: the keys of model.yaml, the names in its
Python files, its releases, its HTTP interface. A minor version only adds to it; a major version breaks it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "CONTRACT_VERSION",
    "FIRST_VERSION",
    "OLDEST_TEMPLATE",
    "VERSIONS",
    "Compatibility",
    "ContractVersion",
    "Standing",
    "compatibility",
    "parse_version",
    "template_standing",
]


@dataclass(frozen=True)
class ContractVersion:
    """One version of the contract.

    Args:
        version: MAJOR.MINOR.
        template: the first version of the service template that is written for it.
        changed: what it changed, in one sentence.
    """

    version: str
    template: str
    changed: str


# Oldest first; the last is this platform's.
VERSIONS = (
    ContractVersion(
        "1.0",
        "1.0.0",
        "The first: `model.yaml`, `schema.py`, `inputs.py`, `train.py`, `service.py`, `tests/`, `releases/`.",
    ),
    ContractVersion(
        "1.1",
        "1.1.0",
        "`model.yaml` says the version it was written for (`contract_version`), and knows `application`, `checks` and "
        "`loadtest`; `.cruft.json` says which template and which answers the service was rendered from.",
    ),
)

CONTRACT_VERSION = VERSIONS[-1].version
# Of a model.yaml that does not say: the key came with the version after it.
FIRST_VERSION = VERSIONS[0].version
# Services of a template older than this are not updated.
OLDEST_TEMPLATE = VERSIONS[0].template

_PATTERN = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,2}\Z")


class Standing(StrEnum):
    """How a service's version stands to the platform's."""

    CURRENT = "current"
    BEHIND = "behind"
    TOO_OLD = "too old"
    TOO_NEW = "too new"


@dataclass(frozen=True)
class Compatibility:
    """Whether a service deploys, and what to say of it.

    Args:
        standing: of its contract version.
        deploys: whether this platform deploys it.
        sentence: what is so and what to do next; empty for a current one.
    """

    standing: Standing
    deploys: bool
    sentence: str


def parse_version(text: str) -> tuple[int, ...]:
    """Returns MAJOR.MINOR or MAJOR.MINOR.PATCH as numbers.

    Raises:
        ValueError: for anything else.
    """
    if not _PATTERN.match(text):
        raise ValueError(f"numbers joined by points, such as {CONTRACT_VERSION}, not {text!r}")
    return tuple(int(part) for part in text.split("."))


def compatibility(model: str, version: str, platform: str = CONTRACT_VERSION) -> Compatibility:
    """Returns whether a service made for `version` deploys on a platform of contract `platform`.

    The same version deploys, and so does the one minor version before it; what is older or newer does not.

    Args:
        model: the model's name, for the next step.
        version: the service's contract version, MAJOR.MINOR.
        platform: the platform's, MAJOR.MINOR.

    Raises:
        ValueError: when one is no such version.
    """
    major, minor = parse_version(version)[:2]
    own_major, own_minor = parse_version(platform)[:2]
    made = f"made for contract {version}, and this platform's is {platform}"
    if (major, minor) == (own_major, own_minor):
        return Compatibility(Standing.CURRENT, True, "")
    if (major, minor) > (own_major, own_minor):
        return Compatibility(Standing.TOO_NEW, False, f"{made}: it needs a newer Shipway; update the platform first")
    update = f"`shipway fleet update {model}`"
    if major == own_major and minor == own_minor - 1:
        after = f"{own_major}.{own_minor + 1}"
        return Compatibility(Standing.BEHIND, True, f"{made}: it still deploys, and with {after} no more; {update}")
    oldest = f"{own_major}.{max(own_minor - 1, 0)}"
    return Compatibility(Standing.TOO_OLD, False, f"{made}: the oldest that deploys is {oldest}; {update}")


def template_standing(version: str, newest: str, oldest: str = OLDEST_TEMPLATE) -> Standing:
    """Returns how the template version of a service stands to the `newest`; older than `oldest` is too old to update.

    Raises:
        ValueError: when one is no version.
    """
    made = parse_version(version)
    if made < parse_version(oldest):
        return Standing.TOO_OLD
    if made > parse_version(newest):
        return Standing.TOO_NEW
    return Standing.CURRENT if made == parse_version(newest) else Standing.BEHIND
