"""Dashboards as Grafana reads them: its JSON model, made from the panels."""

import json
from typing import Any

from shipway.observability.panels import MODEL, Dashboard, Kind, Panel

__all__ = ["grafana", "grafana_json"]

# Of Grafana 11, whose newer versions read it too.
_SCHEMA = 39
_WIDTH, _COLUMNS, _HEIGHT = 24, 3, 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def grafana_json(dashboard: Dashboard) -> str:
    """Returns the text of a dashboard's file."""
    return json.dumps(grafana(dashboard), indent=2, sort_keys=True) + "\n"


def grafana(dashboard: Dashboard) -> dict[str, Any]:
    """Returns a dashboard as Grafana's JSON model, with a choice of data source and models."""
    return {
        "uid": f"shipway-{dashboard.name}",
        "title": dashboard.title,
        "description": dashboard.asks,
        "tags": ["shipway"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_data_source(), _models()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }


def _data_source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _models() -> dict[str, Any]:
    query = 'label_values(up{job="models"}, model)'
    return {
        "name": MODEL.removeprefix("$"),
        "label": "Model",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "models"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    width = _WIDTH // _COLUMNS
    return {
        "id": number + 1,
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": {"x": column * width, "y": row * _HEIGHT, "w": width, "h": _HEIGHT},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                **({"instant": True, "range": False} if panel.kind is Kind.NUMBER else {}),
            }
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _field(panel: Panel) -> dict[str, Any]:
    field: dict[str, Any] = {"unit": str(panel.unit), "noValue": "no data"}
    if panel.limit is not None:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        field |= {
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": {"thresholdsStyle": {"mode": "line"}},
        }
    return field


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind is Kind.NUMBER:
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "value_and_name"}
    return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
