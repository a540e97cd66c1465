"""Which targets Prometheus scrapes: its configuration, and one target file a model."""

import json
from collections.abc import Mapping
from pathlib import Path

from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import Slot
from shipway.observability.rendering import render_template

__all__ = ["DELIVERY_JOB", "GATEWAY_JOB", "MODELS_JOB", "model_targets", "prometheus_config"]

MODELS_JOB, GATEWAY_JOB, DELIVERY_JOB = "models", "gateway", "delivery"

_TEMPLATES = Path(__file__).parent / "templates"


def prometheus_config(environment: EnvironmentSpec, gateway: str, delivery: str) -> str:
    """Returns prometheus.yml; rules and targets lie in `rules/` and `targets/` beside it.

    Args:
        environment: whose scrape interval it is.
        gateway: host:port of Envoy's admin interface.
        delivery: host:port of delivery's metrics.
    """
    platform: dict[str, tuple[str, str, dict[str, list[str]]]] = {
        # Envoy lists every statistic it could have; those never touched are half of the page.
        GATEWAY_JOB: ("/stats/prometheus", gateway, {"usedonly": [""]}),
        DELIVERY_JOB: ("/metrics", delivery, {}),
    }
    return render_template(
        _TEMPLATES,
        "prometheus.yml.j2",
        environment=environment.name,
        interval_seconds=environment.scrape_interval_seconds,
        models_job=MODELS_JOB,
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
