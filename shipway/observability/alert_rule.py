"""One alert or record of a rule file, as data: who is told and where the runbook is come from the registries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.contract.alerts import ALERTS, AlertName, Severity

__all__ = ["AlertRule", "Group", "Record"]


@dataclass(frozen=True)
class Record:
    """One recording rule.

    Args:
        record: the series it makes.
        expr: PromQL.
        labels: what it puts on it.
    """

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class AlertRule:
    """One alert.

    Args:
        alert: which one.
        expr: PromQL of what is wrong.
        summary: one sentence, in Prometheus' template language.
        for_seconds: how long it must be wrong.
        labels: beside severity and owner.
        severity: only where it differs from the registry's.
    """

    alert: AlertName
    expr: str
    summary: str
    for_seconds: float = 0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    severity: Severity | None = None

    @property
    def urgency(self) -> Severity:
        """How urgent it is."""
        return ALERTS[self.alert].severity if self.severity is None else self.severity


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after the other: what one records, the next may read.

    Args:
        name: of the group, its own in a file.
        interval_seconds: how often.
        rules: in their order.
    """

    name: str
    interval_seconds: float
    rules: tuple[Record | AlertRule, ...]
