"""What happens in a replay, each thing at its own time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Ask", "Event", "Label", "Publish"]


@dataclass(frozen=True)
class Ask:
    """At `at` someone asks about the unit `unit_id` with the request row `row`."""

    at: datetime
    unit_id: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Publish:
    """At `at` a new value of the feature view `view` is known: its keys, its features and their own time."""

    at: datetime
    view: str
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Label:
    """At `at` the truth about the unit `unit_id` is known."""

    at: datetime
    unit_id: str
    label: float


Event = Ask | Publish | Label
