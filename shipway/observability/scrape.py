"""What Prometheus scrapes, how often, and whom it tells."""

from collections.abc import Mapping
from pathlib import Path

from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import DELIVERY_JOB, EVIDENCE_PATH, GATEWAY_JOB, MODELS_JOB, ROLLOUT_JOB
from shipway.observability.rendering import render_template

__all__ = ["ALERT_RESEND_SECONDS", "ROLLOUT_SCRAPE_SECONDS", "prometheus_config"]

# A bad version hurts callers until the next scrape. No rule looks at this job: it would count every request twice.
ROLLOUT_SCRAPE_SECONDS = 0.25

# Prometheus finds Alertmanager five seconds after its own start, and what it wanted to say before that is said only
# with the next repetition; an alert that is not repeated four times has ended.
ALERT_RESEND_SECONDS = 15

_TEMPLATES = Path(__file__).parent / "templates"


def prometheus_config(
    environment: EnvironmentSpec, *, gateway: str, delivery: str, workers: Mapping[str, str], alertmanager: str
) -> str:
    """Returns prometheus.yml; rules and targets lie in `rules/`, `targets/` and `rollout/` beside it.

    Args:
        environment: whose scrape interval it is.
        gateway: host:port of Envoy's admin interface.
        delivery: host:port of delivery's metrics.
        workers: job -> host:port of the metrics of each worker.
        alertmanager: host:port of Alertmanager.
    """
    platform: dict[str, tuple[str, str, dict[str, list[str]]]] = {
        # Envoy lists every statistic it could have; those never touched are half of the page.
        GATEWAY_JOB: ("/stats/prometheus", gateway, {"usedonly": [""]}),
        DELIVERY_JOB: ("/metrics", delivery, {}),
        **{job: ("/metrics", address, {}) for job, address in workers.items()},
    }
    return render_template(
        _TEMPLATES,
        "prometheus.yml.j2",
        environment=environment.name,
        interval_seconds=environment.scrape_interval_seconds,
        models_job=MODELS_JOB,
        rollout_job=ROLLOUT_JOB,
        rollout_interval_seconds=ROLLOUT_SCRAPE_SECONDS,
        rollout_path=EVIDENCE_PATH,
        alertmanager=alertmanager,
        platform=platform,
    )
