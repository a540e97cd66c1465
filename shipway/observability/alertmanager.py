"""Alertmanager's configuration: every alert goes to the platform's own receiver and to each webhook of the stack."""

from collections.abc import Sequence
from pathlib import Path

from shipway.contract.alerts import AlertName
from shipway.contract.metrics import ALERTS_JOB
from shipway.contract.periodic import PERIODIC
from shipway.observability.rendering import render_template

__all__ = ["alertmanager_config"]

_TEMPLATES = Path(__file__).parent / "templates"

# How soon a change, an alert's end above all, is told.
_GROUP_INTERVAL_SECONDS = 1
# How often an alert that still stands is told again.
_REPEAT_INTERVAL_SECONDS = 4 * 3600
# How often the watchdog is told again: it is missed after some of these.
WATCHDOG_REPEAT_SECONDS = PERIODIC[ALERTS_JOB].every_seconds


def alertmanager_config(
    file_url: str,
    webhook_urls: Sequence[str] = (),
    watchdog_url: str | None = None,
    watchdog_seconds: float = WATCHDOG_REPEAT_SECONDS,
) -> str:
    """Returns alertmanager.yml.

    Args:
        file_url: where the receiver that writes notifications into a file listens.
        webhook_urls: where else they go; one that does not answer holds up none of the others.
        watchdog_url: who else is told that alerts arrive.
        watchdog_seconds: how often.
    """
    return render_template(
        _TEMPLATES,
        "alertmanager.yml.j2",
        file_url=file_url,
        webhook_urls=list(webhook_urls),
        watchdog=AlertName.WATCHDOG,
        watchdog_urls=[file_url, *([watchdog_url] if watchdog_url else [])],
        watchdog_seconds=watchdog_seconds,
        group_interval_seconds=_GROUP_INTERVAL_SECONDS,
        repeat_interval_seconds=_REPEAT_INTERVAL_SECONDS,
    )
