"""The dashboards as data: names of the contract alone, a JSON model that Grafana takes, and honest pictures."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from shipway.contract import metrics
from shipway.contract.errors import Retryable
from shipway.observability import burns, presets, utilisation
from shipway.observability.answers import Answer, Span, answers
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.grafana import grafana, grafana_json
from shipway.observability.panels import MODEL, Dashboard, Kind, Panel, Query, Unit
from shipway.observability.pictures import NO_DATA, picture, shown

SPAN = Span(1_000_000.0, 1_003_600.0)
PANELS = [(one.name, panel) for one in DASHBOARDS for panel in one.panels]
PROMQL = {
    *("by", "on", "or", "and", "unless", "ignoring", "group_left", "bool"),
    *("sum", "max", "min", "count", "topk", "rate", "increase", "histogram_quantile", "time", "vector"),
    "sum_over_time",
}
RECORDS = {
    *(burns.BAD, burns.BUDGET, burns.JUDGED, burns.SLOW, burns.TIMED),
    *(presets.P95, presets.P95_BASELINE, utilisation.LIMIT_IN, utilisation.UTILISATION),
    *(metrics.LAST_WORK, *metrics.RECORDED),
}


def known() -> set[str]:
    """Returns every series that the contract names, and the two that are Prometheus' own."""
    own = {value for value in vars(metrics).values() if isinstance(value, str) and value.startswith("shipway_")}
    return own | {f"{name}_bucket" for name in own} | RECORDS | {"up", "ALERTS"}


def names(expr: str) -> set[str]:
    """Returns the series that an expression reads."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)", " ", expr)
    return set(re.findall(r"[A-Za-z_:][\w:]*", bare)) - PROMQL


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{name}: {panel.title}" for name, panel in PANELS])
def test_a_panel_reads_what_the_contract_names(dashboard: str, panel: Panel) -> None:
    """No series is made up, and each panel says what a reader learns."""
    for query in panel.queries:
        found = names(query.expr)
        assert found
        assert found <= known(), f"{dashboard}: {found - known()}"
    assert panel.says.endswith(".")


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=[f"{name}: {panel.title}" for name, panel in PANELS])
def test_no_panel_counts_a_slot_twice(dashboard: str, panel: Panel) -> None:
    """While a rollout is scraped by two jobs, a panel reads what was recorded of the one that always scrapes."""
    twice = "|".join(("up", *metrics.EVIDENCE_SERIES))
    for query in panel.queries:
        selectors = re.findall(rf"(?<![\w:])(?:{twice})\b(\{{[^}}]*\}})?", query.expr)
        assert [one for one in selectors if f'job="{metrics.MODELS_JOB}"' not in one] == [], (
            f"{dashboard}: {query.expr}"
        )


def test_there_is_one_for_each_reader() -> None:
    """Three dashboards, each with its question; no title stands twice on one."""
    assert [one.name for one in DASHBOARDS] == ["engineer", "product", "executive"]
    for one in DASHBOARDS:
        assert one.asks.endswith("?")
        titles = [panel.title for panel in one.panels]
        assert len(titles) == len(set(titles))


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.name)
def test_grafana_can_read_it(dashboard: Dashboard) -> None:
    """Every panel has its place, its own number and a data source that the reader chooses; none lies on another."""
    document = grafana(dashboard)
    assert json.loads(grafana_json(dashboard)) == document
    assert (document["uid"], document["schemaVersion"]) == (f"shipway-{dashboard.name}", 39)
    variables = {one["name"]: one for one in document["templating"]["list"]}
    assert variables.keys() == {"datasource", MODEL.removeprefix("$")}
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        assert panel["type"] in ("timeseries", "stat")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C"][: len(panel["targets"])]
        assert panel["fieldConfig"]["defaults"]["noValue"] == NO_DATA
        at = panel["gridPos"]
        assert 0 <= at["x"] <= 24 - at["w"]
        place = (at["x"], at["y"])
        assert place not in taken
        taken.add(place)
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"]) == len(dashboard.panels)


def test_a_question_is_asked_for_all_models_at_the_right_time() -> None:
    """Lines over the whole stretch, numbers at its end; what is no number is left out."""
    asked: list[tuple[str, Mapping[str, str]]] = []

    def ask(path: str, parameters: Mapping[str, str]) -> Any:
        asked.append((path, parameters))
        series = {"metric": {"model": "digits"}, "values": [[1.0, "2"], [2.0, "NaN"], [3.0, "+Inf"]]}
        one = {"metric": {}, "value": [3.0, "4"]}
        return {"status": "success", "data": {"result": [series if "range" in path else one]}}

    lines = Panel("a", "b.", Unit.COUNT, (Query(f'x{{model=~"{MODEL}"}}', "{{model}} {{slot}}"),))
    number = Panel("c", "d.", Unit.COUNT, (Query("y", "all"),), Kind.NUMBER)
    found = answers(ask, Dashboard("n", "t", "q?", (lines, number)), SPAN)
    assert [(path, one["query"]) for path, one in asked] == [
        ("/api/v1/query_range", 'x{model=~".*"}'),
        ("/api/v1/query", "y"),
    ]
    assert asked[0][1]["step"] == "15"
    assert [[(line.name, line.points) for line in one.lines] for one in found] == [
        [("digits", [(1.0, 2.0)])],
        [("all", [(3.0, 4.0)])],
    ]


def test_a_question_that_is_refused_is_no_empty_panel() -> None:
    """An error of Prometheus ends the drawing; it never looks like silence."""
    panel = Panel("a", "b.", Unit.COUNT, (Query("x(", "l"),))
    with pytest.raises(Retryable, match="panel 'a': Prometheus says parse error"):
        answers(
            lambda _path, _asked: {"status": "error", "error": "parse error"}, Dashboard("n", "t", "q?", (panel,)), SPAN
        )


def test_a_panel_without_data_says_so() -> None:
    """Its picture differs from one with a line at nothing, and holds the words."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    drawn: list[str] = []
    original = Figure.savefig

    def seen(figure: Figure, *arguments: Any, **settings: Any) -> None:
        drawn.extend(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))
        original(figure, *arguments, **settings)

    panel = Panel("Empty", "b.", Unit.COUNT, (Query("x", "l"),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", seen)
        content = picture(Dashboard("n", "A title", "q?", (panel,)), [Answer(panel, ())], SPAN)
    assert content.startswith(b"\x89PNG")
    assert NO_DATA in drawn
    assert "Empty" in drawn


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.5, Unit.PER_SECOND, "0.5/s"),
        (90.0, Unit.SECONDS, "1.5 min"),
        (0.0, Unit.SECONDS, "0 s"),
        (1_234_567.0, Unit.COUNT, "1.23e+03 k"),
        (12.5, Unit.PERCENT, "12.5 %"),
    ],
)
def test_values_have_their_unit(value: float, unit: Unit, text: str) -> None:
    """A number alone tells nobody anything."""
    assert shown(value, unit) == text
