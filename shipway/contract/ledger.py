"""One entry of the ledger, and where entries lie: delivery writes them, whoever keeps in step with it reads them."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_json
from shipway.contract.evidence import Verdict

__all__ = ["Entry", "entry_name", "entry_number", "entry_numbers", "entry_path", "read_entry"]

_NAME = re.compile(r"^(\d{8})\.json$")


class Entry(Spec):
    """One event.

    Args:
        number: its place, from 1 without gaps.
        previous: sha256 of the exact bytes of the entry before, zeros for the first.
        time: when, in UTC, ISO 8601.
        actor: who.
        action: what, such as `released`, `promoted`, `rolled_back`.
        model: whose release.
        digests: role -> digest, such as `live`, `candidate`, `previous`, `released`.
        reason: why, in the actor's words.
        generation: of the rollout state it led to, None for what changed no route.
        rollout: number of the model's rollout it belongs to.
        weight_percent: the share of the version that is judged from then on.
        evidence: what every gate said.
    """

    number: Annotated[int, Field(ge=1)]
    previous: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    time: str
    actor: str
    action: str
    model: str
    digests: dict[str, str]
    reason: str
    generation: int | None = None
    rollout: int | None = None
    weight_percent: int | None = None
    evidence: tuple[Verdict, ...] = ()


def entry_name(number: int) -> str:
    """Returns what entry `number` is called, in a folder as in an object store."""
    return f"{number:08}.json"


def entry_number(name: str) -> int | None:
    """Returns the number of the entry that is called `name`; None for what is no entry."""
    match = _NAME.match(name)
    return int(match.group(1)) if match else None


def entry_path(folder: Path, number: int) -> Path:
    """Returns where entry `number` of the ledger in `folder` lies."""
    return folder / entry_name(number)


def entry_numbers(folder: Path) -> list[int]:
    """Returns the numbers of the entries in `folder`, sorted; none where there is no ledger yet."""
    return sorted(number for path in folder.glob("*.json") if (number := entry_number(path.name)) is not None)


def read_entry(folder: Path, number: int) -> Entry:
    """Returns entry `number` of the ledger in `folder`.

    Raises:
        SpecError: when it is damaged, or is not there.
    """
    path = entry_path(folder, number)
    return parse(Entry, read_json(path), path)
