"""Which targets Prometheus scrapes: its configuration, and one target file a model."""

import json
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import (
    FALLBACKS_TOTAL,
    FEATURE_MISSING_REQUESTS_TOTAL,
    REQUEST_SECONDS,
    REQUESTS_TOTAL,
    UNIT_PREDICTION_BIN_TOTAL,
    UNITS_TOTAL,
    Slot,
)
from shipway.observability.rendering import render_template

__all__ = [
    "ALERT_RESEND_SECONDS",
    "DELIVERY_JOB",
    "GATEWAY_JOB",
    "LABELS_JOB",
    "MODELS_JOB",
    "ROLLOUT_JOB",
    "ROLLOUT_SCRAPE_SECONDS",
    "model_targets",
    "prometheus_config",
]

MODELS_JOB, GATEWAY_JOB, DELIVERY_JOB, LABELS_JOB = "models", "gateway", "delivery", "labels"

# Slots whose rollout is judged are scraped a second time and so much oftener: a bad version hurts callers until the
# next scrape. Only what delivery reads is kept of it, and no rule looks at it: it would count every request twice.
ROLLOUT_JOB, ROLLOUT_SCRAPE_SECONDS = "rollout", 0.25
_READ_BY_DELIVERY = (
    REQUESTS_TOTAL,
    f"{REQUEST_SECONDS}_(bucket|count)",
    FALLBACKS_TOTAL,
    FEATURE_MISSING_REQUESTS_TOTAL,
    UNITS_TOTAL,
    UNIT_PREDICTION_BIN_TOTAL,
)

# Prometheus finds Alertmanager five seconds after its own start, and what it wanted to say before that is said only
# with the next repetition; an alert that is not repeated four times has ended.
ALERT_RESEND_SECONDS = 15

_TEMPLATES = Path(__file__).parent / "templates"


def prometheus_config(
    environment: EnvironmentSpec, *, gateway: str, delivery: str, labels: str, alertmanager: str
) -> str:
    """Returns prometheus.yml; rules and targets lie in `rules/`, `targets/` and `rollout/` beside it.

    Args:
        environment: whose scrape interval it is.
        gateway: host:port of Envoy's admin interface.
        delivery: host:port of delivery's metrics.
        labels: host:port of the metrics of the late labels' join.
        alertmanager: host:port of Alertmanager.
    """
    platform: dict[str, tuple[str, str, dict[str, list[str]]]] = {
        # Envoy lists every statistic it could have; those never touched are half of the page.
        GATEWAY_JOB: ("/stats/prometheus", gateway, {"usedonly": [""]}),
        DELIVERY_JOB: ("/metrics", delivery, {}),
        LABELS_JOB: ("/metrics", labels, {}),
    }
    return render_template(
        _TEMPLATES,
        "prometheus.yml.j2",
        environment=environment.name,
        interval_seconds=environment.scrape_interval_seconds,
        models_job=MODELS_JOB,
        rollout_job=ROLLOUT_JOB,
        rollout_interval_seconds=ROLLOUT_SCRAPE_SECONDS,
        rollout_series="|".join(_READ_BY_DELIVERY),
        alertmanager=alertmanager,
        platform=platform,
    )


def model_targets(model: str, environment: str, addresses: Mapping[Slot, str]) -> str:
    """Returns the target file of one model.

    Args:
        model: its name.
        environment: the environment's name.
        addresses: slot -> host:port, of the filled slots alone: an empty one is no failing target.
    """
    groups = [
        {"targets": [address], "labels": {"env": environment, "model": model, "slot": str(slot)}}
        for slot, address in addresses.items()
    ]
    return json.dumps(groups, indent=2) + "\n"
