"""Grant: one right on AWS: which part has it, what it may do, to what, and why it must."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Grant"]

Conditions = Mapping[str, Mapping[str, str | list[str]]]


@dataclass(frozen=True)
class Grant:
    """One row: some actions on some resources.

    Args:
        part: who has it.
        actions: what it may do, each by its whole name.
        resources: to what, a name in braces filled in from what the stack knows; `*` only where AWS knows no resource.
        why: what the part does with it.
        conditions: what must hold besides, as IAM writes it, with names in braces likewise.
    """

    part: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, str | list[str]]])
