"""What Prometheus answers the questions of a dashboard, over a stretch of time."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from shipway.contract.errors import Retryable
from shipway.observability.panels import MODEL, Dashboard, Kind, Panel, Query

__all__ = ["Answer", "Line", "Span", "answers", "concrete"]

# Takes a path with its parameters; returns the JSON of the answer.
Ask = Callable[[str, Mapping[str, str]], Any]

_POINTS = 240
_LEAST_STEP_SECONDS = 1
_RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds since the epoch."""

    start_seconds: float
    end_seconds: float

    @property
    def step_seconds(self) -> int:
        """How far apart the points of a line are."""
        return max(round((self.end_seconds - self.start_seconds) / _POINTS), _LEAST_STEP_SECONDS)


@dataclass(frozen=True)
class Line:
    """One series: its name, and (seconds since the epoch, value) of each point that is a number."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Answer:
    """What there is to show in a panel; no lines are no data."""

    panel: Panel
    lines: tuple[Line, ...]


def concrete(expr: str) -> str:
    """Returns a question with all models for Grafana's variable."""
    return expr.replace(MODEL, ".*")


def answers(ask: Ask, dashboard: Dashboard, span: Span) -> list[Answer]:
    """Returns the answer to each panel.

    Args:
        ask: asks Prometheus.
        dashboard: whose questions.
        span: a panel of numbers takes those at its end.

    Raises:
        Retryable: when Prometheus does not answer or refuses a question, which is no empty answer.
    """
    return [
        Answer(panel, tuple(line for query in panel.queries for line in _lines(ask, panel, query, span)))
        for panel in dashboard.panels
    ]


def _lines(ask: Ask, panel: Panel, query: Query, span: Span) -> list[Line]:
    asked = {"query": concrete(query.expr)}
    if panel.kind is Kind.NUMBER:
        path, asked = "/api/v1/query", {**asked, "time": f"{span.end_seconds:.3f}"}
    else:
        path = "/api/v1/query_range"
        asked |= {"start": f"{span.start_seconds:.3f}", "end": f"{span.end_seconds:.3f}"}
        asked |= {"step": str(span.step_seconds)}
    document = ask(path, asked)
    if document.get("status") != "success":
        raise Retryable(f"panel {panel.title!r}: Prometheus says {document.get('error', 'nothing')}", _RETRY_SECONDS)
    found = [_line(one, query.legend) for one in cast(list[Any], document["data"]["result"])]
    return [line for line in found if line.points]


def _line(series: Any, legend: str) -> Line:
    labels = cast(dict[str, str], series["metric"])
    name = re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)
    values = series["values"] if "values" in series else [series["value"]]
    points = [(float(at), float(value)) for at, value in values]
    return Line(" ".join(name.split()), [(at, value) for at, value in points if math.isfinite(value)])
