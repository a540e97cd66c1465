"""What a dashboard is: panels of questions to Prometheus, as data that Grafana and a picture are both made from."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MODEL", "Dashboard", "Kind", "Panel", "Query", "Unit"]

# Grafana's variable for the models that are looked at; a picture shows all.
MODEL = "$model"


class Unit(StrEnum):
    """Units by Grafana's names."""

    COUNT = "short"
    PER_SECOND = "reqps"
    RATIO = "percentunit"
    PERCENT = "percent"
    SECONDS = "s"


class Kind(StrEnum):
    """How a panel shows its answer: lines over time, or the newest number of each series."""

    LINES = "timeseries"
    NUMBER = "stat"


@dataclass(frozen=True)
class Query:
    """One question.

    Args:
        expr: PromQL.
        legend: how a series of the answer is called, with {{label}} for a label's value.
    """

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One panel.

    Args:
        title: what it shows.
        says: what a reader learns from it.
        unit: of its values.
        queries: its questions.
        kind: how the answer is shown.
        limit: where a value begins to be bad, drawn as a line; None where the registry has no one limit.
    """

    title: str
    says: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Kind = Kind.LINES
    limit: float | None = None


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Args:
        name: of its file.
        title: for people.
        asks: the question that its readers come with.
        panels: in reading order.
    """

    name: str
    title: str
    asks: str
    panels: tuple[Panel, ...]
