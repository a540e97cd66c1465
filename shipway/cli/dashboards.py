"""`shipway dashboards`: the three dashboards, drawn from what Prometheus knows now."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from shipway.cli.context import emit, local, progress, project, table
from shipway.contract.errors import Retryable, SpecError
from shipway.observability.answers import Answer, Span, answers
from shipway.observability.dashboards import DASHBOARDS
from shipway.observability.panels import Dashboard
from shipway.observability.pictures import picture

__all__ = ["register"]

_UNITS_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_TIMEOUT_SECONDS = 30.0
_RETRY_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Adds the group's verb to `app`."""
    app.command(epilog="Example: shipway dashboards --png pictures --range 6h")(dashboards)


def dashboards(
    png: Annotated[
        Path | None, typer.Option("--png", metavar="DIR", help="draw each into DIR/<name>.png; without it, list them")
    ] = None,
    env: Annotated[str, typer.Option(help="the environment, of target local")] = "local",
    span: Annotated[str, typer.Option("--range", metavar="TIME", help="how far back, such as 30m, 6h or 7d")] = "1h",
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one line of JSON")] = False,
) -> None:
    """Draw the dashboards of engineer, product and executive; a panel without data says so."""
    layout, ports = local(project(), env)
    seconds = _seconds(span)
    if png is None:
        _list(layout.dashboards, as_json=as_json)
        return
    now, url = time.time(), f"http://127.0.0.1:{ports.prometheus}"
    drawn: dict[str, Any] = {}
    with httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
        for dashboard in DASHBOARDS:
            progress(f"asking {len(dashboard.panels)} panels of {dashboard.name}")
            found = answers(_asking(client), dashboard, Span(now - seconds, now))
            drawn[dashboard.name] = _write(png, dashboard, found, Span(now - seconds, now))
    rows = [(name, one["file"], str(one["panels"]), ", ".join(one["no_data"]) or "-") for name, one in drawn.items()]
    emit(drawn, table(("DASHBOARD", "FILE", "PANELS", "NO DATA"), rows), as_json=as_json)


def _list(folder: Path, *, as_json: bool) -> None:
    found = {
        one.name: {"asks": one.asks, "panels": [panel.title for panel in one.panels], "file": str(_file(folder, one))}
        for one in DASHBOARDS
    }
    rows = [(one.name, str(len(one.panels)), one.asks, str(_file(folder, one))) for one in DASHBOARDS]
    emit(found, table(("DASHBOARD", "PANELS", "ASKS", "FOR GRAFANA"), rows), as_json=as_json)


def _file(folder: Path, dashboard: Dashboard) -> Path:
    return folder / f"{dashboard.name}.json"


def _asking(client: httpx.Client) -> Any:
    def ask(path: str, asked: Mapping[str, str]) -> Any:
        try:
            # Refusals are JSON as well, and say why.
            return client.get(path, params=dict(asked)).json()
        except (httpx.HTTPError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise Retryable(f"Prometheus at {client.base_url} does not answer ({said})", _RETRY_SECONDS) from None

    return ask


def _write(folder: Path, dashboard: Dashboard, found: list[Answer], span: Span) -> dict[str, Any]:
    path = folder / f"{dashboard.name}.png"
    content = picture(dashboard, found, span)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {
        "file": str(path),
        "panels": len(found),
        "no_data": [answer.panel.title for answer in found if not answer.lines],
        "lines": sum(len(answer.lines) for answer in found),
    }


def _seconds(span: str) -> float:
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", span)
    if found is None:
        raise SpecError("the command line", "--range", span, "a number with m, h or d, such as 6h")
    return float(found[1]) * _UNITS_SECONDS[found[2]]
