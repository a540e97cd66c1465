"""Recording and alert rules: the series delivery reads under one set of names, and what wakes a person."""

import math
from collections.abc import Sequence
from pathlib import Path

from shipway.contract.alerts import ALERTS, PLATFORM_OWNER, AlertName
from shipway.contract.environment import EnvironmentSpec
from shipway.contract.metrics import (
    DELIVERY_JOB,
    FEATURE_AGE_EDGES_SECONDS,
    FEATURE_AGE_SECONDS,
    FEATURE_MISSING_TOTAL,
    GATEWAY_JOB,
    HEARTBEAT_TIMESTAMP_SECONDS,
    LABELS_JOB,
    MATERIALISE_JOB,
    MODELS_JOB,
    RECORDED,
    Outcome,
)
from shipway.contract.model import ModelSpec, SloSpec
from shipway.observability.rendering import render_template, seconds

__all__ = ["materialise_rules", "minimum_requests", "model_rules", "platform_rules"]

_TEMPLATES = Path(__file__).parent / "templates"

# A scrape may be lost on a busy machine; this many in a row are a fault.
_LOST_SCRAPES = 5
# A slot that loads its model does not answer yet, and that wakes nobody.
_LOADING_SECONDS = 60.0

# What half of the values of a feature is taken over.
_AGE_WINDOW_SECONDS = 1800

# One start may fail and the next one make up for it.
_MISSED_STARTS = 2

# Delivery's loop turns several times a second; its longest waits, for files and for the gateway, stay within ten.
_STALLED_SECONDS = 15

# What the DCGM exporter calls them: the last error's number, and memory in MiB.
_XID, _GPU_USED, _GPU_FREE = "DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
_GPU_FULL_RATIO = 0.95
# A new node needs its driver first.
_GPU_WINDOW_SECONDS, _GPU_SILENT_SECONDS = 300, 900

_DOWN = {
    GATEWAY_JOB: AlertName.GATEWAY_DOWN,
    DELIVERY_JOB: AlertName.DELIVERY_DOWN,
    LABELS_JOB: AlertName.LABELS_DOWN,
}


def minimum_requests(slo: SloSpec) -> int:
    """Returns how many requests a window needs before its error ratio means anything: fewer, and one error alerts.

    >>> minimum_requests(SloSpec(error_ratio=0.01))
    100
    """
    return math.ceil(1 / slo.error_ratio) if slo.error_ratio else 1


def model_rules(model: ModelSpec, environment: EnvironmentSpec, *, released: bool) -> str:
    """Returns the rule file of one model.

    Args:
        model: whose SLO and owner they carry.
        environment: whose scrape interval sets the waiting times.
        released: whether any slot is filled; a model that was never released must not alert about missing targets.
    """
    return render_template(
        _TEMPLATES,
        "model_rules.yml.j2",
        model=model,
        alerts=ALERTS,
        slot_down=AlertName.SLOT_DOWN,
        not_scraped=AlertName.MODEL_NOT_SCRAPED,
        above_slo=AlertName.ERROR_RATIO_ABOVE_SLO,
        recorded=RECORDED,
        job=MODELS_JOB,
        released=released,
        interval_seconds=environment.scrape_interval_seconds,
        loading_seconds=_LOADING_SECONDS,
        patience_seconds=environment.scrape_interval_seconds * _LOST_SCRAPES,
        bad_outcomes="|".join((Outcome.ERROR, Outcome.INVALID_OUTPUT, Outcome.TIMEOUT)),
        not_judged=str(Outcome.REJECTED_INPUT),
        minimum_requests=minimum_requests(model.slo),
        stale=AlertName.FEATURES_STALE,
        age=FEATURE_AGE_SECONDS,
        missing=FEATURE_MISSING_TOTAL,
        age_window=seconds(_AGE_WINDOW_SECONDS),
        # Beyond the last edge nobody can tell how old a value is.
        watched_reads=[
            read for read in model.features.reads if read.freshness_slo_seconds < FEATURE_AGE_EDGES_SECONDS[-1]
        ],
    )


def platform_rules(environment: EnvironmentSpec, jobs: Sequence[str] = tuple(_DOWN)) -> str:
    """Returns the rule file of the platform's own processes.

    Args:
        environment: whose scrape interval sets the waiting times.
        jobs: the scrape jobs that the target has; what is never scraped would be missed for ever.
    """
    return render_template(
        _TEMPLATES,
        "platform_rules.yml.j2",
        alerts=ALERTS,
        down={job: _DOWN[job] for job in jobs},
        stalled=AlertName.DELIVERY_STALLED,
        stalled_seconds=_STALLED_SECONDS,
        owner=PLATFORM_OWNER,
        runbook_url=environment.alerts.runbook_url,
        delivery_job=DELIVERY_JOB,
        heartbeat=HEARTBEAT_TIMESTAMP_SECONDS,
        interval_seconds=environment.scrape_interval_seconds,
        patience_seconds=environment.scrape_interval_seconds * _LOST_SCRAPES,
    )


def gpu_rules(environment: EnvironmentSpec, part: str) -> str:
    """Returns the rule file of the GPUs, by what the DCGM exporter of the GPU operator says.

    Args:
        environment: whose pools say whether a GPU must be there at all times.
        part: what the alerts are a part of.
    """
    return render_template(
        _TEMPLATES,
        "gpu_rules.yml.j2",
        alerts=ALERTS,
        silent=AlertName.GPUS_NOT_WATCHED,
        fault=AlertName.GPU_FAULT,
        full=AlertName.GPU_MEMORY_FULL,
        xid=_XID,
        used=_GPU_USED,
        free=_GPU_FREE,
        full_ratio=_GPU_FULL_RATIO,
        window_seconds=_GPU_WINDOW_SECONDS,
        silent_seconds=_GPU_SILENT_SECONDS,
        expected=any(pool.min_nodes for pool in environment.gpu_pools),
        owner=PLATFORM_OWNER,
        part=part,
        runbook_url=environment.alerts.runbook_url,
    )


def materialise_rules(environment: EnvironmentSpec, namespace: str, cron_job: str, every_seconds: float) -> str:
    """Returns the rule file of the job that puts feature values online: its heartbeat, and the alert when it is late.

    Args:
        environment: which says where the runbook is.
        namespace, cron_job: where kube-state-metrics sees it.
        every_seconds: how often it is started.
    """
    return render_template(
        _TEMPLATES,
        "materialise_rules.yml.j2",
        alerts=ALERTS,
        late=AlertName.MATERIALISATION_LATE,
        heartbeat=HEARTBEAT_TIMESTAMP_SECONDS,
        job=MATERIALISE_JOB,
        selector=f'namespace="{namespace}",cronjob="{cron_job}"',
        owner=PLATFORM_OWNER,
        runbook_url=environment.alerts.runbook_url,
        late_seconds=every_seconds * _MISSED_STARTS,
        every_seconds=every_seconds,
    )
