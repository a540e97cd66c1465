"""Waivers: violations that somebody answers for until a date, in policies/waivers.yaml."""

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field

from shipway.contract.documents import Spec, parse, read_yaml
from shipway.contract.errors import SpecError

__all__ = ["Waiver", "Waivers", "expired", "load_waivers", "waiver_for"]

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Waiver(Spec):
    """One rule that one resource, or all that a pattern names, may break for now.

    Args:
        rule: the rule's id.
        resource: the resource's name, or a pattern such as `legacy-*`.
        owner: who answers for it.
        reason: why it is so.
        expires: the last day on which it holds.
    """

    rule: Text
    resource: Text
    owner: Text
    reason: Text
    expires: date


class Waivers(Spec):
    """The content of policies/waivers.yaml."""

    waivers: tuple[Waiver, ...] = ()


def load_waivers(path: Path, known: frozenset[str]) -> tuple[Waiver, ...]:
    """Returns the waivers in `path`, expired ones too; none when there is no such file.

    Raises:
        SpecError: naming file, key, value and what was expected.
    """
    if not path.exists():
        return ()
    document = read_yaml(path)
    # YAML reads a date as one; the contract's documents are JSON.
    for row in cast(list[Any], document["waivers"]) if isinstance(document.get("waivers"), list) else ():
        if isinstance(row, dict) and isinstance(written := cast(dict[str, Any], row).get("expires"), date):
            row["expires"] = written.isoformat()
    found = parse(Waivers, document, path).waivers
    for index, waiver in enumerate(found):
        if waiver.rule not in known:
            raise SpecError(path, f"waivers.{index}.rule", waiver.rule, "the id of a rule, such as ML001")
    return found


def expired(waivers: Iterable[Waiver], today: date) -> list[str]:
    """Returns one sentence for each waiver that has ended."""
    return [
        f"waiver of {waiver.rule} for {waiver.resource!r}: expires is {waiver.expires}, expected {today} or later; "
        f"{waiver.owner} fixes the violation or renews the waiver"
        for waiver in waivers
        if waiver.expires < today
    ]


def waiver_for(waivers: Iterable[Waiver], rule: str, resource: str, today: date) -> Waiver | None:
    """Returns the waiver that holds today for `rule` on `resource`, None when there is none."""
    for waiver in waivers:
        if waiver.rule == rule and waiver.expires >= today and fnmatchcase(resource, waiver.resource):
            return waiver
    return None
