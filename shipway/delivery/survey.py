"""What runs now: processes from the supervisor, rates from Prometheus, both within a second or not at all."""

import http.client
import json
import math
import urllib.parse
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from shipway.contract.alerts import AlertName, Severity
from shipway.contract.layout import LocalLayout
from shipway.contract.metrics import Outcome, Slot
from shipway.contract.route import RouteSpec
from shipway.contract.workers import WORKERS
from shipway.delivery.unix import UnixConnection

__all__ = [
    "RUNNING",
    "UP",
    "FiringAlert",
    "Get",
    "Rates",
    "alerts_arrive",
    "expected_processes",
    "firing_alerts",
    "loopback",
    "process_states",
    "query",
    "request_rates",
    "web",
]

# Returns the JSON that a server answers a path with; None when it gives none.
Get = Callable[[str], Any]

TIMEOUT_SECONDS = 1.0
RATE_WINDOW = "1m"
RUNNING = "RUNNING"
# A slot that loads its model is STARTING for its first seconds; one that keeps failing is in BACKOFF.
UP = frozenset({RUNNING, "STARTING"})

_PLATFORM = ("gateway", "prometheus", "alertmanager", "alert-receiver", "delivery", *WORKERS, "registrar")
_QUERY = f"sum by (model, outcome) (rate(shipway:requests_total[{RATE_WINDOW}]))"
_BAD = frozenset({Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.TIMEOUT})


@dataclass(frozen=True)
class Rates:
    """One model's last minute.

    Args:
        requests_per_second: all requests.
        error_ratio: errors, timeouts and invalid outputs among those that were not the caller's fault; None for none.
    """

    requests_per_second: float
    error_ratio: float | None


@dataclass(frozen=True)
class FiringAlert:
    """One alert that stands now, as Alertmanager knows it; what it does not say is empty.

    Args:
        name: which one, see `contract.alerts`.
        severity: page or ticket.
        owner: the team that answers for it.
        model: whose, empty for one of the platform.
        summary: what is the matter.
        runbook_url: where what to do is written.
        starts_at: since when, in UTC.
    """

    name: str
    severity: str
    owner: str
    model: str
    summary: str
    runbook_url: str
    starts_at: str


def expected_processes(layout: LocalLayout, specs: Mapping[str, RouteSpec]) -> list[str]:
    """Returns the names of the processes that should run: the platform's, and one for each filled slot."""
    slots = [
        layout.process(model, slot)
        for model, spec in sorted(specs.items())
        for slot in Slot
        if spec.endpoint(slot).digest
    ]
    return [*_PLATFORM, *slots]


def process_states(path: Path) -> dict[str, str] | None:
    """Returns name -> state of every process the supervisor at socket `path` knows; None when it does not answer."""
    proxy = xmlrpc.client.ServerProxy("http://supervisor/RPC2", transport=_UnixTransport(path))
    try:
        listed = cast(list[dict[str, Any]], proxy.supervisor.getAllProcessInfo())
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return None
    return {str(process["name"]): str(process["statename"]) for process in listed}


def request_rates(prometheus: Get) -> dict[str, Rates] | None:
    """Returns model -> its last minute; None when Prometheus does not answer.

    A model without a series is not in the answer: no data is unknown, never zero.
    """
    answer = query(prometheus, _QUERY)
    if answer is None:
        return None
    named = [(labels, value) for labels, value in answer if {"model", "outcome"} <= labels.keys()]
    return rates([(labels["model"], labels["outcome"], value) for labels, value in named])


def alerts_arrive(firing: Sequence[FiringAlert]) -> bool:
    """Returns whether what Prometheus finds reaches Alertmanager: then the watchdog is among what fires."""
    return any(one.name == AlertName.WATCHDOG for one in firing)


def firing_alerts(alertmanager: Get) -> list[FiringAlert] | None:
    """Returns what is firing, pages first, then by age, the watchdog last; None when Alertmanager does not answer."""
    answer = alertmanager("/api/v2/alerts?active=true&silenced=false&inhibited=false&unprocessed=true")
    if not isinstance(answer, list):
        return None
    try:
        found = [_firing(alert) for alert in cast(list[Any], answer)]
    except (KeyError, TypeError, AttributeError):
        return None
    urgency = [*Severity]
    return sorted(found, key=lambda one: (_rank(one.severity, urgency), one.starts_at, one.name, one.model))


def _rank(severity: str, urgency: Sequence[str]) -> int:
    return urgency.index(severity) if severity in urgency else len(urgency)


def query(prometheus: Get, text: str) -> list[tuple[dict[str, str], float]] | None:
    """Returns (labels, value) of each series that Prometheus answers `text` with.

    None when it does not answer; what is not a finite number is left out.
    """
    answer = prometheus(f"/api/v1/query?query={urllib.parse.quote(text)}")
    try:
        found = [(dict(row["metric"]), float(row["value"][1])) for row in answer["data"]["result"]]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    return [(labels, value) for labels, value in found if math.isfinite(value)]


def _firing(alert: Any) -> FiringAlert:
    labels, annotations = alert["labels"], alert["annotations"]
    return FiringAlert(
        name=str(labels["alertname"]),
        **{name: str(labels.get(name, "")) for name in ("severity", "owner", "model")},
        **{name: str(annotations.get(name, "")) for name in ("summary", "runbook_url")},
        starts_at=str(alert["startsAt"]),
    )


def loopback(port: int) -> Get:
    """Returns what asks a server on loopback."""
    return web(f"http://127.0.0.1:{port}")


def web(url: str) -> Get:
    """Returns what asks a server at a web address without a path."""
    return partial(_get, url)


def _get(url: str, path: str) -> Any:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return json.loads(body) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def rates(rows: list[tuple[str, str, float]]) -> dict[str, Rates]:
    """Returns model -> its rates from (model, outcome, requests a second); what is not a number is left out."""
    found: dict[str, dict[str, float]] = {}
    for model, outcome, per_second in rows:
        if math.isfinite(per_second):
            found.setdefault(model, {})[outcome] = per_second
    return {model: _rates(outcomes) for model, outcomes in found.items()}


def _rates(outcomes: Mapping[str, float]) -> Rates:
    total = sum(outcomes.values())
    judged = total - outcomes.get(Outcome.REJECTED_INPUT, 0.0)
    bad = sum(outcomes.get(outcome, 0.0) for outcome in _BAD)
    return Rates(total, bad / judged if judged > 0 else None)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return UnixConnection(self._path, connect_timeout_seconds=TIMEOUT_SECONDS, timeout_seconds=TIMEOUT_SECONDS)
