"""Alertmanager's configuration: every alert goes to the platform's own receiver and to each webhook of the stack."""

from collections.abc import Sequence
from pathlib import Path

from shipway.observability.rendering import render_template

__all__ = ["alertmanager_config"]

_TEMPLATES = Path(__file__).parent / "templates"

# How soon a change, an alert's end above all, is told.
_GROUP_INTERVAL_SECONDS = 1
# How often an alert that still stands is told again.
_REPEAT_INTERVAL_SECONDS = 4 * 3600


def alertmanager_config(file_url: str, webhook_urls: Sequence[str] = ()) -> str:
    """Returns alertmanager.yml.

    Args:
        file_url: where the receiver that writes notifications into a file listens.
        webhook_urls: where else they go; one that does not answer holds up none of the others.
    """
    return render_template(
        _TEMPLATES,
        "alertmanager.yml.j2",
        file_url=file_url,
        webhook_urls=list(webhook_urls),
        group_interval_seconds=_GROUP_INTERVAL_SECONDS,
        repeat_interval_seconds=_REPEAT_INTERVAL_SECONDS,
    )
